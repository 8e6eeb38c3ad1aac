"""How rows are printed for a person."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows, which all have the same columns, as a table of text."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        print("no rows")
        return
    # as wide as the terminal; a pipe has no width, so that lines are cut only where they are very long
    console = Console(width=None if sys.stdout.isatty() else 240, highlight=False)
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for name in rows[0]:
        grid.add_column(name, overflow="ellipsis", no_wrap=name != "meaning", max_width=60)
    for row in rows:
        # Text and not str, so that customers' text is never read as markup
        grid.add_row(*(Text("" if value is None else str(value).replace("\n", " ")) for value in row.values()))
    console.print(grid)
