"""Measures the CPU time that a training sample of 25 frames at 576x1024 takes.

    python -m benchmarks.training_input

Draws samples from a record of a rendered scene with film grain, encoded as by
`data_prep`, and times decoding, cropping, mirroring, and whole samples. Seconds are CPU
seconds. The last column is the number of worker processes that keep up with updates of
8 samples that take --update_seconds. Writes benchmarks/results/training_input.json.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from benchmarks import measure
from stereojax.records import Provenance, Record, encode_record
from stereojax.settings.train import TrainSettings
from stereojax.synthetic import make_film
from stereojax.training.inpaint_task import make_sample
from stereojax.training.input.clips import RecordClip
from stereojax.training.input.framing import Crop, crop_frames
from stereojax.training.input.mirror import mirror_pair
from stereojax.training.input.pipeline import draw_sample

SAMPLES = 8  # per update
GRAIN = 0.02  # standard deviation of film grain, which slows JPEG decoding


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--height", type=int, default=576, help="sample height in pixels")
    add("--width", type=int, default=1024, help="sample width in pixels")
    add("--frames", type=int, default=25, help="frames per sample")
    add("--update_seconds", type=float, default=1.5, help="seconds per update")
    args = parser.parse_args(argv)
    settings = TrainSettings(
        height=args.height, width=args.width, frames=args.frames, max_stride=2
    )
    clip = RecordClip(encode_scene(settings))
    frames = clip.frames(np.arange(args.frames))
    whole_frame = Crop(args.height, args.width, 1.0, 0.0, 0.0)
    timings = measure.race(
        {
            "decode": lambda: clip.frames(np.arange(args.frames)).left,
            "crop": lambda: crop_frames(frames, whole_frame).left,
            "mirror": lambda: mirror_pair(frames).left,
            "a sample, half of them mirrored": lambda: [
                draw_sample(clip, [0, i], settings, make_sample)["left"]
                for i in range(4)
            ],
        }
    )
    rows = []
    for name, timing in timings.items():
        seconds = timing.cpu / (4 if "sample" in name else 1)
        rows.append(
            {
                "what": name,
                "cpu_s": seconds,
                "workers": SAMPLES * seconds / args.update_seconds,
            }
        )
    print(measure.table(rows))
    print("written:", measure.save("training_input", rows))


def encode_scene(settings: TrainSettings) -> Record:
    """Renders a scene with film grain and encodes it."""
    film = make_film(
        1,
        frames=settings.span,
        height=settings.height,
        width=settings.width,
        shots=1,
        max_disparity_percent=3.0,
    )
    rng = np.random.default_rng(0)
    lefts, rights, disparities = [], [], []
    for frame in film.render():
        for view, views in ((frame.left, lefts), (frame.right, rights)):
            grain = GRAIN * rng.standard_normal(view.shape, np.float32)
            views.append(np.rint(255 * np.clip(view + grain, 0, 1)).astype(np.uint8))
        disparities.append(frame.disparity)
    provenance = Provenance(
        "a film", "0" * 32, "stereo", 0, 0, 24.0, "rendered", 0.0, 30.0, 0.5
    )
    views = map(np.stack, (lefts, rights))
    return encode_record(*views, np.stack(disparities).astype(np.float32), provenance)


if __name__ == "__main__":
    main()
