"""Renders the report as one HTML file without external resources."""

import base64
import html
from collections.abc import Iterable
from pathlib import Path

from etils import epath

from data_prep.report.charts import bar_chart
from data_prep.report.statistics import (
    DISPARITY_EDGES,
    PSNR_EDGES,
    SHOT_EDGES,
    DatasetStatistics,
    ShownSequence,
    gather_statistics,
)
from stereojax.storage.atomic import atomic_write

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 84em;
  padding: 0 1em; color: #222; }
h1, h2 { font-weight: 600; } h2 { margin-top: 2em; }
table { border-collapse: collapse; } td, th { padding: .2em .9em .2em 0;
  text-align: left; vertical-align: top; } td.number { text-align: right; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(26em, 1fr));
  gap: 1.5em; } svg { width: 100%; }
svg text { font-size: 12px; fill: #333; } svg .title { font-weight: 600; }
svg .tick { text-anchor: middle; } svg .unit, svg .count { text-anchor: end; }
.pictures { display: flex; flex-wrap: wrap; gap: 12px; }
figure { margin: 0; max-width: 48%; } figure img { max-width: 100%; display: block; }
figcaption { font-size: 12px; color: #555; }
"""


def render_page(statistics: DatasetStatistics) -> str:
    """Returns the page as HTML, with the thumbnails inside."""
    report = statistics.report
    settings = report["settings"]
    title = f"{settings['kind']} films, {settings['width']} x {settings['height']}"
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>",
        f"<h1>{html.escape(title)}</h1>",
        "<h2>Counters</h2>",
        _table(report["counters"].items()),
    ]
    if report.get("splits"):
        rows = [
            (name, ", ".join(f"{n:,} {unit}" for unit, n in split.items()))
            for name, split in report["splits"].items()
        ]
        parts += ["<h2>Splits</h2>", _table(rows)]
    parts += [
        '<h2>Distributions</h2><div class="charts">',
        *_charts(statistics),
        "</div>",
    ]
    # Kept sequences first, then the sequences that each filter dropped.
    kinds = sorted(statistics.pictures, key=lambda kind: (kind != "kept", kind))
    for kind in kinds:
        name = "Kept" if kind == "kept" else f"Dropped: {kind}"
        parts += [f"<h2>{html.escape(name)}</h2>", '<div class="pictures">']
        parts += [_figure(picture) for picture in statistics.pictures[kind]]
        parts.append("</div>")
    rows = [
        (Path(film["path"]).name, film["status"], film["message"] or _counters(film))
        for film in report["films"]
    ]
    parts += ["<h2>Films</h2>", _table(rows)]
    parts += ["<h2>Settings</h2>", _table(settings.items()), "</html>"]
    return "\n".join(parts)


def _charts(statistics: DatasetStatistics) -> list[str]:
    psnr = {name: counts.tolist() for name, counts in statistics.psnr.items()}
    disparity = {"kept": statistics.disparity.tolist()}
    shots = {"shots": statistics.shots.tolist()}
    return [
        bar_chart("PSNR of the splatted view, sequences", PSNR_EDGES, psnr, "dB"),
        bar_chart(
            "Disparity of kept sequences, frames", DISPARITY_EDGES, disparity, "px"
        ),
        bar_chart("Length of shots, shots", SHOT_EDGES, shots, "frames"),
    ]


def _figure(picture: ShownSequence) -> str:
    sample = picture.sample
    data = base64.b64encode(sample.thumbnail).decode()
    words = [picture.source, f"shot {sample.shot}", f"frame {sample.first}"]
    words.append(f"{sample.frames} frames")
    if sample.psnr is not None:
        words.append(f"{sample.psnr:.1f} dB")
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="">'
        f"<figcaption>{html.escape(', '.join(words))}</figcaption></figure>"
    )


def _counters(film: dict) -> str:
    counters = film.get("counters") or {}
    return ", ".join(f"{name} {count:,}" for name, count in counters.items())


def _table(rows: Iterable[tuple]) -> str:
    lines = []
    for row in rows:
        cells = (
            f'<td class="number">{cell:,}</td>'
            if isinstance(cell, int | float) and not isinstance(cell, bool)
            else f"<td>{html.escape(str(cell))}</td>"
            for cell in row
        )
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"


def write_report(folder: str, limit: int = 24) -> epath.Path:
    """Writes `report.html` into the output folder of `data_prep`; returns its path.

    Args:
      folder: the output folder.
      limit: largest number of thumbnails of kept sequences, and of each filter's drops.
    """
    text = render_page(gather_statistics(folder, limit))
    path = epath.Path(folder) / "report.html"
    with atomic_write(path) as part:
        part.write_text(text)
    return path
