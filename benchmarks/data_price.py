"""What a film costs to take apart, by the frame, the shot and the film.

    python -m benchmarks.data_price --film FILM_sbs.mkv --width 1024 --height 576

prints CPU seconds of each stage and kilobytes as JSON.
"""

import json
import time
from pathlib import Path

from absl import flags

from data_prep.film_summary import Summary
from data_prep.stage_timer import Clock
from stereojax import cli
from stereojax.records import Record, to_example
from stereojax.settings.data import DataSettings


def costs_of(film: Path, settings: DataSettings) -> dict[str, float]:
    """See `price`. The start, with all that is compiled, is left out.

    A busy machine changes the CPU's seconds little, the clock's a lot.
    """
    from data_prep.process import process

    sizes: list[int] = []

    def save(record: Record) -> None:
        sizes.append(len(to_example(record)))

    process(film, settings, save)  # compiles
    sizes.clear()
    summary = process(film, settings, save, clock=Clock(time.process_time))
    return price(summary, sizes)


def price(film: Summary, sizes: list[int]) -> dict[str, float]:
    """Seconds a frame; a shot for "parallax", a film for "layout"; kB a kept frame."""
    each = {name: s / film.frames for name, s in film.seconds.items()}
    each["parallax"] = film.seconds.get("parallax", 0.0) / len(film.shots)
    each["layout"] = film.seconds.get("layout", 0.0)
    kilobytes = sum(sizes) / 1000 / max(film.counters["kept_frames"], 1)
    return each | {"kB": kilobytes}


def run() -> None:
    given = flags.FLAGS
    settings = DataSettings(width=given.width, height=given.height, shortest=8)
    print(json.dumps(costs_of(Path(given.film), settings)))


if __name__ == "__main__":
    flags.DEFINE_string("film", None, "a stereo film", required=True)
    flags.DEFINE_integer("width", 1024, "of the records")
    flags.DEFINE_integer("height", 576, "of the records")
    cli.main(run)
