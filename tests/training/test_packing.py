"""Packing loses nothing, mixes nothing, and fills blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopbatch.training.packing import flatten, pack

from .tiny import documents


@given(st.lists(st.integers(1, 32), max_size=300), st.integers(0, 3))
def test_every_document_is_in_one_block_and_no_block_is_too_long(lengths: list[int], seed: int) -> None:
    found = pack(lengths, 32, seed)
    assert sorted(i for block in found for i in block) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in block) <= 32 for block in found)
    # what is in the later of two blocks did not fit into the earlier one: at most one block is half empty
    assert sum(sum(lengths[i] for i in block) <= 16 for block in found) <= 1
    assert found == pack(lengths, 32, seed)


def test_blocks_of_real_lengths_are_nearly_full_and_another_seed_mixes_otherwise() -> None:
    lengths = np.random.default_rng(0).gamma(2, 40, 10_000).clip(3, 512).astype(int).tolist()
    found = pack(lengths, 512, 0)
    assert sum(lengths) / (len(found) * 512) > 0.98
    assert pack(lengths, 512, 1) != found


@pytest.mark.parametrize("length", [0, 33])
def test_a_document_that_does_not_fit_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="1 to 32"):
        pack([3, length], 32, 0)


def test_positions_begin_anew_in_every_document() -> None:
    found = documents(5)
    batch = flatten(found)
    starts = np.concatenate([[0], np.cumsum(batch.lengths)[:-1]])
    assert (batch.positions[starts] == 0).all() and batch.positions.max() == max(batch.lengths) - 1
    assert batch.ids.tolist() == [i for d in found for i in d.ids.tolist()]
