"""Seeded stereo films of moving scenes, with exact disparity and occlusion."""

from stereojax.synthetic.film import Film, SceneConfig, make_film
from stereojax.synthetic.render import StereoFrame
from stereojax.synthetic.write import write_film

__all__ = ["Film", "SceneConfig", "StereoFrame", "make_film", "write_film"]
