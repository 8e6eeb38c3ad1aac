"""How rows are printed for a person: as wide as the terminal, and never as more than text."""

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
_CUT = 24  # cells that a column of text gets before others are left out
_ABOUT, _ABOUT_LEAST = 32, 16  # the same of the text that the rows are about; and where it is this or nothing
_PIPE = 240
_BYTES = 8  # shown of a column of bytes: of vectors, keys and pictures no more says anything


class Count(int):
    """A number that counts things, printed with separators of thousands."""

    def __str__(self) -> str:
        return f"{int(self):,}"


def console() -> Console:
    """The terminal, or COLUMNS wide; a pipe has no width, so that lines are cut only where they are very long."""
    from rich.console import Console

    known = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(width=None if known else _PIPE, highlight=False, soft_wrap=False)


def screen_width() -> int:
    """The cells of a line."""
    return console().width


def cell(value: Any, exact: bool = False) -> str:
    """Print a value: floats with three significant digits unless `exact`, moments to the second, lists with commas.

    Of bytes their number and the first of them.
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
    """Print rows whose column `last` takes what the others leave of a line; it is cut, or wrapped over several."""
    names = list(rows[0])
    widths = fit(lengths_of(rows, names), [n for n in names if n != last], last, screen_width())
    print_grid(rows, widths, wrapped=last if wrap else "")


def print_block(title: str, fields: Mapping[str, Any]) -> None:
    """Print a title and, below it, what is known: one field a line."""
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
    from rich.table import Table

    return Table(box=None, header_style="bold", pad_edge=False, padding=(0, GAP, 0, 0))


def _side(number: bool) -> Literal["left", "right"]:
    return "right" if number else "left"


def fit(lengths: Mapping[str, int], fixed: Sequence[str], about: str, width: int) -> dict[str, int]:
    """Choose the columns that fit into a width.

    Args:
        lengths: Length of the longest cell of each column, its name included, the most important column first.
        fixed: Columns that are never cut (numbers, moments, the key).
        about: The column that is cut most; empty if there is none.
        width: The cells of a line.

    Returns:
        The chosen columns with their widths. The first is always among them.
    """
    widths: dict[str, int] = {}

    def used() -> int:
        return sum(size + GAP for size in widths.values())

    wish = min(lengths[about], _ABOUT) if about else 0  # columns behind the text leave it this much
    for name, length in lengths.items():
        least = length if name in fixed else min(length, _ABOUT_LEAST if name == about else _CUT)
        reserve = wish - widths[about] if about in widths else 0
        if not widths or used() + reserve + least <= width:
            widths[name] = min(least, width)
    for name in sorted(widths, key=lambda name: name == about):  # the text takes what the others leave
        reserve = wish - widths[about] if about in widths and name != about else 0
        widths[name] += max(0, min(lengths[name] - widths[name], width + GAP - used() - reserve))
    return widths


def shrink(lengths: Mapping[str, int], steps: Sequence[tuple[str, int]], width: int) -> dict[str, int]:
    """Choose widths with which all columns fit into a width.

    Args:
        lengths: Length of the longest cell of each column, as they are printed.
        steps: (column, cells that are left to it): what is cut, in this order, until the rest fits.
        width: The cells of a line.
    """
    widths = dict(lengths)
    for name, least in steps:
        over = sum(size + GAP for size in widths.values()) - GAP - width
        if over > 0 and name in widths:
            widths[name] -= min(over, max(0, widths[name] - least))
    return widths


def print_grid(rows: Sequence[Mapping[str, Any]], widths: Mapping[str, int], wrapped: str = "") -> None:
    """Print the columns of `widths`, each of its width; what is longer ends in an ellipsis, or is wrapped."""
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
    """Print one column a line, with full precision; a blank line stands between rows."""
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
    """Print a line that is no data, dim on a terminal; cut to its width, or else wrapped."""
    from rich.text import Text

    console().print(Text(one_printable_line(text), style="dim"), no_wrap=cut, overflow="ellipsis")


def lengths_of(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, int]:
    """Measure the longest cell of each column, its name included; a Chinese character is two cells wide."""
    from rich.cells import cell_len

    return {n: max(cell_len(n), *(cell_len(cell(row[n])) for row in rows), 1) for n in names}


def fixed_of(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Return the columns whose cells mean nothing when they are cut: numbers and moments."""
    return [n for n in names if any(_is_number(row[n]) or hasattr(row[n], "isoformat") for row in rows)]


def _is_number(value: object) -> bool:
    from decimal import Decimal

    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
