"""Writes the table `requests_with_history`: each request with the earlier purchases of the shopper who asked.

`guide_shoppers` reads it instead of `shopper_requests` if `history=true`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import pyarrow as pa

from shopbatch.capabilities.search.guide import history
from shopbatch.capabilities.search.guide.catalogue import READ
from shopbatch.capabilities.search.guide.config import GuideShoppersConfig
from shopbatch.capabilities.search.guide.history import History, size_name
from shopbatch.capabilities.search.statements import VERSION as STATEMENTS
from shopbatch.capabilities.search.statements import statements
from shopbatch.capabilities.search.understanding.vocabulary import Vocabulary, key_of
from shopbatch.core.crash_points import crash_point
from shopbatch.runs.report import Report
from shopbatch.tables.guided_products import REQUESTS_WITH_HISTORY
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.shopper_requests import SHOPPER_REQUESTS
from shopbatch.tables.user_profiles import USER_PROFILES
from shopbatch.tables.user_sequences import PURCHASE, RETURN, USER_SEQUENCES
from shopbatch.warehouse.damage import move_away, put_in_order
from shopbatch.warehouse.gates import refuse_if_failed
from shopbatch.warehouse.publish import Publication, rows_of, unless_changed
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

_KEPT = ("request_id", "text", "user_id", "language", "asked_at")
LEAST_OF_BRAND = 2  # products of a brand that a user must have bought to prefer it


def join_history(config: GuideShoppersConfig, store: Store, report: Report) -> str:
    """Join requests with their shoppers' histories, and publish the rows unless the live ones have the same sources.

    Args:
        config: Settings of `guide_shoppers`.
        store: The warehouse.
        report: The run's report.

    Returns:
        One line for the report if another client had changed the table `requests_with_history` and the change was
        undone, or if the table had damaged files; else "".

    Raises:
        UserError: `shopper_requests`, `user_sequences` or `products` does not exist.
        GateRefused: One of the tables has shrunk too far.
        Superseded: Another run wrote the table meanwhile.
    """
    requests = store.require(SHOPPER_REQUESTS, ("request_id", "text"), optional=_KEPT[2:])
    sequences = store.require(USER_SEQUENCES, ("user_id", "products", "actions"))
    products, profiles = store.require(PRODUCTS, READ), store.find(USER_PROFILES.name)
    sources = [requests, sequences, products, *([profiles] if profiles is not None else [])]
    report.tables |= {source.name: {"read": source.version} for source in sources}
    damaged, undone = put_in_order(store, REQUESTS_WITH_HISTORY, report.run_id)
    before = store.find(REQUESTS_WITH_HISTORY.name)
    made_from = {source.name: {"table_id": source.table_id, "version": source.version} for source in sources}
    origin = {"version": [history.VERSION, STATEMENTS], "sources": made_from}
    if before is not None and not undone and before.metadata.get("origin") == origin:
        report.tables[REQUESTS_WITH_HISTORY.name] = {"read": before.version}
        return undone
    with report.stage("history") as stage, Publication(store, report.run_id) as publication:
        rows = joined(requests, sequences, products, profiles, report.run_id)
        stage.rows = rows.num_rows
        written = [store.write_file(REQUESTS_WITH_HISTORY, rows, report.run_id, 0)] if rows.num_rows else []
        publication.add(REQUESTS_WITH_HISTORY, written)
        read = rows_of({s.name: s for s in sources} | {USER_PROFILES.name: profiles})
        refuse_if_failed(publication.judge(REQUESTS_WITH_HISTORY, config.gates.rows, read, before, sized=False))
        crash_point("history_written")
        check = unless_changed(before.files if before is not None else ())
        metadata = {"job": report.job, "run_id": report.run_id, "origin": origin}
        done = publication.commit(REQUESTS_WITH_HISTORY, metadata, check=check)
    move_away(store, REQUESTS_WITH_HISTORY, damaged)
    report.tables[REQUESTS_WITH_HISTORY.name] = {"written": done.version}
    known = rows.num_rows - rows["history"].null_count
    report.metrics["history"] = {"requests": rows.num_rows, "with a history": known}
    return undone


def joined(
    requests: Snapshot, sequences: Snapshot, products: Snapshot, profiles: Snapshot | None, run_id: str
) -> pa.Table:
    """Return the rows of `requests_with_history`. Each request gets the history of its own `user_id` only.

    Args:
        requests: The table `shopper_requests`.
        sequences: The table `user_sequences`.
        products: The table `products`.
        profiles: The table `user_profiles`, of which only the newest day (`as_of`) is read; None if there is none.
        run_id: The run.
    """
    rows = requests.read(list(_KEPT))
    users = pl.Series("user_id", rows["user_id"].to_pylist(), pl.String).drop_nulls().unique()
    bought = _bought(sequences, users)
    of_products = _of_products(products, {product for each in bought.values() for product in each})
    levels = _levels(profiles, users)
    histories = {user: _history(bought.get(user, ()), of_products, levels.get(user)).text for user in users}
    texts = [histories.get(user) if user is not None else None for user in rows["user_id"].to_pylist()]
    return REQUESTS_WITH_HISTORY.fill(
        rows.num_rows,
        **{name: rows[name] for name in _KEPT},
        history=pa.array(texts, pa.string()),
        run_id=pa.repeat(run_id, rows.num_rows),
    )


def _bought(sequences: Snapshot, users: pl.Series) -> dict[str, list[str]]:
    """Return a dict from user to the sorted ids of the products that the user bought and did not return."""
    rows = pl.DataFrame(sequences.read(["user_id", "products", "actions"]))
    rows = rows.filter(pl.col("user_id").is_in(users.implode())).explode("products", "actions")
    back = rows.filter(pl.col("actions") == RETURN).select("user_id", "products")
    kept = rows.filter(pl.col("actions") == PURCHASE).join(back, on=["user_id", "products"], how="anti")
    by_user = kept.group_by("user_id").agg(pl.col("products").unique().sort())
    return dict(by_user.iter_rows())


def _levels(profiles: Snapshot | None, users: pl.Series) -> dict[str, float]:
    """Return a dict from user to price level (see `History`) on the profiles' newest day; empty without profiles."""
    if profiles is None or not profiles.files:
        return {}
    rows = pl.DataFrame(profiles.read(["user_id", "as_of", "price_level"])).drop_nulls("price_level")
    rows = rows.filter(pl.col("user_id").is_in(users.implode()), pl.col("as_of") == pl.col("as_of").max())
    return {user: round(level, 2) for user, level in rows.select("user_id", "price_level").iter_rows()}


