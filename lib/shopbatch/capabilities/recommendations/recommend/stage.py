"""The inference stage of `recommend_products`: computes each user's candidates, and chooses the lists from them.

Candidates are stored in the memo, so a run with changed rules does not compute them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from shopbatch.capabilities.recommendations.recommend.candidates import OUTPUTS, CandidateScorer
from shopbatch.capabilities.recommendations.recommend.catalogue import ANYWHERE, Catalogue, Markets
from shopbatch.capabilities.recommendations.recommend.histories import COLUMNS, Numbers, broken
from shopbatch.capabilities.recommendations.recommend.lists import Entries, Rules, chosen
from shopbatch.capabilities.recommendations.recommender import HABIT, POPULAR, SOURCES, TEXT, Recommender
from shopbatch.inference.stage import BaseStage, Scorer
from shopbatch.models.folder import local
from shopbatch.tables.recommendations import ITEM

VERSION = 1  # of the code that makes candidates; a test fails if that code changes and this number does not
RULES = 1  # version of the code that makes lists from candidates
EMPTY = "none"  # source of the first product, if the list is empty
_REASONS = 3  # greatest number of own products named in a reason
_TILE = 4096  # users whose lists are made at once


@dataclass(frozen=True)
class Shop:
    """Everything besides the candidates that decides which products a list shows. All workers share it.

    Attributes:
        catalogue: The properties of the products.
        rules: The rules of the list.
        markets: The markets of users; None if no product is bound to a market.
        only_bought: True if the model's histories hold only purchases; it changes the wording of reasons.
    """

    catalogue: Catalogue
    rules: Rules
    markets: Markets | None = None
    only_bought: bool = True


@dataclass(frozen=True)
class RecommendStage(BaseStage):
    """The inference stage of `recommend_products` that publishes one list, `buy_again` or `discover`.

    Attributes:
        model: Folder of the recommender.
        digest: Digest of the recommender's files, part of the recipe.
        list: Name of the list.
        size: Number of candidates for each user and list.
        entries: Approximate number of history entries that are computed at once.
        identity: Digest of everything that `shop` is made from.
        shop: The catalogue and the rules of the lists (a `Shop`), or a Ray reference to them.
    """

    model: str
    digest: str
    list: str
    size: int
    entries: int
    identity: str
    shop: Any
    content: tuple[str, ...] = COLUMNS
    drift_columns: tuple[str, str] = ("list", "top_source")
    outputs: pa.Schema = OUTPUTS
    stateless: bool = False
    engine_kind: str = "recommender"

    @property
    def checks(self) -> str:
        """Version of the rules and of their inputs: if it changes, lists are made again from the stored candidates."""
        return f"{RULES}-{self.identity}"

    def recipe(self) -> Mapping[str, Any]:
        """Return what the candidates depend on besides the history: code version, model, and number of candidates."""
        models = {"recommender": self.digest}
        return {"stage": "recommend", "version": VERSION, "models": models, "candidates": self.size}

    def check(self, content: pa.Table) -> pa.Array:
        """Return for each row why it is rejected (`empty`, `broken_lists`, `invalid_utf8`), or null; see `broken`."""
        return broken(content)

    def open(self) -> Scorer:
        """Load the recommender and return the scorer of a worker."""
        recommender = Recommender.load(Path(local(self.model)))
        return CandidateScorer(recommender, Numbers.of(recommender.product_ids), self.size, self.entries)

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Choose the list of each user from the stored candidates.

        Returns:
            Columns of `recommendations`: items (the list), top_source (source of its first product) and as_of (the day
            of the newest history entry of all users).
        """
        shop: Shop = ray.get(self.shop) if isinstance(self.shop, ray.ObjectRef) else self.shop
        parts = [
            _lists(raw[self.list].slice(a, _TILE), _markets(shop, passed["user_id"].slice(a, _TILE)), shop)
            for a in range(0, raw.num_rows, _TILE)
        ]
        items = pa.chunked_array([p for p, _ in parts], pa.list_(ITEM))
        top = [source for _, sources in parts for source in sources]
        as_of = pa.array(np.full(raw.num_rows, shop.rules.today, np.int32)).cast(pa.date32())
        return {"items": items, "top_source": pa.array(top, pa.string()), "as_of": as_of}


