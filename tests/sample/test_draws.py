"""Draws: spread as they say, independent of order, and the helpers exact."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.sample import draws

PINNED = ["0xebeb5aec23f3ec2", "0x7639447adde4e46c"]
ROWS = np.arange(50_000, dtype=np.uint64)


def test_a_draw_depends_on_seed_field_and_row_alone() -> None:
    whole = draws.draw(1, "a", ROWS)
    shuffled = np.random.default_rng(0).permutation(ROWS)
    assert np.array_equal(draws.draw(1, "a", shuffled), whole[shuffled.astype(np.int64)])
    assert not np.array_equal(draws.draw(2, "a", ROWS), whole)
    assert not np.array_equal(draws.draw(1, "b", ROWS), whole)
    assert len(np.unique(whole)) == len(ROWS)


def test_these_very_values_are_drawn_on_every_machine() -> None:
    assert [hex(x) for x in draws.draw(7, "pinned", np.arange(2, dtype=np.uint64))] == PINNED


def test_shares_and_bounds_are_kept() -> None:
    assert abs(draws.chance(1, "c", ROWS, 0.2).mean() - 0.2) < 0.01
    assert not draws.chance(1, "c", ROWS, 0.0).any()
    assert draws.chance(1, "c", ROWS, 1.0).all()
    numbers = draws.below(1, "n", ROWS, 10)
    assert set(numbers) == set(range(10))
    assert np.bincount(numbers).min() > 4_500
    skewed = draws.skewed(1, "s", ROWS, 1_000)
    assert skewed.min() >= 0
    assert skewed.max() < 1_000
    assert (skewed < 125).mean() > 0.45  # an eighth of the things, half of the draws
    kinds = np.bincount(draws.pick(1, "p", ROWS, (0.1, 0.6, 0.3))) / len(ROWS)
    assert np.allclose(kinds, (0.1, 0.6, 0.3), atol=0.01)


def test_earlier_rows_are_earlier_and_not_barred() -> None:
    def odd(rows: draws.Rows) -> draws.Mask:
        return rows % np.uint64(2) == 1

    found = draws.earlier(1, "e", ROWS[1:], odd)
    assert (found < ROWS[1:]).all()
    assert not odd(found).any()


def test_scramble_is_a_bijection() -> None:
    mixed = draws.scramble(np.arange(2**16, dtype=np.uint64), 5, 16)
    assert np.array_equal(np.sort(mixed), np.arange(2**16, dtype=np.uint64))
    assert not np.array_equal(mixed, np.sort(mixed))


@settings(deadline=None)
@given(st.lists(st.integers(-(10**12) + 1, 10**12 - 1), min_size=1))
def test_cents_are_exact(cents: list[int]) -> None:
    money = draws.from_cents(np.array(cents, np.int64)).to_pylist()
    assert money == [Decimal(c) / 100 for c in cents]


def test_seconds_are_moments() -> None:
    assert draws.from_seconds(np.array([1_700_000_000])).to_pylist() == [datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)]
