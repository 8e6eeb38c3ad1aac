"""The trigram model is a probability distribution, and knows what it has seen."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.evaluation.trigram import Trigram

TOKENS = st.lists(st.integers(0, 6), min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)
@given(st.lists(TOKENS, min_size=1, max_size=8), TOKENS)
def test_the_probabilities_of_all_next_tokens_sum_to_one(documents: list[list[int]], start: list[int]) -> None:
    model = Trigram(documents, vocabulary=7)
    total = sum(math.exp(-model.losses([*start, token])[-1]) for token in range(7))
    assert total == pytest.approx(1.0, abs=1e-9)


def test_against_a_plain_count_by_hand() -> None:
    """Two documents a b c, a b d: after (a, b) the discounted count of c is 1 - 0.5 of 2, the rest is shared."""
    model = Trigram([[0, 1, 2], [0, 1, 3]], vocabulary=4)
    d3, d2, d1 = model.discounts
    p1 = (1 - d1) / 4 + d1 * 4 / 4 / 4  # each token follows one kind of token: 4 pairs in all, 4 kinds
    p2 = (1 - d2) / 2 + d2 * 2 / 2 * p1  # after b: c and d, each once
    p3 = (1 - d3) / 2 + d3 * 2 / 2 * p2
    assert math.exp(-model.losses([0, 1, 2])[2]) == pytest.approx(p3)


def test_what_it_has_seen_is_likelier_and_an_unseen_token_is_possible() -> None:
    text = np.random.default_rng(0).integers(0, 50, 2000).tolist()
    model = Trigram([text], vocabulary=100)
    assert model.losses(text).mean() < model.losses(text[::-1]).mean()
    assert np.isfinite(model.losses([99, 98, 97])).all()


def test_no_document_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Trigram([], 10)