def _of_products(products: Snapshot, wanted: set[str]) -> dict[str, tuple[tuple[str, str] | None, str]]:
    """Return a dict from the id of each `wanted` product to its size (see `size_name`) and its brand (see `key_of`).

    The size is None unless the product's row states exactly one; the brand is "" if the row states none.
    """
    table = products.read(list(READ))
    rows = table.filter(pa.array([product in wanted for product in table["product_id"].to_pylist()], pa.bool_()))
    vocabulary = Vocabulary.from_products(table)
    return {row["product_id"]: _size_and_brand(row, vocabulary) for row in rows.to_pylist()}


def _size_and_brand(row: Mapping[str, Any], vocabulary: Vocabulary) -> tuple[tuple[str, str] | None, str]:
    sizes = {s.value for s in statements(row, vocabulary) if s.kind == "size" and s.is_main}
    kind = str(row.get("product_type") or "")
    # if a product comes in several sizes, the size that was bought is unknown
    return size_name(kind, sizes.pop()) if len(sizes) == 1 else None, key_of(str(row.get("brand") or ""))


def _history(
    bought: Any, of_products: Mapping[str, tuple[tuple[str, str] | None, str]], level: float | None
) -> History:
    known = [of_products[product] for product in bought if product in of_products]
    brands = [brand for _, brand in known if brand]
    often = {brand for brand in brands if brands.count(brand) >= LEAST_OF_BRAND}
    return History(frozenset(size for size, _ in known if size is not None), frozenset(often), level)
