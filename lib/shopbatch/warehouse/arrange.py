"""Which columns of a table a person is shown, and in which order."""

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
    """The columns of a table as they are shown.

    Attributes:
        key: The columns that name a row.
        expected: Those that are shown also if none of their values is known: the key and the most telling ones.
        shown: The columns to show, the most important first.
        hidden: Columns that only say how a row came to be, or that another column sums up.
        about: The column of the text that the rows are about; empty if there is none. It stands last.
    """

    key: tuple[str, ...]
    expected: tuple[str, ...]
    shown: tuple[str, ...]
    hidden: tuple[str, ...]
    about: str = ""

    @property
    def everything(self) -> tuple[str, ...]:
        """All columns, in the order in which they stand."""
        return self.in_order((*self.shown, *self.hidden))

    def in_order(self, names: Sequence[str]) -> tuple[str, ...]:
        """Put columns in the order in which they stand: that of importance, but the text last."""
        return (*(n for n in names if n != self.about), *(n for n in names if n == self.about))


def arrange(snapshot: Snapshot) -> Arrangement:
    """Arrange the columns of a table as its declaration says: key, most telling ones, the others."""
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
    """Parse `a,b,c` of --columns. UserError if there is no such column."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in arrangement.everything:
            raise UserError(f"--columns: no column {name!r}; {hint(name, arrangement.everything)}")
    if not names:
        raise UserError(f"--columns {text!r}: expected a,b,c of {', '.join(arrangement.everything)}")
    return names
