"""Chooses which columns of a table `shopbatch show` displays, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shopbatch.core.errors import UserError
from shopbatch.core.nearest import hint
from shopbatch.tables import declared
from shopbatch.warehouse.rows import schema_of, view_of
from shopbatch.warehouse.snapshot import Snapshot


@dataclass(frozen=True)
class Arrangement:
    """The columns of a table in their order of display.

    Attributes:
        key: The columns that identify a row.
        expected: Columns that are displayed even if all their values are null: the key and the most informative ones.
        shown: The columns to display, the most important first.
        hidden: Columns that only tell how a row came to be (such as `run_id`), and the probabilities of the single
            classes, because the column `probability` sums them up.
        about: The column with the text that the rows are about, which is displayed last; "" if there is none.
    """

    key: tuple[str, ...]
    expected: tuple[str, ...]
    shown: tuple[str, ...]
    hidden: tuple[str, ...]
    about: str = ""

    @property
    def everything(self) -> tuple[str, ...]:
        """All columns, shown and hidden, in their order of display."""
        return self.in_order((*self.shown, *self.hidden))

    def in_order(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return these columns with the text column (`about`) moved to the end."""
        return (*(n for n in names if n != self.about), *(n for n in names if n == self.about))


def arrange(snapshot: Snapshot) -> Arrangement:
    """Arrange the columns of a table as its declaration says: key, most informative columns, other columns."""
    table, view, names = declared(snapshot.name), view_of(snapshot.name), schema_of(snapshot).names
    about = view.about.column if view.about else ""
    machinery = {c.name for c in table.columns if c.machinery} if table else set()
    summed_up = {n for n in names if view.probabilities and n.startswith(view.probabilities)}
    key = tuple(n for n in (table.key if table else ()) if n in names and n not in machinery)
    order = dict.fromkeys((*key, *view.first, *((about,) if about else ()), *names))
    there = [n for n in order if n in names or n == about]
    hidden = tuple(n for n in there if n in machinery or (n in summed_up and n not in view.first))
    return Arrangement(key, (*key, *view.first), tuple(n for n in there if n not in hidden), hidden, about)


def chosen_columns(arrangement: Arrangement, text: str) -> tuple[str, ...]:
    """Parse the value "a,b,c" of the option --columns.

    Args:
        arrangement: The columns of the table.
        text: The value of the option.

    Returns:
        The column names, without repeats.

    Raises:
        UserError: There is no such column, or the value is empty.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in arrangement.everything:
            raise UserError(f"--columns: no column {name!r}; {hint(name, arrangement.everything)}")
    if not names:
        raise UserError(f"--columns {text!r}: expected a,b,c of {', '.join(arrangement.everything)}")
    return names
