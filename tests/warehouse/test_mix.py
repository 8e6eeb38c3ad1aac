"""Whatever stands in the column of a group, the mix that reports and commits hold stays small and adds up."""

from __future__ import annotations

import json

import hypothesis.strategies as st
from hypothesis import given

from shopbatch.warehouse.mix import MOST_GROUPS, OTHER, bounded_mix

COUNTS = st.dictionaries(st.sampled_from(["negative", "neutral", "positive"]), st.integers(1, 9), min_size=1)


@given(st.dictionaries(st.text(max_size=5), COUNTS, max_size=20))
def test_a_usual_mix_stays_as_it_is_in_the_order_of_names(mix: dict[str, dict[str, int]]) -> None:
    assert bounded_mix(mix) == mix and list(bounded_mix(mix)) == sorted(mix)


def test_texts_where_languages_should_stand_are_one_group() -> None:
    mix = {"en": {"positive": 5, "negative": 4}, "zh": {"positive": 1}}
    texts = {f"a review as long as it likes {'x' * 10_000} {i}": {"positive": 9} for i in range(50)}
    assert bounded_mix(mix | texts) == mix | {OTHER: {"positive": 450}}


def test_the_greatest_groups_of_many_stay_and_none_is_lost() -> None:
    mix = {f"g{i:04}": {"positive": i, "negative": 1} for i in range(3_000)} | {OTHER: {"neutral": 7}}
    small = bounded_mix(mix)
    assert len(small) == MOST_GROUPS and len(json.dumps(small)) < 10_000
    assert small["g2999"] == {"negative": 1, "positive": 2999} and "g0000" not in small
    assert small[OTHER]["neutral"] == 7
    for label in ("positive", "negative", "neutral"):
        before, after = (sum(g.get(label, 0) for g in m.values()) for m in (mix, small))
        assert before == after
