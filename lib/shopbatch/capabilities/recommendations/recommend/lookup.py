"""Read one user's published lists, with product names, for the command `shopbatch recommend`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shopbatch.core.errors import UserError
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.recommendations import RECOMMENDATIONS, RECOMMENDATIONS_REJECTS
from shopbatch.warehouse.rows import row_of
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

NAMES = ("title", "product_type", "category", "department")  # columns that can name a product, the best first


def called(product: Mapping[str, Any]) -> str:
    """Return a name for a product: its first text among title, type, category and department; else its id.

    Args:
        product: A row of `products`, by column.
    """
    return next((name for column in NAMES if (name := (product.get(column) or "").strip())), product["product_id"])


def lists_of(store: Store, user: str, only: str = "") -> list[dict[str, Any]]:
    """Return a user's published lists as dictionaries: user_id, list, as_of, and the items, each with a `name`.

    Args:
        store: The warehouse.
        user: Id of the user.
        only: Name of the list that is wanted; "" for all lists.

    Raises:
        UserError: Nothing is published yet, there is no list of this name, or the user has no list.
    """
    table = store.snapshot(RECOMMENDATIONS.name)
    lists = sorted({f.partition["list"] or "" for f in table.files})
    if only and only not in lists:
        raise UserError(f"no list {only!r}; there are: {', '.join(lists)}")
    rows = [row_of(table.part({"list": name}), "user_id", user) for name in lists if only in ("", name)]
    lists_there = [row for row in rows if row is not None]
    if not lists_there:
        raise UserError(_missing(store, user))
    names = _names(store, {item["product_id"] for row in lists_there for item in row["items"]})
    return [
        {
            "user_id": row["user_id"],
            "list": row["list"],
            "as_of": str(row["as_of"]),
            "items": [{"name": names.get(item["product_id"], item["product_id"]), **item} for item in row["items"]],
        }
        for row in lists_there
    ]


def _missing(store: Store, user: str) -> str:
    """Return a sentence that tells why a user has no list: rejected history, no known purchases, or unknown user."""
    rejects = store.find(RECOMMENDATIONS_REJECTS.name)
    reject = None if rejects is None else _first(rejects, user)
    if reject is not None:
        return f"user {user!r} has no lists: the history was rejected as {reject['reason']}"
    users = store.find("users")
    if users is not None and row_of(users, "user_id", user) is not None:
        return f"user {user!r} has no lists: nothing was known of what they bought when the lists were made"
    return f"no user {user!r} in {RECOMMENDATIONS.name}"


def _first(rejects: Snapshot, user: str) -> dict[str, Any] | None:
    return row_of(rejects, "user_id", user)


def _names(store: Store, ids: set[str]) -> dict[str, str]:
    """Return the names of some products by product id; {} without a table `products`."""
    from shopbatch.inference.samples import rows_with

    products = store.find(PRODUCTS.name)
    if products is None:
        return {}
    columns = [c for c in ("product_id", *NAMES) if c in products.schema.names]
    return {
        row["product_id"]: called(row) for row in rows_with(products, "product_id", sorted(ids), columns).to_pylist()
    }
