"""The mix of a table: how many of its rows have which label, by group, for example which sentiment by language.

The two columns are those that `Stage.drift_columns` names. Reports and the metadata of commits store the mix as nested
dictionaries, {group: {label: rows}}.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

MOST_GROUPS = 100
LONGEST_NAME = 40  # characters
OTHER = "other"


def bounded_mix(mix: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Limit the number of groups: merge small groups, and groups with long names, into the group OTHER.

    Without a limit there could be any number of groups: the group is mostly a language, and the language column of a
    source may hold any text.

    Args:
        mix: Number of rows of the whole table, {group: {label: rows}}.

    Returns:
        The counts of at most MOST_GROUPS groups, sorted by name.
    """
    short = [name for name in mix if len(name) <= LONGEST_NAME and name != OTHER]
    kept = set(sorted(short, key=lambda name: (-sum(mix[name].values()), name))[: MOST_GROUPS - 1])
    counts: dict[str, Counter[str]] = {}
    for name in sorted(mix):
        counts.setdefault(name if name in kept else OTHER, Counter()).update(mix[name])
    return {name: dict(sorted(counts[name].items())) for name in sorted(counts)}
