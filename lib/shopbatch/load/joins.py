"""Warns after a load if the ids of two tables do not match, so that jobs which join the tables would find nothing."""

from __future__ import annotations

from contextlib import suppress

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.errors import UserError
from shopbatch.load.product_codes import REFERRING, ProductCodes
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

_MOST = 5_000_000  # most rows of `products` or `users`; larger tables are not compared
_SOME = 1_000_000  # most rows of the table that refers to them; further rows are not looked up
_FEW = 3  # with fewer distinct ids, there is no warning
_USERS = ("transactions", "orders", "tickets")
_REFERENCES = {"products": ("product_id", REFERRING), "users": ("user_id", _USERS)}


def unmatched(store: Store, table: str, codes: ProductCodes | None = None) -> list[str]:
    """Compare the product ids and user ids of a table that was just loaded with the tables that jobs join it with.

    A table that cannot be read is not compared, because the load itself is done.

    Args:
        store: The warehouse.
        table: The table.
        codes: The codes of the products, if they have been read already; None: they are read when needed.

    Returns:
        Warnings for the user, at most one for each pair of tables. There is one if ids in a table are codes (SKUs,
        barcodes) of products instead of product ids, or if more than half of the ids are missing in `products` or
        `users`; there is none if one table of the pair is empty.
    """
    lines: list[str] = []
    for target, (column, tables) in _REFERENCES.items():
        pairs = tables if table == target else (table,) if table in tables else ()
        for name in pairs:
            with suppress(UserError, OSError, pa.ArrowException):  # the load is done; an unreadable table is no error
                if target == "products" and codes is None:
                    codes = ProductCodes.of(store)
                lines += _compare(store, name, target, column, codes if target == "products" else None)
    return lines


def _compare(store: Store, name: str, target: str, column: str, codes: ProductCodes | None) -> list[str]:
    """Compare the ids of one table with those of `products` or `users`; return at most one warning.

    Args:
        store: The warehouse.
        name: The table whose rows refer to products or users.
        target: `products` or `users`.
        column: The id column of both tables.
        codes: The codes of the products; None if the target is `users`.
    """
    rows, known = store.find(name), store.find(target)
    if rows is None or known is None or not rows.files or not known.files or known.rows > _MOST:
        return []
    ids, there = _ids(rows, column, _SOME), _ids(known, column, _MOST)
    missing = ids.filter(~ids.is_in(there.implode()))
    if codes is not None and (named := _named_by_code(missing, codes)):
        return [f"{name} {named}: load its files anew, the first one with --replace, so that they join"]
    if len(ids) < _FEW or len(missing) * 2 <= len(ids):
        return []
    what = "product" if target == "products" else "user"
    sample = f"; {target} holds the sample" if "sample" in known.metadata else ""
    sample = f"; {name} holds the sample" if "sample" in rows.metadata else sample
    return [
        f"{len(missing):,} of {len(ids):,} {what} ids of {name} are not in {target} ({_some(missing)}; {target} has "
        f"{_some(there)}){sample}: jobs that join the two see nothing of them. Load both with the same ids: "
        f"--map {column}=... says which column of a file has them"
    ]


def _named_by_code(ids: pl.Series, codes: ProductCodes) -> str:
    """Return a phrase for a warning: how many ids are codes of products, with an example; "" if none is."""
    texts = ids.to_arrow().cast(pa.string())
    products = codes.find(texts)[0]
    count = len(products) - products.null_count
    if not count:
        return ""
    first = pc.index(products.is_valid(), True).as_py()
    return f"names products by {count:,} codes ({texts[first].as_py()} is {products[first].as_py()})"


def _ids(snapshot: Snapshot, column: str, most: int) -> pl.Series:
    """Return the distinct ids of a column, read from at most the first `most` rows of the table."""
    values = pc.unique(snapshot.read([column], limit=most)[column]).drop_null()
    return pl.Series("id", pl.from_arrow(values), dtype=pl.String)


def _some(ids: pl.Series) -> str:
    """Return the first two ids as text, for a message."""
    return ", ".join(ids.head(2).to_list())
