"""Measures the cost of preparing a film, per frame, per shot and per film.

    python -m benchmarks.data_price --film FILM_sbs.mkv --width 1024 --height 576

prints CPU seconds by stage, and kilobytes, as JSON.
"""

import json
import time
from pathlib import Path

from absl import flags

from data_prep.film_summary import FilmSummary
from data_prep.stage_timer import StageTimer
from stereojax import cli
from stereojax.records import Record, to_example
from stereojax.settings.data import DataSettings


def costs_of(film: Path, settings: DataSettings) -> dict[str, float]:
    """Prepares a film twice and returns `price` of the second run.

    The first run compiles. Times are CPU seconds, which other load on the machine
    changes less than wall-clock seconds.
    """
    from data_prep.film_task import extract_records

    sizes: list[int] = []

    def save(record: Record) -> None:
        sizes.append(len(to_example(record)))

    extract_records(film, settings, save)
    sizes.clear()
    timer = StageTimer(time.process_time)
    summary = extract_records(film, settings, save, timer=timer)
    return price(summary, sizes)


def price(film: FilmSummary, sizes: list[int]) -> dict[str, float]:
    """Returns the seconds of each stage, and "kB".

    The seconds are per frame, except "parallax" (per shot) and "layout" (per film). The
    kilobytes are per kept frame.

    Args:
      film: the summary of a prepared film.
      sizes: number of bytes of each record.
    """
    costs = {name: s / film.frames for name, s in film.seconds.items()}
    costs["parallax"] = film.seconds.get("parallax", 0.0) / len(film.shots)
    costs["layout"] = film.seconds.get("layout", 0.0)
    kilobytes = sum(sizes) / 1000 / max(film.counters["kept_frames"], 1)
    return costs | {"kB": kilobytes}


def run() -> None:
    values = flags.FLAGS
    settings = DataSettings(width=values.width, height=values.height, shortest=8)
    print(json.dumps(costs_of(Path(values.film), settings)))


if __name__ == "__main__":
    flags.DEFINE_string("film", None, "path of a stereo film", required=True)
    flags.DEFINE_integer("width", 1024, "width of the records, pixels")
    flags.DEFINE_integer("height", 576, "height of the records, pixels")
    cli.main(run)
