"""Gives every product a number among the products of the same name: its wording. No two ads then have one text.

A product keeps its number as long as what its ads state stays the same. If that changes, it gets a number that no
product of the name has had, so that its users do not read an old text again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Group = tuple[str, str, str]  # language, channel, name


@dataclass(frozen=True)
class Wording:
    """One row of `ad_wordings`; the attributes are its columns."""

    product_id: str
    language: str
    channel: str
    name: str | None
    facts_hash: str
    wording: int | None = None
    live: bool = True

    @property
    def key(self) -> tuple[str, str, str]:
        """The key of the table."""
        return self.product_id, self.language, self.channel

    @property
    def group(self) -> Group | None:
        """The rows that must have different numbers; None without a name."""
        return None if self.name is None else (self.language, self.channel, self.name.casefold())


def numbered(
    wanted: Sequence[Wording], before: Mapping[tuple[str, str, str], Wording], room: Callable[[str, str], int]
) -> list[Wording]:
    """Give numbers to what is advertised now.

    Args:
        wanted: What is advertised now, without numbers.
        before: The table as it was, by key.
        room: Numbers that there are, by channel and language.

    Returns:
        The table: first what is advertised now, in the order of `wanted`, then what was, with `live` unset. A row for
        which no number is free has none.
    """
    wanted_keys = {row.key for row in wanted}
    gone = [Wording(**{**vars(row), "live": False}) for key, row in before.items() if key not in wanted_keys]
    kept: dict[tuple[str, str, str], int] = {}
    taken: dict[Group, set[int]] = {}
    next_new: dict[Group, int] = {}
    for row in before.values():
        if row.group is not None and row.wording is not None:
            next_new[row.group] = max(next_new.get(row.group, 0), row.wording + 1)
    # what returns may find its number taken meanwhile; what was advertised all the time comes first
    for row in sorted(wanted, key=lambda r: (r.key in before and not before[r.key].live, r.key)):
        old = before.get(row.key)
        if old is None or row.group is None or old.wording is None or old.facts_hash != row.facts_hash:
            continue
        used = taken.setdefault(row.group, set())
        if old.wording < room(row.channel, row.language) and old.wording not in used:  # the words may be fewer now
            kept[row.key] = old.wording
            used.add(old.wording)
    done = []
    for row in sorted(wanted, key=lambda r: r.key):
        number = kept.get(row.key)
        if number is None and row.group is not None:
            own = before.get(row.key)
            most, used = room(row.channel, row.language), taken.setdefault(row.group, set())
            number = _free(next_new.get(row.group, 0), most, used, own.wording if own else None)
            if number is not None:
                used.add(number)
                next_new[row.group] = number + 1
        done.append(Wording(**{**vars(row), "wording": number}))
    place = {row.key: row for row in done}
    return [*(place[row.key] for row in wanted), *sorted(gone, key=lambda r: r.key)]


def _free(first: int, most: int, used: set[int], own: int | None) -> int | None:
    """The first number from `first` on, then from 0, that is not in use and not the row's own old one."""
    if len(used) >= most:
        return None
    return next((n for n in (*range(first, most), *range(min(first, most))) if n not in used and n != own), None)
