"""Decides which column of a file is which column of a table. Pure functions of names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shopbatch.core.errors import UserError
from shopbatch.tables.schema import Table


@dataclass(frozen=True)
class Match:
    """The columns of a file, matched to those of a table.

    columns: the table's column -> the file's column, in the table's order. ignored: the other columns of the file.
    makes_key: whether keys are made from the content because the file has none.
    """

    columns: Mapping[str, str]
    ignored: tuple[str, ...]
    makes_key: bool


def match(table: Table, names: Sequence[str], mapping: Mapping[str, str]) -> Match:
    """Match columns by `mapping`, all others by name; case, blanks, dots, - and _ make no difference.

    Args:
        table: The table that is loaded.
        names: The columns of the file.
        mapping: The table's column -> the file's column, as the user wants it.

    Raises:
        UserError: The mapping names a column that does not exist, two columns of the file match one column of the
            table, or a column that the table needs is missing. The message names what is there and what is similar.
    """
    for target, source in mapping.items():
        if target not in table.names:
            raise UserError(f"--map {target}=...: table {table.name!r} has no such column{_hint(target, table.names)}")
        if source not in names:
            raise UserError(f"--map {target}={source!r}: the file has no such column{_hint(source, names)}")
    columns: dict[str, str] = {}
    for target in table.names:
        source_name = mapping.get(target) or _by_name(target, [n for n in names if n not in mapping.values()])
        if source_name is not None:
            if (times := names.count(source_name)) > 1:
                raise UserError(f"the file has {times} columns {source_name!r}: rename those that are not meant")
            columns[target] = source_name
    makes_key = table.key_from_content and not any(k in columns for k in table.key)
    needed = [*(() if makes_key else table.key), *table.must_have]
    if missing := [n for n in dict.fromkeys(needed) if n not in columns]:
        raise UserError(_missing(table, missing, names, [n for n in names if n not in columns.values()]))
    return Match(columns, tuple(n for n in names if n not in columns.values()), makes_key)


def _normalise(name: str) -> str:
    return re.sub(r"[\s_\-.]+", "", name).casefold()


def _by_name(target: str, names: Sequence[str]) -> str | None:
    """The file's column with that name: spelled the same, else the only one that differs by case or separators."""
    if target in names:
        return target
    near = sorted({n for n in names if _normalise(n) == _normalise(target)})
    if len(near) > 1:
        spelled = ", ".join(repr(n) for n in near)
        raise UserError(f"columns {spelled} could all be {target!r}: choose with --map {target}={near[0]!r}")
    return near[0] if near else None


def _missing(table: Table, missing: Sequence[str], names: Sequence[str], unmatched: Sequence[str]) -> str:
    there = ", ".join(n or "(unnamed)" for n in names) or "none"
    text = f"table {table.name!r} needs the column(s) {', '.join(missing)}; the file has: {there}"
    guesses = [f'{target}="{guess}"' for target in missing if (guess := _nearest(target, unmatched))]
    return text + (f"; did you mean --map {' --map '.join(guesses)}?" if guesses else "")


def _nearest(target: str, names: Sequence[str]) -> str | None:
    """The most similar column: the shortest that contains a word of `target`, else one with nearly the same name."""
    words = [w for w in target.split("_") if w != "id"]
    containing = [n for n in names if any(w in _normalise(n) for w in words)]
    if containing:
        return min(containing, key=len)
    by_normalised = {_normalise(n): n for n in names}
    close = difflib.get_close_matches(_normalise(target), list(by_normalised), 1, 0.7)
    return by_normalised[close[0]] if close else None


def _hint(name: str, known: Sequence[str]) -> str:
    near = _nearest(name, known)
    return f"; did you mean {near!r}?" if near else f" (it has: {', '.join(known)})"
