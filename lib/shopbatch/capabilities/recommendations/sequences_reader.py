"""Convert rows of `user_sequences` (one per user: lists of products, days, actions) into a numbered History."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.recommendations.history import History


@dataclass(frozen=True)
class Named:
    """A history together with the ids of its users and products.

    Attributes:
        history: The numbered history.
        users: User ids: user n of the history is users[n]; in alphabetical order.
        products: Product ids: item n of the history is products[n]; in alphabetical order.
    """

    history: History
    users: list[str]
    products: list[str]


def read_sequences(sequences: pa.Table, actions: Collection[int], products: Collection[str] | None = None) -> Named:
    """Return the rows of `user_sequences` as a numbered history. Users without any matching entry stay in it.

    Args:
        sequences: Columns user_id, products list<string>, days list<date32> and actions list<int8>; the lists of a row
            must have equal lengths. Null lists are read as empty.
        actions: Actions whose entries are read, such as PURCHASE; entries with other actions are left out.
        products: Products to number, such as those of a model; entries of other products are left out. None: every
            product that occurs.
    """
    sequences = sequences.sort_by("user_id").combine_chunks()
    row = pc.list_parent_indices(sequences["products"]).to_numpy()
    name, day, action = (pc.list_flatten(sequences[c]).combine_chunks() for c in ("products", "days", "actions"))
    kept = pc.is_in(action, pa.array(sorted(actions), action.type))
    if products is not None:
        kept = pc.and_(kept, pc.is_in(name, pa.array(sorted(products), name.type)))
    row, name, day = row[kept.to_numpy(zero_copy_only=False)], name.filter(kept), day.filter(kept)
    names = pa.array(sorted(products), name.type) if products is not None else pc.unique(name)
    names = names.take(pc.sort_indices(names))
    item = pc.index_in(name, names).to_numpy(zero_copy_only=False).astype(np.int64)
    days = day.cast(pa.int32()).to_numpy(zero_copy_only=False).astype(np.int64)
    history = History.of(row.astype(np.int64), item, days, sequences.num_rows, len(names))
    return Named(history, sequences["user_id"].to_pylist(), names.to_pylist())
