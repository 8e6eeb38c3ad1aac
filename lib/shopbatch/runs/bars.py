"""Draws the bar charts and small histograms of report.html as HTML elements, for `runs.page`.

In contrast to SVG, the text keeps its size and wraps, however narrow the page is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

LABELS = ("negative", "neutral", "positive")  # every chart shows them in this order and in the same colours
COLOURS = 6
MAX_BARS = 24
MAX_PANELS = 24
_READABLE = 0.08  # least share of a bar in which its percentage is written


def label_order(name: str) -> tuple[int, str]:
    """Return a sort key for label names: negative, neutral, positive first, in this order; then all others by name."""
    return (LABELS.index(name) if name in LABELS else len(LABELS), name)


def bars(groups: Sequence[str], series: Mapping[str, Sequence[float]], title: str) -> Markup:
    """Draw horizontal bars, one per group.

    With several series, each bar is divided into parts: one part per series, as long as its share of the group's sum.
    With a single series, the length of a bar is its value.

    Args:
        groups: Names of the groups [g], the first one on top; at most MAX_BARS are drawn.
        series: {name: numbers [g]}, none negative.
        title: Text that a screen reader reads for the chart.

    Raises:
        KeyError, TypeError, ValueError: The data cannot be drawn.
    """
    if not series or not groups:
        raise ValueError("nothing to draw")
    groups = list(groups)[:MAX_BARS]
    rows = [[max(float(values[i] or 0), 0.0) for values in series.values()] for i in range(len(groups))]
    colours = [f"var(--series-{_colour(name, i)})" for i, name in enumerate(series)]
    stacked = len(series) > 1
    legend, most = Markup(""), max(row[0] for row in rows) or 1
    if stacked:
        item = Markup('<span><i style="background: {}"></i>{}</span>')
        items = Markup("").join(item.format(c, _clean(n)) for c, n in zip(colours, series, strict=True))
        legend = Markup('<p class="legend">{}</p>').format(items)
    drawn = [_stack(row, colours) if stacked else _single(row[0], most) for row in rows]
    line = Markup("<div><span>{}</span>{}</div>")
    lines = Markup("").join(line.format(_clean(g), bar) for g, bar in zip(groups, drawn, strict=True))
    return Markup('<div class="bars" role="group" aria-label="{}">{}{}</div>').format(_clean(title), legend, lines)


def histograms(panels: Mapping[str, Mapping[str, Any]], title: str) -> Markup:
    """Draw small histograms side by side, each to its own scale, so that shapes can be compared but not heights.

    Args:
        panels: For each name, `low` and `high` (the outer ends of the bins, low < high) and `counts` [n], none
            negative. At most MAX_PANELS are drawn.
        title: Text that a screen reader reads for the chart.

    Raises:
        KeyError, TypeError, ValueError: The data cannot be drawn.
    """
    shown = list(panels.items())[:MAX_PANELS]
    if not shown:
        raise ValueError("nothing to draw")
    drawn = Markup("").join(_panel(str(name), panel) for name, panel in shown)
    return Markup('<div class="panels" role="group" aria-label="{}">{}</div>').format(_clean(title), drawn)


def _panel(name: str, panel: Mapping[str, Any]) -> Markup:
    """Draw one small histogram with its name and the ends of its axis."""
    low, high, counts = panel["low"], panel["high"], [float(n) for n in panel["counts"]]
    if not counts or min(counts) < 0 or not low < high:
        raise ValueError("expected counts of bins between low and high, with low < high")
    most = max(counts) or 1
    path = "".join(f"V{1 - n / most:.4g}H{i + 1}" for i, n in enumerate(counts))
    return Markup(
        '<div><b>{}</b><svg viewBox="0 0 {} 1" preserveAspectRatio="none" aria-hidden="true">'
        '<path d="M0 1{}V1Z" style="fill: var(--accent)"/></svg><div><span>{}</span><span>{}</span></div></div>'
    ).format(_clean(name), len(counts), path, _end(low), _end(high))


def _stack(row: Sequence[float], colours: Sequence[str]) -> Markup:
    """Draw one bar that is divided into parts, each as long as its share of the sum of all parts.

    Args:
        row: The value of each part [series].
        colours: The CSS colour of each part [series].
    """
    total = sum(row) or 1
    part = Markup('<i style="width: {:.3f}%; background: {}">{}</i>')
    parts = [(value / total, colour) for value, colour in zip(row, colours, strict=True) if value]
    texts = [part.format(100 * s, c, f"{100 * s:.0f} %" if s >= _READABLE else "") for s, c in parts]
    return Markup('<div class="stack">{}</div>').format(Markup("").join(texts))


def _single(value: float, most: float) -> Markup:
    """Draw one bar with its number to the right of it.

    Args:
        value: The number.
        most: The greatest number in the chart, whose bar takes 80 % of the width.
    """
    width = 80 * value / most  # in percent; the rest of the line is for the number
    return Markup('<div class="single"><i style="width: {:.3f}%"></i>{}</div>').format(width, f"{value:,.6g}")


def _colour(name: str, index: int) -> int:
    """Return the number n of a series' colour `--series-<n>`.

    The labels negative, neutral and positive have the colours 0, 1 and 2 in every chart; any other series has the
    colour of its place.

    Args:
        name: The series' name.
        index: Its place in the chart, from 0.
    """
    return LABELS.index(name) if name in LABELS else index % COLOURS


def _clean(text: str) -> str:
    """Remove control characters from a name; return a dash if no character remains."""
    return "".join(c for c in str(text) if c.isprintable()) or "–"


def _end(value: float) -> str:
    """Format the end of an axis: 1250 -> "1,250", 12.5 -> "12.5", 1e9 -> "1e+09"."""
    return f"{value:,.0f}" if 100 <= abs(value) < 1e7 else f"{value:.3g}"
