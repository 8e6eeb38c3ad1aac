"""Draws the curves and matrices of `report.html` as inline SVG. The only module that uses matplotlib.

Matplotlib gets placeholder colours, which are then replaced by the page's CSS variables, so that one SVG serves the
light theme, the dark theme and print. Labels stay text in the page's own font, so that the reader's browser can draw
Chinese and a screen reader can read them.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

# placeholder colour -> the CSS variable that replaces it; any colour that nothing else uses would do
_INK, _FAINT, _LINE, _ACCENT = "#010101", "#020202", "#030303", "#040404"
_VARIABLES = {_INK: "--ink", _FAINT: "--muted", _LINE: "--line", _ACCENT: "--accent"}
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a label with a $ is a price, not a formula
    "font.size": 9.5,
    "text.color": _INK,
    "axes.labelcolor": _FAINT,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "xtick.labelcolor": _FAINT,
    "ytick.labelcolor": _INK,
    "axes.edgecolor": _LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _LINE,
    "legend.frameon": False,
}


def calibration(data: Mapping[str, Any], title: str) -> Markup:
    """Draw a reliability diagram: the model's accuracy against its confidence, per bin of confidence.

    Bars at the bottom show how many rows each bin has.

    Args:
        data: `confidence` [n], `accuracy` [n] and `count` [n] per bin (None for an empty bin), and `ece`, the expected
            calibration error. All except the counts lie between 0 and 1.
        title: Text that a screen reader reads for the chart.

    Raises:
        KeyError, TypeError, ValueError: The data cannot be drawn. This holds for every chart of this module.
    """
    bins = list(zip(data["confidence"], data["accuracy"], data["count"], strict=True))
    points = [(c, a, n) for c, a, n in bins if c is not None and a is not None and n]
    if not points:
        raise ValueError("every bin is empty")
    most = max(n for _, _, n in points)
    with _drawing(3.9, 3.5) as figure:
        axes = figure.add_axes((0.17, 0.15, 0.78, 0.83))
        width = 0.8 / max(len(bins), 1)
        axes.bar([c for c, _, _ in points], [0.25 * n / most for _, _, n in points], width, color=_LINE)
        axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=1, linestyle=(0, (4, 3)), label="perfect")
        ece = data.get("ece")
        label = "model" if ece is None else f"model, ECE {ece:.3f}"
        axes.plot([p[0] for p in points], [p[1] for p in points], "o-", color=_ACCENT, markersize=4, label=label)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy")
        axes.legend(loc="upper left")
        _percent(axes)
        return _svg(figure, title)


def confusion(labels: Sequence[str], matrix: Sequence[Sequence[float]], title: str) -> Markup:
    """Draw a confusion matrix: rows are the true labels, columns the predicted ones.

    Each cell shows its share of the row, and its count.

    Args:
        labels: Names of the labels [n].
        matrix: Counts [n][n], none negative.
        title: Text that a screen reader reads for the chart.
    """
    n = len(labels)
    if not n or [len(row) for row in matrix] != [n] * n or min(map(min, matrix)) < 0:
        raise ValueError(f"not a matrix of {n} x {n} counts")
    size = 0.95 * n + 0.75
    with _drawing(size, size - 0.1) as figure:
        axes = figure.add_axes((0.6 / size, 0.02, 1 - 0.65 / size, 1 - 0.6 / (size - 0.1)))
        for i, row in enumerate(matrix):
            for j, count in enumerate(row):
                share = count / (sum(row) or 1)
                axes.add_patch(Rectangle((j, i), 0.96, 0.96, color=_ACCENT, alpha=0.06 + 0.5 * share, linewidth=0))
                axes.text(j + 0.48, i + 0.42, f"{share:.0%}", ha="center", va="center", fontsize=12)
                axes.text(j + 0.48, i + 0.70, f"{count:,.0f}", ha="center", va="center", fontsize=8, color=_FAINT)
        axes.set(xlim=(0, n), ylim=(n, 0), ylabel="stated by the source")
        axes.set_title("predicted by the model", fontsize=9.5, color=_FAINT, pad=20)
        axes.set_xticks([i + 0.48 for i in range(n)], [_label(x) for x in labels])
        axes.set_yticks([i + 0.48 for i in range(n)], [_label(x) for x in labels], rotation=90, va="center")
        longest = max(len(_label(x)) for x in labels)
        letters = 9.5 * min(1, 10 / max(longest, 1))  # a cell is about as wide as ten letters of the usual size
        axes.tick_params(length=0, labeltop=True, labelbottom=False, labelcolor=_INK, labelsize=letters)
        axes.spines[:].set_visible(False)
        return _svg(figure, title)


def intervals(panels: Mapping[str, Mapping[str, Sequence[float]]], title: str) -> Markup:
    """Draw numbers with their confidence intervals, one line each, in panels one below the other.

    Args:
        panels: {panel: {name: (number, lower end, upper end)}}. The last name of a panel is drawn in the accent colour,
            as the result.
        title: Text that a screen reader reads for the chart.
    """
    if not panels or not all(panels.values()):
        raise ValueError("nothing to draw")
    lines = sum(len(rows) + 1 for rows in panels.values())
    with _drawing(6.2, 0.5 + 0.24 * lines) as figure:
        axes = figure.add_axes((0.27, 0.34 / (0.5 + 0.24 * lines), 0.7, 1 - 0.4 / (0.5 + 0.24 * lines)))
        ticks: list[tuple[int, str]] = []
        at = 0
        for name, rows in panels.items():
            axes.text(0.0, at, _label(name), transform=axes.get_yaxis_transform(), va="center", color=_FAINT)
            for number, (row, (value, low, high)) in enumerate(rows.items(), 1):
                colour = _ACCENT if number == len(rows) else _FAINT
                axes.plot([low, high], [at + number] * 2, color=colour, linewidth=2)
                axes.plot([value], [at + number], "o", color=colour, markersize=5)
                ticks.append((at + number, _label(row)))
            at += len(rows) + 1
        axes.set_yticks([place for place, _ in ticks], [text for _, text in ticks])
        least = min(low for rows in panels.values() for _, low, _ in rows.values())
        axes.set(ylim=(at - 0.4, -0.6), xlim=(0, None) if least >= 0 else (None, None))
        if least < 0:
            axes.axvline(0, color=_FAINT, linewidth=1, linestyle=(0, (4, 3)))
        axes.tick_params(length=0)
        axes.grid(axis="x", linewidth=0.6)
        axes.spines["left"].set_visible(False)
        return _svg(figure, title)


def curves(series: Mapping[str, Sequence[Sequence[float]]], labels: Sequence[str], title: str) -> Markup:
    """Draw curves of shares (y, between 0 and 1) over positive numbers (x, on a logarithmic axis).

    Args:
        series: {name: (x values [n], y values [n])}. The last curve is drawn in the accent colour, as the result.
        labels: Texts at the x axis and the y axis.
        title: Text that a screen reader reads for the chart.
    """
    if not series or min(min(x) for x, _ in series.values()) <= 0:
        raise ValueError("nothing to draw, or a number that is not above 0")
    with _drawing(5.2, 3.3) as figure:
        axes = figure.add_axes((0.13, 0.16, 0.84, 0.8))
        dashes = ((0, (1, 1.5)), (0, (5, 2)), (0, (3, 2, 1, 2)), "solid")
        for number, (name, (x, y)) in enumerate(series.items(), 1):
            last = number == len(series)
            style = "solid" if last else dashes[(number - 1) % len(dashes)]
            axes.plot(x, y, color=_ACCENT if last else _FAINT, linestyle=style, linewidth=1.6, label=_label(name))
        axes.set_xscale("log")
        axes.set(ylim=(0, 1.02), xlabel=labels[0], ylabel=labels[1])
        axes.xaxis.set_major_formatter(lambda value, place: f"{value:,.0f}")
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
        axes.tick_params(length=0, labelcolor=_FAINT)
        axes.tick_params(which="minor", length=0)
        axes.grid(linewidth=0.6)
        axes.legend(loc="lower right")
        return _svg(figure, title)


def lines(series: Mapping[str, Sequence[Sequence[float]]], labels: Sequence[str], title: str) -> Markup:
    """Draw curves of numbers over numbers; a vertical line marks x = 0 if x has values on both sides of 0.

    The mark shows, for example, the day on which something began.

    Args:
        series: {name: (x values [n], y values [n])}. The last curve is drawn in the accent colour, as the result.
        labels: Texts at the x axis and the y axis.
        title: Text that a screen reader reads for the chart.
    """
    if not series or not all(x for x, _ in series.values()):
        raise ValueError("nothing to draw")
    with _drawing(5.2, 3.0) as figure:
        axes = figure.add_axes((0.13, 0.17, 0.84, 0.79))
        dashes = ((0, (5, 2)), (0, (1, 1.5)), (0, (3, 2, 1, 2)), "solid")
        for number, (name, (x, y)) in enumerate(series.items(), 1):
            last = number == len(series)
            style = "solid" if last else dashes[(number - 1) % len(dashes)]
            axes.plot(x, y, color=_ACCENT if last else _FAINT, linestyle=style, linewidth=1.6, label=_label(name))
        every = [number for x, _ in series.values() for number in x]
        if min(every) < 0 < max(every):
            axes.axvline(0, color=_LINE, linewidth=1.2)
        axes.set(xlabel=labels[0], ylabel=labels[1])
        axes.tick_params(length=0, labelcolor=_FAINT)
        axes.grid(linewidth=0.6)
        axes.legend(loc="best")
        return _svg(figure, title)


@contextmanager
def _drawing(width: float, height: float) -> Iterator[Figure]:
    """Provide an empty matplotlib figure in the report's style; width and height in inches."""
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # matplotlib only measures: the browser draws
        figure = Figure(figsize=(width, height))
        figure.patch.set_visible(False)
        yield figure


def _svg(figure: Figure, title: str) -> Markup:
    """Return a figure as inline SVG with CSS variables for its colours and `title` for screen readers."""
    for axes in figure.axes:
        axes.patch.set_visible(False)
    out = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": title}):  # ids are unique within a page and equal in every run
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1))


def _label(text: str) -> str:
    """Shorten a text to at most 24 characters so that it fits beside an axis.

    Control characters are removed, since SVG forbids them, and leading underscores, since a legend hides such labels.
    """
    clean = "".join(c for c in str(text) if c.isprintable()).lstrip("_") or "–"
    return clean if len(clean) <= 24 else clean[:23] + "…"


def _percent(axes: Axes) -> None:
    """Label both axes, which run from 0 to 1, in percent, and draw a grid."""
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.set_xticks(ticks, [f"{t:.0%}" for t in ticks])
    axes.set_yticks(ticks, ["", *(f"{t:.0%}" for t in ticks[1:])])  # the corner shows 0% once
    axes.tick_params(length=0, labelcolor=_FAINT)
    axes.grid(linewidth=0.6)
    axes.set_axisbelow(True)
