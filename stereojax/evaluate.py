"""Measures a result, such as estimated depth, against the ground truth.

    python -m stereojax.evaluate --task=depth --pred=film_depth.mkv --truth=true.npz

depth: AbsRel and delta1 after one least-squares scale and shift per shot, and the
flicker of the depth. --output writes the scores as JSON.
"""

import importlib
from pathlib import Path

from absl import flags

from stereojax import cli
from stereojax.storage.atomic import write_json

FLAGS = flags.FLAGS
TASKS = ("depth",)

flags.DEFINE_enum("task", None, TASKS, "kind of result to measure")
flags.DEFINE_string(
    "pred", None, "file or folder of the result to measure, such as a depth file"
)
flags.DEFINE_string(
    "truth", None, "file or folder of the ground truth, in the same formats"
)
flags.DEFINE_string("output", None, "JSON file to write the scores to")
flags.DEFINE_list(
    "infinity",
    [],
    "disparity in pixels of infinitely far points, one number per shot; needed if"
    " --truth is disparity",
)


def run() -> None:
    for name in ("task", "pred", "truth"):
        if not FLAGS[name].value:
            raise cli.InputError(f"--{name} is missing; --help lists all flags")
    task = importlib.import_module(f"stereojax.evaluation.{FLAGS.task}")
    try:
        infinity = [float(pixels) for pixels in FLAGS.infinity]
    except ValueError:
        raise cli.InputError(
            f"--infinity={','.join(FLAGS.infinity)}: expected numbers"
        ) from None
    scores = task.evaluate(Path(FLAGS.pred), Path(FLAGS.truth), infinity=infinity)
    print(task.table(scores))
    if FLAGS.output:
        write_json(Path(FLAGS.output), scores)


if __name__ == "__main__":
    cli.main(run)
