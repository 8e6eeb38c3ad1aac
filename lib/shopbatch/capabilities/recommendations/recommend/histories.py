"""Convert rows of `user_sequences` into histories of a recommender's products, and find broken rows."""

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
    """Converts product ids into the numbers by which a recommender knows products (indexes into its `product_ids`).

    Attributes:
        ids: The recommender's product ids; product n is ids[n]. They are an Arrow array, so that the processes of a
            machine share one copy.
    """

    ids: pa.Array

    @classmethod
    def of(cls, ids: Sequence[str]) -> Numbers:
        """Number product ids in the order given."""
        return cls(pa.array(ids, pa.string()))

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {name: n for n, name in enumerate(self.ids.to_pylist())}

    def read(self, content: pa.Table, *wanted: Sequence[int]) -> list[History]:
        """Convert rows of `user_sequences` into one history for each set of actions.

        Products that the model does not know are left out.

        Args:
            content: Columns `COLUMNS` of some rows of `user_sequences`; row n becomes user n.
            wanted: One or more sets of actions, such as (PURCHASE,). Entries of other actions are left out.
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
    """Return for each row the reason why it is not a usable history, or null if it is, string [rows].

    The reasons are:

    - `empty`: the row has no entry;
    - `broken_lists`: the lists differ in length, or a day is missing;
    - `invalid_utf8`: a product id is not valid UTF-8.
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
