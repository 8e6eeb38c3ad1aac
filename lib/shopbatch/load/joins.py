"""Says it when the rows of two tables do not belong together, because they name one thing in two ways."""

from __future__ import annotations

from contextlib import suppress

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.errors import UserError
from shopbatch.load.product_codes import REFERRING, ProductCodes
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

_MOST = 5_000_000  # rows of a table that are looked at; above, a table that is looked up in is not compared at all
_SOME = 1_000_000  # of a table whose ids are looked up
_FEW = 3  # ids that say something
_USERS = ("transactions", "orders", "tickets")
_REFERENCES = {"products": ("product_id", REFERRING), "users": ("user_id", _USERS)}


def unmatched(store: Store, table: str, codes: ProductCodes | None = None) -> list[str]:
    """Compare the ids of a table that was loaded with those of the tables that it is joined with.

    Args:
        store: The warehouse.
        table: The table.
        codes: The codes of the products, if they have been read already.

    Returns:
        A line for each pair of tables that both have rows and of which most ids are in one of them alone, or of which
        one names products by their codes.
    """
    lines: list[str] = []
    for target, (column, tables) in _REFERENCES.items():
        pairs = tables if table == target else (table,) if table in tables else ()
        for name in pairs:
            with suppress(UserError, OSError, pa.ArrowException):  # the load is done, whatever the other table is like
                if target == "products" and codes is None:
                    codes = ProductCodes.of(store)
                lines += _compare(store, name, target, column, codes if target == "products" else None)
    return lines


def _compare(store: Store, name: str, target: str, column: str, codes: ProductCodes | None) -> list[str]:
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
    """Say how many ids are codes of products, with an example; "" if none is."""
    texts = ids.to_arrow().cast(pa.string())
    products = codes.find(texts)[0]
    count = len(products) - products.null_count
    if not count:
        return ""
    first = pc.index(products.is_valid(), True).as_py()
    return f"names products by {count:,} codes ({texts[first].as_py()} is {products[first].as_py()})"


def _ids(snapshot: Snapshot, column: str, most: int) -> pl.Series:
    """The different ids of a table, or of its first rows."""
    values = pc.unique(snapshot.read([column], limit=most)[column]).drop_null()
    return pl.Series("id", pl.from_arrow(values), dtype=pl.String)


def _some(ids: pl.Series) -> str:
    return ", ".join(ids.head(2).to_list())
