"""Rows of `user_sequences` as histories in the numbers of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.recommendations.history import History
from shopbatch.warehouse.utf8 import invalid_utf8

COLUMNS = ("products", "days", "actions")


@dataclass(frozen=True)
class Numbers:
    """The numbers that a model gives to products.

    ids: product ids, by number. As an Arrow array they are shared by the processes of a machine.
    """

    ids: pa.Array

    @classmethod
    def of(cls, ids: Sequence[str]) -> Numbers:
        """Number the products in their order."""
        return cls(pa.array(ids, pa.string()))

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {name: n for n, name in enumerate(self.ids.to_pylist())}

    def read(self, content: pa.Table, *wanted: Sequence[int]) -> list[History]:
        """Return the histories of users, one for each set of actions that is wanted.

        Args:
            content: `COLUMNS` of some rows. What the model does not know is left out.
            wanted: Sets of actions.
        """
        products, days, actions = (content[c].combine_chunks() for c in COLUMNS)
        user = pc.list_parent_indices(products).to_numpy()
        coded = pc.dictionary_encode(pc.list_flatten(products))
        known = np.array([self._by_id.get(name, -1) for name in coded.dictionary.to_pylist()] + [-1], np.int64)
        item = known[pc.fill_null(coded.indices, len(known) - 1).to_numpy(zero_copy_only=False)]
        day = pc.list_flatten(days).cast(pa.int32()).to_numpy(zero_copy_only=False)
        action = pc.fill_null(pc.list_flatten(actions), 0).to_numpy(zero_copy_only=False)
        rows = [(item >= 0) & np.isin(action, actions) for actions in wanted]
        return [History.of(user[r], item[r], day[r], content.num_rows, len(self.ids)) for r in rows]


def broken(content: pa.Table) -> pa.Array:
    """Return a reason for each row that is no history, null for the others.

    empty: there is no entry. broken_lists: the lists differ in length, or a day is missing. invalid_utf8: a product's
    id is not valid UTF-8.
    """
    lengths = [pc.fill_null(pc.list_value_length(content[c]), 0) for c in COLUMNS]
    differ = pc.or_(pc.not_equal(lengths[0], lengths[1]), pc.not_equal(lengths[0], lengths[2]))
    days = content["days"].combine_chunks()
    dayless = np.zeros(content.num_rows, bool)
    dayless[pc.list_parent_indices(days).to_numpy()[pc.list_flatten(days).is_null().to_numpy(zero_copy_only=False)]] = 1
    bad = pc.or_(differ, pa.chunked_array([pa.array(dayless)]))
    reason = pc.if_else(bad, "broken_lists", pa.scalar(None, pa.string()))
    reason = pc.if_else(pc.and_(pc.equal(lengths[0], 0), pc.invert(bad)), "empty", reason)
    if (unreadable := invalid_utf8(content["products"])) is not None:
        reason = pc.if_else(unreadable, "invalid_utf8", reason)
    return reason.combine_chunks() if isinstance(reason, pa.ChunkedArray) else reason
