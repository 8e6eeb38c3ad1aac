"""What is known of products now, and the hashes that name it: today's, and those of versions before this one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from shopbatch.capabilities.copywriting.facts import CONTENT
from shopbatch.core.hashing import former_hash128, hash128, hex128
from shopbatch.inference.samples import rows_with
from shopbatch.tables.products import PRODUCTS
from shopbatch.warehouse.store import Store


class Contents(NamedTuple):
    """The contents of some products, [n] each: their keys, their columns, their hashes and their former hashes."""

    products: list[str]
    columns: pa.Table
    hashes: list[str]
    former: list[str]


def contents_of(store: Store, products: Sequence[str]) -> Contents:
    """Read what is known of products."""
    source = store.require(PRODUCTS, ("product_id", *CONTENT))
    rows = rows_with(source, "product_id", products, ["product_id", *CONTENT])
    content = rows.select(CONTENT)
    hashes, former = (hex128(*name(content.columns)).to_pylist() for name in (hash128, former_hash128))
    return Contents(rows["product_id"].to_pylist(), content, hashes, former)