def _markets(shop: Shop, users: pa.ChunkedArray) -> np.ndarray:
    return np.full(len(users), ANYWHERE) if shop.markets is None else shop.markets.of(users)


def _lists(column: pa.ChunkedArray, market: np.ndarray, shop: Shop) -> tuple[pa.Array, list[str]]:
    """Choose the lists of some users.

    Args:
        column: Lists of candidates, one per user.
        market: Number of each user's market, int64 [users].
        shop: Products and rules.

    Returns:
        The lists, list<ITEM> [users], and the source of each list's first product ("none" if the list is empty).
    """
    some = Entries.of(column)
    picked = chosen(some, shop.catalogue, shop.rules, market)
    at = np.concatenate([np.zeros(0, np.int64), *picked])
    because = _nameable(some.because.take(pa.array(at)), shop.catalogue.nameable)
    columns = [
        shop.catalogue.ids.take(pa.array(some.item[at])),
        pa.array(some.score[at].astype(np.float32)),
        pa.array(_kinds(some, at), pa.string()),
        pa.array([SOURCES[s] for s in some.source[at].tolist()], pa.string()),
        _named(because, shop.catalogue.ids),
        pa.array(list(_reasons(some, at, _named(because, shop.catalogue.names).to_pylist(), shop)), pa.string()),
    ]
    starts = np.concatenate([[0], np.cumsum([len(p) for p in picked])])
    items = pa.ListArray.from_arrays(
        pa.array(starts, pa.int32()), pa.StructArray.from_arrays(columns, fields=list(ITEM))
    )
    return items, [SOURCES[some.source[p[0]]] if len(p) else EMPTY for p in picked]


def _nameable(lists: pa.Array, nameable: np.ndarray) -> pa.Array:
    """Keep in each list of products the first 3 that a reason may name.

    Args:
        lists: Lists of products, as indexes into `nameable`, list<int32>.
        nameable: True if a reason may name the product, bool [products].
    """
    number, whose = lists.flatten().to_numpy(), np.repeat(np.arange(len(lists)), lists.value_lengths().to_numpy())
    number, whose = number[nameable[number]], whose[nameable[number]]
    first = np.arange(len(whose)) - np.searchsorted(whose, whose) < _REASONS
    starts = np.searchsorted(whose[first], np.arange(len(lists) + 1))
    return pa.ListArray.from_arrays(pa.array(starts, pa.int32()), pa.array(number[first], pa.int32()))


def _named(lists: pa.Array, names: pa.Array) -> pa.Array:
    """Return the lists of indexes with each index replaced by its element of `names`."""
    return pa.ListArray.from_arrays(lists.offsets, names.take(lists.values))


def _kinds(some: Entries, at: np.ndarray) -> list[str]:
    other = {POPULAR: "popular", TEXT: "cold"}
    pairs = zip(some.days[at].tolist(), some.source[at].tolist(), strict=True)
    return ["repeat" if days or source == HABIT else other.get(source, "new") for days, source in pairs]


def _reasons(some: Entries, at: np.ndarray, because: list[list[str]], shop: Shop) -> Iterator[str | None]:
    """Yield a reason for people to read for each chosen candidate, or None.

    Examples are "bought on 3 days, last on 2026-05-01" and "goes with what you bought: Oat milk, Muesli".

    Args:
        some: The candidates.
        at: The chosen candidates as indexes into `some`, int [n].
        because: Names of the past products that led to each chosen candidate.
        shop: Its `only_bought` decides the wording: "what you bought", or "what you bought or looked at".
    """
    own = "what you bought" if shop.only_bought else "what you bought or looked at"
    facts = (values[at].tolist() for values in (some.days, some.last, some.source))
    for days, last, source, names in zip(*facts, because, strict=True):
        if source == POPULAR:
            yield None
        elif days:
            yield f"bought on {days} day{'s' * (days > 1)}, last on {date(1970, 1, 1) + timedelta(last)}"
        elif source == HABIT:
            yield "you looked at it"
        elif names:
            listed = ", ".join(dict.fromkeys(names))
            yield f"{'like' if source == TEXT else 'goes with'} {own}: {listed}"
        else:
            yield None
