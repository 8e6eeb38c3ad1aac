"""Compute each user's candidates of both lists, with the data that the rules and the reasons of a list need.

Such data are the user's last purchase and return of the product. `RecommendStage.open` creates the scorer in each
worker; its results are stored in the memo, so that they are not computed again while the history is unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.reasons import bought
from shopbatch.capabilities.recommendations.recommend.histories import Numbers
from shopbatch.capabilities.recommendations.recommender import LISTS, POPULAR, Candidates, Recommender
from shopbatch.tables.user_sequences import PURCHASE, RETURN

BECAUSE = 5  # past products stored per candidate; a list names up to 3 that are not excluded
NUMBER = pa.int32()
CANDIDATE = pa.struct(
    [
        ("item", NUMBER),  # product number of the model
        ("score", pa.float32()),
        ("source", pa.int8()),  # index into recommender.SOURCES
        ("because", pa.list_(NUMBER)),  # product numbers of past products that led to it
        ("days", NUMBER),  # days on which the user bought it; null: never
        ("last", NUMBER),  # last day of purchase, days since 1970; null: never
        ("returned", NUMBER),  # last day on which the user gave it back, days since 1970; null: never
    ]
)
OUTPUTS = pa.schema([(name, pa.list_(CANDIDATE)) for name in LISTS])


@dataclass(frozen=True)
class CandidateScorer:
    """Computes users' candidates inside a Ray worker, with the recommender loaded once.

    Attributes:
        recommender: The loaded recommender.
        numbers: Converts product ids to indexes into `Recommender.product_ids`.
        size: Number of candidates for each user and list.
        entries: Approximate number of history entries that are computed at once.
    """

    recommender: Recommender
    numbers: Numbers
    size: int
    entries: int

    @cached_property
    def _popular(self) -> np.ndarray:
        """Products that were bought lately (indexes into `Recommender.product_ids`), the most popular first, int64."""
        popularity = self.recommender.habit.popularity
        order = np.argsort(-popularity, kind="stable")
        return np.asarray(order[popularity[order] > 0])

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Group neighbouring rows so that each group has about `entries` history entries.

        Returns:
            The row numbers of each group; every row is in exactly one group.
        """
        lengths = pc.fill_null(pc.list_value_length(content["products"]), 0).to_numpy().astype(np.int64)
        before = np.cumsum(lengths) - lengths
        cuts = np.flatnonzero(np.diff(before // self.entries)) + 1
        return [rows for rows in np.split(np.arange(len(lengths)), cuts) if len(rows)]

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Return each user's candidates in the columns `buy_again` and `discover`, a list per user (see `OUTPUTS`).

        A further column `tokens` holds the number of entries of the user's history.

        Args:
            content: Columns products, days and actions of `user_sequences`, a row per user.
            attempts: Not used.
        """
        histories = self.numbers.read(content, self.recommender.actions, (PURCHASE,), (RETURN,))
        columns = {name: self._list(name, *histories) for name in LISTS}
        read = pc.fill_null(pc.list_value_length(content["products"]), 0).cast(pa.int32())
        return pa.table(columns | {"tokens": read})

    def _list(self, name: str, history: History, purchases: History, returned: History) -> pa.Array:
        some = self.recommender.candidates(name, history, self.size)
        if name == "discover":
            some = self._filled(some, history)
        own = self.recommender.because(history, some, BECAUSE)
        had = bought(purchases, some.user, some.item)
        back = bought(returned, some.user, some.item)
        columns = [
            pa.array(some.item, NUMBER),
            pa.array(some.score.astype(np.float32)),
            pa.array(some.source, pa.int8()),
            pa.array(own, pa.list_(NUMBER)),
            pa.array([None if b is None else b.days for b in had], NUMBER),
            pa.array([None if b is None else b.last for b in had], NUMBER),
            pa.array([None if b is None else b.last for b in back], NUMBER),
        ]
        entries = pa.StructArray.from_arrays(columns, fields=list(CANDIDATE))
        return pa.ListArray.from_arrays(pa.array(some.starts, pa.int32()), entries)

    def _filled(self, some: Candidates, history: History) -> Candidates:
        """Add popular products for users with fewer than `size` candidates; their scores are below all others."""
        popularity, best, parts = self.recommender.habit.popularity, self._popular, []
        owned = history.owned()
        for user in np.flatnonzero(np.diff(some.starts) < self.size).tolist():
            rows = slice(some.starts[user], some.starts[user + 1])
            taken = np.concatenate([some.item[rows], owned.items[owned.starts[user] : owned.starts[user + 1]]])
            more = best[: self.size + len(taken)]
            more = more[~np.isin(more, taken)][: self.size - (rows.stop - rows.start)]
            least = float(some.score[rows].min(initial=1.0))
            parts.append((np.full(len(more), user), more, 0.5 * least * popularity[more]))
        if not parts:
            return some
        users, item, score = (np.concatenate(column) for column in zip(*parts, strict=True))
        whose = np.concatenate([some.user, users])
        order = np.argsort(whose, kind="stable")
        source = np.concatenate([some.source, np.full(len(item), POPULAR, np.int8)])
        return Candidates(
            np.searchsorted(whose[order], np.arange(history.users + 1)),
            np.concatenate([some.item, item])[order],
            np.concatenate([some.score, score])[order],
            source[order],
        )
