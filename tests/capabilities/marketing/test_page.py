"""The picture of the flows holds every user once on each side, and the page says the same numbers."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.capabilities.marketing.segments.figures import NEW, Day, Part
from shopbatch.capabilities.marketing.segments.page import HEIGHT, picture, render

pytestmark = pytest.mark.slow

NAMES = ("champions", "regulars", "lost", "a<b")


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.sampled_from([*NAMES, NEW, "gone"]), st.sampled_from(NAMES)), st.integers(1, 900), min_size=1
    )
)
def test_every_user_is_drawn_once_on_each_side(flows: dict[tuple[str, str], int]) -> None:
    now = Counter[str]()
    for (_, b), n in flows.items():
        now[b] += n
    day = Day([Part(n, "", now[n], 1.0, 12.0, {"sales_90d": 0.5}) for n in NAMES if now[n]], Counter(flows), {})
    bars, ribbons = picture(day)
    if all(a == NEW for a, _ in flows):
        assert bars == [] and ribbons == []
        return
    left, right = ([bar for bar in bars if (bar.x < 450) == first] for first in (True, False))
    total = sum(flows.values())
    for side in (left, right):
        assert sum(bar.users for bar in side) == total
        assert sum(bar.height for bar in side) == pytest.approx(HEIGHT)
        assert all(a.y + a.height < b.y for a, b in itertools.pairwise(side))
    assert {(r.before, r.now): r.users for r in ribbons} == {(a or "new", b): n for (a, b), n in flows.items()}
    for bar in right:  # the ribbons that arrive fill the bar from its top to its end
        ends = [re.findall(r"-?[\d.]+,-?[\d.]+", r.path) for r in ribbons if r.now == bar.name]
        tops = sorted(float(points[3].split(",")[1]) for points in ends)
        lows = sorted(float(points[4].split(",")[1]) for points in ends)
        assert tops[0] == pytest.approx(bar.y, abs=0.1) and lows[-1] == pytest.approx(bar.y + bar.height, abs=0.1)
    moved = sum(n for (a, b), n in flows.items() if a not in (NEW, b))
    assert day.moved == (moved, sum(n for (a, _), n in flows.items() if a != NEW))
    assert sum(r.users for r in ribbons if r.moved) == moved
    page = render(day, "2026-06-01", "run-1")
    assert page.count("<path") == len(ribbons) and page.count("<rect") == len(bars) and "a<b" not in page
