"""Writes the HTML report of a dataset.

    python -m data_prep.report DATASET/

writes DATASET/report.html, one file with counters, histograms, thumbnails of kept and
dropped sequences, films and settings.
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
        "largest number of thumbnails of kept sequences, and of each filter's drops",
        lower_bound=0,
    )
    argv = list(sys.argv)
    if len(argv) > 1 and not argv[1].startswith("-"):
        argv[1] = f"--folder={argv[1]}"
    if not any(a.startswith("--folder") for a in argv) and "--help" not in argv:
        argv.append("--folder=.")
    cli.main(run, argv)
