"""Prints rows on a terminal for a person, as wide as the terminal, with control characters in the values escaped."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from shopbatch.core.controls import one_printable_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

GAP = 2
_CUT = 24  # width in cells that a text column keeps; if others do not fit beside it, they are left out
_ABOUT, _ABOUT_LEAST = 32, 16  # for the main text column: the desired width, and the least one
_PIPE = 240
_BYTES = 8  # number of bytes that are shown of a binary value (vector, key, picture)


class Count(int):
    """A count, printed with separators of thousands: 22,641."""

    def __str__(self) -> str:
        return f"{int(self):,}"


def console() -> Console:
    """Return a `rich` console as wide as the terminal or the variable COLUMNS says; on a pipe 240 cells wide.

    A pipe has no width of its own; 240 cells cut only very long lines.
    """
    from rich.console import Console

    known = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(width=None if known else _PIPE, highlight=False, soft_wrap=False)


def screen_width() -> int:
    """Return the width of an output line in cells (a Chinese character takes two cells)."""
    return console().width


def cell(value: Any, exact: bool = False) -> str:
    """Format a value for a cell of a table; None becomes "".

    Floats get three significant digits, times are cut to seconds, lists are joined by commas, and of bytes the number
    and the first few are shown.

    Args:
        value: The value.
        exact: Whether floats and times are printed in full.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return f"{len(value):,} bytes: {value[:_BYTES].hex(' ')}{' …' if len(value) > _BYTES else ''}"
    if isinstance(value, float) and not exact:
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return str(moment if exact else moment.replace(microsecond=0))
    if isinstance(value, tuple) and len(value) == 2:  # an entry of a map
        return f"{cell(value[0], exact)}: {cell(value[1], exact)}"
    if isinstance(value, list):
        return ", ".join(cell(item, exact) for item in value)
    return one_printable_line(value)


def print_rows(rows: Sequence[Mapping[str, Any]], last: str, wrap: bool = False) -> None:
    """Print rows as a table that fits the width of the terminal.

    Args:
        rows: At least one row; all have the columns of the first.
        last: The column that gets the width that remains when all other columns have theirs.
        wrap: Whether long values of this column are wrapped over several lines, instead of cut.
    """
    names = list(rows[0])
    widths = fit(lengths_of(rows, names), [n for n in names if n != last], last, screen_width())
    print_grid(rows, widths, wrapped=last if wrap else "")


def print_block(title: str, fields: Mapping[str, Any]) -> None:
    """Print a title and below it one line per field; empty fields are left out."""
    from rich.text import Text

    screen, grid = console(), _grid()
    grid.show_header = False
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for name, value in fields.items():
        if value:
            grid.add_row(Text(f"  {name}"), Text(cell(value)))
    screen.print(Text(one_printable_line(title), style="bold"))
    screen.print(grid)


def _grid() -> Table:
    """Return an empty `rich` table without borders."""
    from rich.table import Table

    return Table(box=None, header_style="bold", pad_edge=False, padding=(0, GAP, 0, 0))


def _side(number: bool) -> Literal["left", "right"]:
    """Return the alignment of a column: numbers to the right, texts to the left."""
    return "right" if number else "left"


def fit(lengths: Mapping[str, int], fixed: Sequence[str], about: str, width: int) -> dict[str, int]:
    """Choose the columns that fit into a width, and how wide each of them is.

    Args:
        lengths: Length of the longest cell of each column, its name included, the most important column first.
        fixed: Columns that are never cut (numbers, times, the key).
        about: The text column, which is cut most; "" if there is none.
        width: Width of a line in cells.

    Returns:
        The chosen columns with their widths. The first column is always among them.
    """
    widths: dict[str, int] = {}

    def used() -> int:
        return sum(size + GAP for size in widths.values())

    wish = min(lengths[about], _ABOUT) if about else 0  # later columns leave the text at least this width
    for name, length in lengths.items():
        least = length if name in fixed else min(length, _ABOUT_LEAST if name == about else _CUT)
        reserve = wish - widths[about] if about in widths else 0
        if not widths or used() + reserve + least <= width:
            widths[name] = min(least, width)
    for name in sorted(widths, key=lambda name: name == about):  # the text comes last and takes what the others leave
        reserve = wish - widths[about] if about in widths and name != about else 0
        widths[name] += max(0, min(lengths[name] - widths[name], width + GAP - used() - reserve))
    return widths


def shrink(lengths: Mapping[str, int], steps: Sequence[tuple[str, int]], width: int) -> dict[str, int]:
    """Choose widths with which all columns fit into a line, by cutting some columns in a given order.

    Args:
        lengths: Length of the longest cell of each column, in the order of printing.
        steps: (column, least width): the cuts to make, one after the other, until the columns fit.
        width: Width of a line in cells.

    Returns:
        The width of each column; they still do not fit if all cuts are not enough.
    """
    widths = dict(lengths)
    for name, least in steps:
        over = sum(size + GAP for size in widths.values()) - GAP - width
        if over > 0 and name in widths:
            widths[name] -= min(over, max(0, widths[name] - least))
    return widths


def print_grid(rows: Sequence[Mapping[str, Any]], widths: Mapping[str, int], wrapped: str = "") -> None:
    """Print the columns of `widths`, each in its width; longer values end in an ellipsis, or are wrapped.

    Args:
        rows: The rows.
        widths: Columns in the order of printing, with their widths in cells.
        wrapped: The column whose values are wrapped; "" for none.
    """
    from rich.text import Text

    grid = _grid()
    for name, width in widths.items():
        number = any(_is_number(row[name]) for row in rows)
        grid.add_column(
            Text(one_printable_line(name)),
            overflow="ellipsis",
            no_wrap=name != wrapped,
            width=width,
            justify=_side(number),
        )
    for row in rows:
        grid.add_row(*(Text(cell(row[name])) for name in widths))
    console().print(grid)


def print_vertical(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows with one column per line and values in full; a blank line separates rows."""
    from rich.text import Text

    screen = console()
    for number, row in enumerate(rows):
        if number:
            print()
        grid = _grid()
        grid.show_header = False
        grid.add_column(no_wrap=True, style="bold")
        grid.add_column(overflow="fold")
        for name, value in row.items():
            grid.add_row(Text(one_printable_line(name)), Text(cell(value, exact=True)))
        screen.print(grid)


def note(text: str, cut: bool = True) -> None:
    """Print a message that is not data, such as the number of rows, dim on a terminal.

    Args:
        text: The message.
        cut: Whether to cut a long message to the terminal's width; if not, it is wrapped.
    """
    from rich.text import Text

    console().print(Text(one_printable_line(text), style="dim"), no_wrap=cut, overflow="ellipsis")


def lengths_of(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, int]:
    """Return the width in cells of the longest value of each column, its name included.

    A Chinese character is two cells wide.
    """
    from rich.cells import cell_len

    return {n: max(cell_len(n), *(cell_len(cell(row[n])) for row in rows), 1) for n in names}


def fixed_of(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Return the columns that must not be cut because a cut value would mislead: numbers and times."""
    return [n for n in names if any(_is_number(row[n]) or hasattr(row[n], "isoformat") for row in rows)]


def _is_number(value: object) -> bool:
    """Return True for an int, float or Decimal that is not a bool."""
    from decimal import Decimal

    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
