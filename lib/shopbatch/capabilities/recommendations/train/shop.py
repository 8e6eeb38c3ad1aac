"""Read the shop for training: `user_sequences` and the catalogue as one numbered history with product texts."""

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
_DAY = 1  # one day, in days


@dataclass(frozen=True)
class Catalogue:
    """The columns of the table `products` that training needs.

    Attributes:
        ids: Product ids.
        texts: Text of each product; None for a product without text.
        excluded: True for products left out by `items.exclude`, bool [n].
        digest: Digest of these columns only, so that a changed price or stock does not cause a new training.
    """

    ids: list[str]
    texts: list[str | None]
    excluded: np.ndarray
    digest: str


@dataclass(frozen=True)
class Shop:
    """The purchases and products that the recommender is trained on.

    Attributes:
        history: Which user bought which product on which day, as indexes into `users` and `products`.
        users: User ids.
        products: Product ids, in alphabetical order. They are all products that were bought or have a text, except
            excluded ones.
        texts: Text of each product; None for a product without text.
    """

    history: History
    users: list[str]
    products: list[str]
    texts: list[str | None]

    def cut(self, config: TrainRecommenderConfig) -> tuple[int, int, int]:
        """Return the first validation day, the first held-out day, and the day after the newest purchase.

        All are days since 1970. The history is divided at them into training, validation and held-out days.

        Args:
            config: Settings with the lengths of both windows.

        Raises:
            UserError: There are no purchases before the validation days.
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
    """Read texts and exclusions of products from the catalogue.

    Args:
        snapshot: Pinned snapshot of `products`; None if there is none.
        config: Settings that name the columns.

    Raises:
        UserError: `products` has no text column of a configured name.
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
    """Read the history of all users, or of at most `source.users` users.

    Args:
        snapshot: Pinned snapshot of `user_sequences`.
        catalogue: The catalogue, from `read_catalogue`.
        config: Settings that select actions, users and products.

    Raises:
        UserError: No user has an entry of the selected actions and products, or all products are excluded.
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
    """Return a pinned snapshot of the table `products`; None if there is none."""
    return store.require(PRODUCTS, ["product_id"]) if store.exists(PRODUCTS.name) else None


def find_sequences(store: Store) -> Snapshot:
    """Return a pinned snapshot of `user_sequences`. Raises UserError if it does not exist or lacks a column."""
    return store.require(USER_SEQUENCES, COLUMNS)


def _some(sequences: pa.Table, most: int) -> pa.Table:
    """Return the rows of at most `most` users, chosen by the hash of the user id: the same ones in every run."""
    if sequences.num_rows <= most:
        return sequences
    order = np.lexsort(hash128([sequences["user_id"]])[::-1])
    return sequences.take(pa.array(np.sort(order[:most])))


def ways_of(config: TrainRecommenderConfig) -> Sequence[Any]:
    """Return the settings of each way of counting neighbours that the configuration names."""
    from shopbatch.capabilities.recommendations.neighbours import EaseSettings, NextSettings

    of, seed = config.neighbours, config.loop.seed
    known: Mapping[str, Any] = {
        "ease": EaseSettings(of.penalty, of.keep, config.items.min_users, seed=seed),
        "next": NextSettings(of.steps, of.cosine, keep=of.keep, decay=of.decay, seed=seed),
    }
    return [known[name] for name in dict.fromkeys(of.ways)]
