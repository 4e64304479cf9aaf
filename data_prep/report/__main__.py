"""Writes the HTML report of a dataset.

    python -m data_prep.report DATASET/

writes DATASET/report.html: counters, histograms, thumbnails of kept and of dropped
sequences, films and settings, in one file.
"""

import sys

from absl import flags

from data_prep.report.page import write_report
from stereojax import cli


def run() -> None:
    print(write_report(flags.FLAGS.folder, flags.FLAGS.pictures))


if __name__ == "__main__":
    flags.DEFINE_string("folder", None, "dataset folder (--output of data_prep)")
    flags.DEFINE_integer(
        "pictures",
        24,
        "number of thumbnails of kept sequences, and of each filter's dropped ones",
        lower_bound=0,
    )
    words = list(sys.argv)
    if len(words) > 1 and not words[1].startswith("-"):
        words[1] = f"--folder={words[1]}"
    if not any(w.startswith("--folder") for w in words) and "--help" not in words:
        words.append("--folder=.")
    cli.main(run, words)
