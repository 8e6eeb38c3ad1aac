"""Read the data that the rules of a list need: properties of products, markets of users, and repeat rates of groups.

A run of `recommend_products` reads them once, from pinned snapshots, and all workers share them. Products have the
numbers that the recommender gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import ray

from shopbatch.capabilities.recommendations.recommend.config import RecommendConfig
from shopbatch.capabilities.recommendations.recommend.histories import COLUMNS, Numbers, broken
from shopbatch.capabilities.recommendations.recommend.lookup import NAMES
from shopbatch.capabilities.recommendations.recommend.repeated import repeat_counts, shares_of
from shopbatch.core.hashing import hash128
from shopbatch.inference.parts import Part, plan_parts
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.user_sequences import PURCHASE
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.utf8 import blank

# markets without a number: ANYWHERE (a product sold in every market, or a user whose market is not known) and
# ELSEWHERE (a user in a market that no product names)
ANYWHERE, ELSEWHERE = -1, -2


@dataclass(frozen=True)
class Catalogue:
    """The properties of products that the rules need; element n of each array belongs to the recommender's product n.

    Attributes:
        ids: Product ids, string [n].
        names: Names for people to read, string [n].
        listed: True if a list may show the product, bool [n].
        nameable: True if a reason may name the product: it is not excluded, but may be out of stock, bool [n].
        market: The only market where the product is sold, as an index into `markets`, or ANYWHERE, int64 [n].
        markets: Names of the markets.
        groups: {column of `products`: index of each product's value in `values`, int64 [n]}; -1 for a product without a
            value.
        values: {column of `products`: its distinct values}.
    """

    ids: pa.Array
    names: pa.Array
    listed: np.ndarray
    nameable: np.ndarray
    market: np.ndarray
    markets: tuple[str, ...]
    groups: Mapping[str, np.ndarray]
    values: Mapping[str, tuple[str, ...]]


def read_catalogue(products: Snapshot, ids: Sequence[str], config: RecommendConfig) -> Catalogue:
    """Read the properties of the recommender's products from the table `products`; of several rows the newest is used.

    Args:
        products: Pinned snapshot of `products`.
        ids: The recommender's product ids, in its order.
        config: Settings of the job, which name the columns and the exclusions.
    """
    lists = (config.lists.buy_again, config.lists.discover)
    grouped = {config.repeatable.group, "product_type", *config.exclude.groups}
    grouped |= {column for each in lists for column in each.most_per_group}
    columns = dict.fromkeys(("product_id", "updated_at", "availability", "market", *NAMES, *sorted(grouped)))
    rows = pl.DataFrame(_readable(products.read(list(columns))))
    rows = rows.sort(PRODUCTS.latest_by or "product_id", maintain_order=True)
    rows = rows.unique("product_id", keep="last", maintain_order=True).with_columns(there=pl.lit(True))
    rows = pl.DataFrame({"product_id": list(ids)}, {"product_id": pl.String}).join(
        rows, on="product_id", how="left", maintain_order="left"
    )
    gone = pl.col("there").is_null() | pl.col("availability").is_in(config.exclude.availability).fill_null(False)
    excluded = pl.col("product_id").is_in(config.exclude.products)
    for column, values in config.exclude.groups.items():
        excluded |= pl.col(column).is_in(values).fill_null(False)
    listed = rows.select(~(gone | excluded)).to_series()
    coded = {column: _coded(rows[column]) for column in (*sorted(grouped), "market")}
    name = pl.coalesce(*(pl.when(pl.col(c).str.strip_chars() != "").then(pl.col(c)) for c in NAMES), "product_id")
    market, markets = coded.pop("market")
    return Catalogue(
        ids=pa.array(ids, pa.string()),
        names=rows.select(name).to_series().to_arrow().cast(pa.string()),
        listed=listed.to_numpy(),
        nameable=rows.select(~excluded).to_series().to_numpy(),
        market=market,
        markets=markets,
        groups={column: code for column, (code, _) in coded.items()},
        values={column: values for column, (_, values) in coded.items()},
    )


def _readable(rows: pa.Table) -> pa.Table:
    """Return the rows with each text that is not valid UTF-8 replaced by an empty one."""
    for n, field in enumerate(rows.schema):
        if pa.types.is_string(field.type):
            rows = rows.set_column(n, field.name, blank(rows.column(n)))
    return rows


def _coded(column: pl.Series) -> tuple[np.ndarray, tuple[str, ...]]:
    """Encode a column as indexes into its distinct values in alphabetical order.

    Returns:
        The index of each row's value, int64 [n], -1 for null; and the distinct values.
    """
    values = column.drop_nulls().unique().sort()
    numbers = {value: n for n, value in enumerate(values.to_list())}
    return np.array([numbers.get(value, -1) for value in column.to_list()], np.int64), tuple(numbers)


@dataclass(frozen=True)
class Learned:
    """Numbers learned from the histories of all users.

    Attributes:
        newest: The newest day of any entry, days since 1970; None if there is no entry.
        shares: {group: share (0..1) of its (user, product) pairs that were bought on two days or more}. A group is a
            value of the column `repeatable.group` of `products`; groups with fewer than 20 pairs are missing.
    """

    newest: int | None
    shares: Mapping[str, float]


def learn(sequences: Snapshot, catalogue: Catalogue, group: str) -> Learned:
    """Learn the newest day and each group's repeat share from all users' histories, in parallel if Ray is running.

    Args:
        sequences: Pinned snapshot of `user_sequences`.
        catalogue: The properties of the products.
        group: Column of `products` whose values are the groups.
    """
    parts, schema = plan_parts(sequences), sequences.select(COLUMNS)
    code, values = catalogue.groups[group], catalogue.values[group]
    shared = Numbers(catalogue.ids), code
    if ray.is_initialized():
        task, there = ray.remote(_count), ray.put(shared)
        counted = ray.get([task.remote(part, schema, there, len(values)) for part in parts])
    else:
        counted = [_count(part, schema, shared, len(values)) for part in parts]
    days = [day for day, _ in counted if day is not None]
    counts = sum((c for _, c in counted), np.zeros((2, len(values)), np.int64))
    return Learned(max(days, default=None), shares_of(values, counts))


def _count(
    part: Part, schema: pa.Schema, shared: tuple[Numbers, np.ndarray], groups: int
) -> tuple[int | None, np.ndarray]:
    """Return the newest day and each group's repeat counts, from one part of `user_sequences`.

    Args:
        part: Some files of the table, or a range of their rows.
        schema: Columns to read.
        shared: Converter of product ids, and the group of each product, int64 [products].
        groups: Number of groups.

    Returns:
        The newest day, days since 1970 (None without entries), and the result of `repeat_counts`, int64 [2, groups].
    """
    numbers, code = shared
    newest, counts = None, np.zeros((2, groups), np.int64)
    for _, rows in part.read(schema):
        good = rows.filter(broken(rows).is_null())
        days = pl.Series(good["days"]).list.max().max()
        if days is None:
            continue
        newest = max(newest or 0, _number(days))
        counts += repeat_counts(numbers.read(good, (PURCHASE,))[0], code, groups)
    return newest, counts


def _number(day: object) -> int:
    return int(pa.scalar(day, pa.date32()).cast(pa.int32()).as_py())


@dataclass(frozen=True)
class Markets:
    """The markets of the users whose market is known, looked up by a hash of the user id.

    Attributes:
        key: Upper 64 bits of the hashes of user ids, ascending, uint64 [users].
        market: Index into `Catalogue.markets`, or ELSEWHERE for a market where no product is exclusively sold, int64
            [users].
    """

    key: np.ndarray
    market: np.ndarray

    def of(self, users: pa.ChunkedArray | pa.Array) -> np.ndarray:
        """Return each user's market, int64 [n]: index into `Catalogue.markets`, ELSEWHERE, or ANYWHERE if unknown.

        Args:
            users: Ids of the users, string [n].
        """
        asked, _ = hash128([users])
        if not len(self.key):
            return np.full(len(asked), ANYWHERE)
        at = np.searchsorted(self.key, asked).clip(max=len(self.key) - 1)
        return np.where(self.key[at] == asked, self.market[at], ANYWHERE)


def read_markets(users: Snapshot, catalogue: Catalogue) -> Markets:
    """Read the markets of users from the table `users`.

    A market that is not in `Catalogue.markets` becomes ELSEWHERE.
    """
    rows = _readable(users.read(["user_id", "market"])).drop_null()
    key, _ = hash128([rows["user_id"]])
    numbers = {name: n for n, name in enumerate(catalogue.markets)}
    market = np.array([numbers.get(name, ELSEWHERE) for name in rows["market"].to_pylist()], np.int64)
    key, first = np.unique(key, return_index=True)
    return Markets(key, market[first])
