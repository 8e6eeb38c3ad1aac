"""The mix of a table: its rows by group and label, as reports and the metadata of commits hold it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

MOST_GROUPS = 100
LONGEST_NAME = 40  # characters
OTHER = "other"


def bounded_mix(mix: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Count small groups, and those with long names, as one: a source may hold any text where a language should stand.

    Args:
        mix: Rows by group and label, of the whole table.

    Returns:
        The same counts of at most MOST_GROUPS groups, in the order of their names; the rest is in the group OTHER.
    """
    short = [name for name in mix if len(name) <= LONGEST_NAME and name != OTHER]
    kept = set(sorted(short, key=lambda name: (-sum(mix[name].values()), name))[: MOST_GROUPS - 1])
    counts: dict[str, Counter[str]] = {}
    for name in sorted(mix):
        counts.setdefault(name if name in kept else OTHER, Counter()).update(mix[name])
    return {name: dict(sorted(counts[name].items())) for name in sorted(counts)}
