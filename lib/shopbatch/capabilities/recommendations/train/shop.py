"""The shop as the recommender learns it: `user_sequences` and the catalogue as one numbered history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.sequences_reader import read_sequences
from shopbatch.capabilities.recommendations.train.config import TrainRecommenderConfig
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest, hash128, hex128
from shopbatch.core.nearest import hint
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.user_sequences import CART, PURCHASE, USER_SEQUENCES, VIEW
from shopbatch.warehouse.store import Snapshot, Store

ACTIONS = {"purchase": PURCHASE, "cart": CART, "view": VIEW}
COLUMNS = ("user_id", "products", "days", "actions")
_DAY = 1  # days are whole numbers since 1970


@dataclass(frozen=True)
class Catalogue:
    """What is read of `products`.

    Attributes:
        ids: Their names.
        texts: Their texts; None without any.
        excluded: Whether each takes no part, bool [n].
        digest: Of all this: prices and stock may change without a model being trained again.
    """

    ids: list[str]
    texts: list[str | None]
    excluded: np.ndarray
    digest: str


@dataclass(frozen=True)
class Shop:
    """The shop, its products in alphabetical order.

    Attributes:
        history: What users had, by numbers of users and products.
        users: Names of the users.
        products: Names of the products: all that were bought, and those with a text; none that is excluded.
        texts: Text of each product; None without one.
    """

    history: History
    users: list[str]
    products: list[str]
    texts: list[str | None]

    def cut(self, config: TrainRecommenderConfig) -> tuple[int, int, int]:
        """Return the first days of the validation and of the held-out window, and the day after the newest one.

        Raises:
            UserError: There is nothing before the windows.
        """
        end = int(self.history.day.max()) + _DAY
        held = end - config.holdout_days
        validation = held - config.validation_days
        first = int(self.history.day.min())
        if first >= validation:
            raise UserError(
                f"user_sequences: holdout_days={config.holdout_days} and validation_days={config.validation_days} need "
                f"purchases of more days than the {end - first} that are there; set shorter windows, or load more"
            )
        return validation, held, end


def read_catalogue(snapshot: Snapshot | None, config: TrainRecommenderConfig) -> Catalogue:
    """Read texts and groups of products.

    Raises:
        UserError: A column is none of `products`.
    """
    if snapshot is None:
        return Catalogue([], [], np.zeros(0, bool), "none")
    texts = [] if config.text.encoder == "off" else config.text.columns
    for key, names in (("items.exclude", config.items.exclude), ("text.columns", texts)):
        for name in names:
            if name not in snapshot.schema.names or snapshot.schema.field(name).type != pa.string():
                strings = [field.name for field in PRODUCTS.schema() if field.type == pa.string()]
                raise UserError(f"{key}: products has no column {name!r} of text; {hint(name, strings)}")
    names = list(dict.fromkeys(["product_id", *texts, *config.items.exclude]))
    table = snapshot.read(names).sort_by("product_id")
    excluded = np.zeros(table.num_rows, bool)
    for name, values in config.items.exclude.items():
        inside = pc.is_in(table[name], pa.array(values, pa.string()))
        excluded |= inside.to_numpy()
    rows = zip(*(table[name].to_pylist() for name in texts), strict=True) if texts else [()] * table.num_rows
    joined = [" ".join(filter(None, row)) or None for row in rows]
    of_all = "".join(sorted(hex128(*hash128(table.columns)).to_pylist()))
    return Catalogue(table["product_id"].to_pylist(), joined, excluded, digest({"rows": of_all}))


def read_shop(snapshot: Snapshot, catalogue: Catalogue, config: TrainRecommenderConfig) -> Shop:
    """Read the history of all users, or of as many as `source.users` says.

    Raises:
        UserError: Nobody did anything that counts, or all products are excluded.
    """
    sequences = _some(snapshot.read(COLUMNS), config.source.users)
    actions = {ACTIONS[name] for name in config.source.actions}
    named = read_sequences(sequences, actions)
    if not len(named.history.item):
        raise UserError(
            f"user_sequences has no {' or '.join(config.source.actions)} of any user; run build_user_sequences after "
            "loading transactions"
        )
    out = {name for name, gone in zip(catalogue.ids, catalogue.excluded, strict=True) if gone}
    text = {name: text for name, text in zip(catalogue.ids, catalogue.texts, strict=True) if text and name not in out}
    buyers = np.bincount(named.history.owned().items, minlength=len(named.products))
    order = sorted(range(len(named.products)), key=lambda n: (-int(buyers[n]), named.products[n]))
    bought = [named.products[n] for n in order if named.products[n] not in out][: config.items.max]
    if not bought:
        raise UserError("every product that was bought is excluded by items.exclude; exclude less")
    room = config.items.max - len(bought)
    products = {*bought, *sorted(text.keys() - set(bought))[:room]}
    kept = read_sequences(sequences, actions, products)
    return Shop(kept.history, kept.users, kept.products, [text.get(name) for name in kept.products])


def find_catalogue(store: Store) -> Snapshot | None:
    """Pin the catalogue; None if there is none."""
    return store.require(PRODUCTS, ["product_id"]) if store.exists(PRODUCTS.name) else None


def find_sequences(store: Store) -> Snapshot:
    """Pin the sequences. Raises UserError if there are none, or they lack a column."""
    return store.require(USER_SEQUENCES, COLUMNS)


def _some(sequences: pa.Table, most: int) -> pa.Table:
    """At most so many users, by the hash of their names: the same ones in every run, whoever else is there."""
    if sequences.num_rows <= most:
        return sequences
    order = np.lexsort(hash128([sequences["user_id"]])[::-1])
    return sequences.take(pa.array(np.sort(order[:most])))


def ways_of(config: TrainRecommenderConfig) -> Sequence[Any]:
    """Return the ways of counting neighbours to choose from."""
    from shopbatch.capabilities.recommendations.neighbours import EaseSettings, NextSettings

    of, seed = config.neighbours, config.loop.seed
    known: Mapping[str, Any] = {
        "ease": EaseSettings(of.penalty, of.keep, config.items.min_users, seed=seed),
        "next": NextSettings(of.steps, of.cosine, keep=of.keep, decay=of.decay, seed=seed),
    }
    return [known[name] for name in dict.fromkeys(of.ways)]
