"""Which column of a file is which column of a table. Pure functions of names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shopbatch.core.errors import UserError
from shopbatch.tables.schema import Table


@dataclass(frozen=True)
class Match:
    """columns: the table's column -> the file's column, in the table's order. ignored: the file's other columns."""

    columns: Mapping[str, str]
    ignored: tuple[str, ...]
    makes_key: bool


def match(table: Table, names: Sequence[str], mapping: Mapping[str, str]) -> Match:
    """Columns matched by `mapping` (table column -> file column), else by name: case, spaces, - and _ do not count.

    UserError: a mapping of what is not there, two file columns for one table column, a column missing that the table
    needs. The messages name what is there and what is near.
    """
    for target, source in mapping.items():
        if target not in table.names:
            raise UserError(f"--map {target}=...: table {table.name!r} has no such column{_hint(target, table.names)}")
        if source not in names:
            raise UserError(f"--map {target}={source!r}: the file has no such column{_hint(source, names)}")
    found: dict[str, str] = {}
    for target in table.names:
        mine = mapping.get(target) or _by_name(target, [n for n in names if n not in mapping.values()])
        if mine is not None:
            if names.count(mine) > 1:
                raise UserError(f"the file has {names.count(mine)} columns {mine!r}: rename those that are not meant")
            found[target] = mine
    makes_key = table.key_from_content and not any(k in found for k in table.key)
    needed = [*(() if makes_key else table.key), *table.must_have]
    if missing := [n for n in dict.fromkeys(needed) if n not in found]:
        raise UserError(_missing(table, missing, names, [n for n in names if n not in found.values()]))
    return Match(found, tuple(n for n in names if n not in found.values()), makes_key)


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-.]+", "", name).casefold()


def _by_name(target: str, names: Sequence[str]) -> str | None:
    """The file's column of that name: spelled the same, else the only one that differs by case or separators."""
    if target in names:
        return target
    near = sorted({n for n in names if _plain(n) == _plain(target)})
    if len(near) > 1:
        spelled = ", ".join(repr(n) for n in near)
        raise UserError(f"columns {spelled} could all be {target!r}: choose with --map {target}={near[0]!r}")
    return near[0] if near else None


def _missing(table: Table, missing: Sequence[str], names: Sequence[str], free: Sequence[str]) -> str:
    there = ", ".join(n or "(unnamed)" for n in names) or "none"
    text = f"table {table.name!r} needs the column(s) {', '.join(missing)}; the file has: {there}"
    guesses = [f'{target}="{guess}"' for target in missing if (guess := _nearest(target, free))]
    return text + (f"; did you mean --map {' --map '.join(guesses)}?" if guesses else "")


def _nearest(target: str, names: Sequence[str]) -> str | None:
    """The likeliest column for `target`: one that holds its word, or one of nearly that name."""
    words = [w for w in target.split("_") if w != "id"]
    holding = [n for n in names if any(w in _plain(n) for w in words)]
    if holding:
        return min(holding, key=len)
    plain = {_plain(n): n for n in names}
    close = difflib.get_close_matches(_plain(target), list(plain), 1, 0.7)
    return plain[close[0]] if close else None


def _hint(name: str, known: Sequence[str]) -> str:
    near = _nearest(name, known)
    return f"; did you mean {near!r}?" if near else f" (it has: {', '.join(known)})"
