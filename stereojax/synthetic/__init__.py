"""Synthetic stereo videos of moving scenes, with exact disparity and occlusion."""

from stereojax.synthetic.film import SceneConfig, SyntheticFilm, make_film
from stereojax.synthetic.render import StereoFrame
from stereojax.synthetic.write import write_film

__all__ = ["SceneConfig", "StereoFrame", "SyntheticFilm", "make_film", "write_film"]
