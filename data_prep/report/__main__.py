"""Writes the HTML report about a dataset.

python -m data_prep.report DATASET/
"""

import sys

from absl import flags

from data_prep.report.page import write
from stereojax import cli


def run() -> None:
    print(write(flags.FLAGS.folder, flags.FLAGS.pictures))


if __name__ == "__main__":
    flags.DEFINE_string("folder", None, "dataset folder (--output of data_prep)")
    flags.DEFINE_integer("pictures", 24, "samples shown of each kind", lower_bound=0)
    words = list(sys.argv)
    if len(words) > 1 and not words[1].startswith("-"):
        words[1] = f"--folder={words[1]}"
    if not any(w.startswith("--folder") for w in words) and "--help" not in words:
        words.append("--folder=.")
    cli.main(run, words)
