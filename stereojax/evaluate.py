"""Measures a result beside the truth.

    python -m stereojax.evaluate --task=depth --pred=film_depth.mkv --truth=true.npz

depth: AbsRel and delta1 after one least-squares scale and shift a shot, and how much
the depth flickers. --output writes the numbers as JSON.
"""

import importlib
import json
from pathlib import Path

from absl import flags

from stereojax import cli

FLAGS = flags.FLAGS
TASKS = ("depth",)

flags.DEFINE_enum("task", None, TASKS, "what is measured")
flags.DEFINE_string("pred", None, "what is judged")
flags.DEFINE_string("truth", None, "what it should be")
flags.DEFINE_string("output", None, "a JSON file for the numbers")
flags.DEFINE_list(
    "infinity", [], "of a truth in pixels: disparity of what is infinitely far, a shot"
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
        path = Path(FLAGS.output)
        part = path.with_name(f".{path.name}.part")
        part.write_text(json.dumps(scores, indent=1) + "\n")
        part.replace(path)


if __name__ == "__main__":
    cli.main(run)
