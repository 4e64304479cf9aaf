"""Draws bar charts as SVG, small enough to embed in a page."""

import html
from collections.abc import Sequence

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _BOTTOM = 640, 180, 56, 20, 34
_COLORS = ("#2f6fc8", "#c8602b")
_MIN_BINS = 8


def bar_chart(
    title: str,
    edges: Sequence[float | int],
    series: dict[str, Sequence[int | float]],
    unit: str,
) -> str:
    """Draws a histogram of one or two named series, stacked.

    Args:
      title: the title of the chart.
      edges: limits of the bins, one more than bins.
      series: counts by name; empty bins at the end are left out.
      unit: unit of `edges`.
    """
    totals = [sum(values) for values in zip(*series.values(), strict=True)]
    used = max((i + 1 for i, total in enumerate(totals) if total), default=0)
    totals = totals[: max(used, _MIN_BINS)]
    top = max(totals, default=0) or 1
    count = len(totals)
    bar_width = (_WIDTH - _LEFT) / max(count, 1)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH + _RIGHT} {_HEIGHT + _BOTTOM + 24}" role="img">',
        f'<text x="{_LEFT}" y="14" class="title">{html.escape(title)}</text>',
        f'<g transform="translate({_LEFT},24)">',
    ]
    # The bars; `base` is the height of the series below.
    base = [0.0] * count
    for color, (name, values) in zip(_COLORS, series.items(), strict=False):
        for i, value in enumerate(values[: len(totals)]):
            height = _HEIGHT * value / top
            y = _HEIGHT - base[i] - height
            base[i] += height
            if value:
                parts.append(
                    f'<rect x="{i * bar_width:.1f}" y="{y:.1f}"'
                    f' width="{max(bar_width - 1, 0.5):.1f}" height="{height:.1f}"'
                    f' fill="{color}"><title>{edges[i]:g} to {edges[i + 1]:g} {unit},'
                    f" {html.escape(name)}: {value:g}</title></rect>"
                )
    # The axes, with about eight ticks.
    parts.append(f'<path d="M0 {_HEIGHT}H{_WIDTH - _LEFT}" stroke="#888"/>')
    for i in range(0, count + 1, max(1, count // 8)):
        x = i * bar_width
        parts.append(
            f'<text x="{x:.1f}" y="{_HEIGHT + 16}" class="tick">{edges[i]:g}</text>'
        )
    right = _WIDTH - _LEFT
    parts += [
        f'<text x="{right}" y="{_HEIGHT + 31}" class="unit">{html.escape(unit)}</text>',
        f'<text x="-6" y="10" class="count">{top:.4g}</text>',
        f'<text x="-6" y="{_HEIGHT}" class="count">0</text>',
        *_legend(list(series), right),
        "</g></svg>",
    ]
    return "\n".join(parts)


def _legend(names: list[str], right: float | int) -> list[str]:
    if len(names) < 2:
        return []
    return [
        f'<text x="{right}" y="{10 + 15 * i}" class="unit" style="fill:{_COLORS[i]}">'
        f"{html.escape(name)}</text>"
        for i, name in enumerate(names)
    ]
