"""Numbers the products that share a short name, so that the planner can give each a different text.

The number selects the sentences of the product's ads, and is called the wording. A product keeps it as long as the
facts of its ads stay the same. If they change, it gets another number, so that users do not read an old text again.
Numbers that no product of the name has had before are assigned first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Group = tuple[str, str, str]  # language, channel, name


@dataclass(frozen=True)
class Wording:
    """A row of the table `ad_wordings`.

    Attributes:
        product_id: The product.
        language: ISO 639 code.
        channel: Name of the channel.
        name: Short name of the product; None if no form is short enough for the channel.
        facts_hash: Hash of everything that the ad may state.
        wording: The number that selects the sentences of the ads, from 0; None if none is assigned.
        live: Whether the product is advertised now. Rows of products that are no longer advertised stay in the table,
            so that their numbers are assigned to others only after all unused numbers.
    """

    product_id: str
    language: str
    channel: str
    name: str | None
    facts_hash: str
    wording: int | None = None
    live: bool = True

    @property
    def key(self) -> tuple[str, str, str]:
        """Return the key of the table: product_id, language, channel."""
        return self.product_id, self.language, self.channel

    @property
    def group(self) -> Group | None:
        """Return (language, channel, name in lower case), within which numbers must differ; None without a name."""
        return None if self.name is None else (self.language, self.channel, self.name.casefold())


def numbered(
    wanted: Sequence[Wording], before: Mapping[tuple[str, str, str], Wording], room: Callable[[str, str], int]
) -> list[Wording]:
    """Assign wordings (numbers that select sentences, see the module) to the products that are advertised now.

    Args:
        wanted: The rows to number, without numbers.
        before: The present rows of `ad_wordings`, as {`Wording.key`: row}.
        room: Function of channel and language that returns how many different numbers, and so texts, there are
            (`plan.capacity`).

    Returns:
        The rows of the new table: first those of `wanted`, in order, then the rows of products that are not advertised
        any more, with `live` False. Rows for which no number is free have None.
    """
    wanted_keys = {row.key for row in wanted}
    gone = [Wording(**{**vars(row), "live": False}) for key, row in before.items() if key not in wanted_keys]
    kept: dict[tuple[str, str, str], int] = {}
    taken: dict[Group, set[int]] = {}
    next_new: dict[Group, int] = {}
    for row in before.values():
        if row.group is not None and row.wording is not None:
            next_new[row.group] = max(next_new.get(row.group, 0), row.wording + 1)
    # products that were advertised all the time keep their numbers before those that return
    for row in sorted(wanted, key=lambda r: (r.key in before and not before[r.key].live, r.key)):
        old = before.get(row.key)
        if old is None or row.group is None or old.wording is None or old.facts_hash != row.facts_hash:
            continue
        used = taken.setdefault(row.group, set())
        # `room` shrinks if words are removed from the word files
        if old.wording < room(row.channel, row.language) and old.wording not in used:
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
    """Return the first free number, searching from `first` upwards and then from 0; None if there is none.

    Args:
        first: Number after the highest that was ever assigned.
        most: How many numbers there are.
        used: Numbers in use.
        own: The row's former number, which it must not get again; None if it had none.
    """
    if len(used) >= most:
        return None
    return next((n for n in (*range(first, most), *range(min(first, most))) if n not in used and n != own), None)
