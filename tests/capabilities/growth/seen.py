"""What is seen of a generated process after some days."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from shopbatch.capabilities.growth.cells import Children, People, add_children, add_people, grid, nothing
from shopbatch.capabilities.growth.factors import Counts
from shopbatch.sample.referrals import Grown

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)


def counts_of(grown: Grown, days: float, resamples: int, channels: int = 4, invited: int = 3) -> Counts:
    cells = grid(AS_OF, int(days // 7) + 2)
    there = grown.joined < days
    root = (grown.root.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    age = days - grown.joined
    counts = nothing(cells, channels, invited, resamples)
    add_people(counts, cells, People(root[there], grown.channel[there], age[there]))
    child = np.flatnonzero(there & (grown.parent >= 0))
    parent = grown.parent[child]
    delay = grown.joined[child] - grown.joined[parent]
    add_children(counts, cells, Children(root[child], grown.channel[parent], age[parent], grown.channel[child], delay))
    return counts
