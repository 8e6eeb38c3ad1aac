"""Reads the present content of products with its hashes, by which reviews notice that a product has changed."""

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
    """The present content of n products.

    Attributes:
        products: Their product_id.
        columns: The columns of `facts.CONTENT`, [n].
        hashes: Hashes of the content, as hexadecimal text.
        former: Hashes as earlier versions of the software computed them, as hexadecimal text.
    """

    products: list[str]
    columns: pa.Table
    hashes: list[str]
    former: list[str]


def contents_of(store: Store, products: Sequence[str]) -> Contents:
    """Read the content of products from the table `products`, with its hashes.

    Args:
        store: The warehouse.
        products: The product_id of each; unknown ones are missing in the result.
    """
    source = store.require(PRODUCTS, ("product_id", *CONTENT))
    rows = rows_with(source, "product_id", products, ["product_id", *CONTENT])
    content = rows.select(CONTENT)
    hashes, former = (hex128(*name(content.columns)).to_pylist() for name in (hash128, former_hash128))
    return Contents(rows["product_id"].to_pylist(), content, hashes, former)
