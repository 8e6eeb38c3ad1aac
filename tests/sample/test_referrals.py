"""Generated referrals: what happens follows the truth that is told, in an order that can be, whatever the cut."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from shopbatch.sample.referrals import BLOCK, Truth, grow, referral_events
from shopbatch.sample.shop import Shop

SHOP = Shop(reviews=100, products=100, users=20 * BLOCK + 100, seed=5)


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(referral_events(SHOP, 0, SHOP.users)))


def test_a_process_of_a_long_time_has_the_matrix_the_delays_and_the_spread_of_the_truth() -> None:
    truth = Truth()
    grown = grow(truth, 3, 6_000, 4_000.0, np.arange(6_000) % 4)
    old = grown.joined < 3_500  # they had time to bring whom they bring
    children = np.zeros((len(grown.parent), 3))
    brought = grown.parent >= 0
    np.add.at(children, (grown.parent[brought], grown.channel[brought]), 1)
    for came in range(4):
        own = children[old & (grown.channel == came)]
        assert own.mean(axis=0) == pytest.approx(np.array(truth.matrix[came]), abs=0.035)
    total = children[old & (grown.channel == 0)].sum(axis=1)
    k = truth.factors[0]
    assert total.var() == pytest.approx(k + truth.spread * k * k, rel=0.15)
    child = np.flatnonzero(brought & old[grown.parent])
    delay = grown.joined[child] - grown.joined[grown.parent[child]]
    means = [delay[grown.channel[child] == b].mean() for b in range(3)]
    assert means == pytest.approx(truth.delays, rel=0.04)
    assert truth.system == pytest.approx(0.746, abs=0.001)


def test_events_can_have_happened(events: pl.DataFrame) -> None:
    assert events["event_id"].is_unique().all()
    joins = events.filter(kind="joined")
    assert joins["invitee_id"].is_unique().all()
    at = dict(joins.select("invitee_id", "at").iter_rows())
    for row in events.filter(pl.col("kind") != "joined").iter_rows(named=True):
        if row["kind"] == "bought":
            assert row["at"] >= at[row["invitee_id"]]
        else:
            assert at[row["inviter_id"]] <= row["at"] and row["at"] <= at.get(row["invitee_id"], row["at"])
    shares = events.filter(kind="invited").group_by("channel").agg(pl.col("invitee_id").is_in(list(at)).mean())
    for name, share in shares.iter_rows():
        truth = Truth()
        assert share == pytest.approx(truth.accepted[truth.channels.index(name)], abs=0.06)


def test_rows_do_not_depend_on_how_they_are_cut(events: pl.DataFrame) -> None:
    parts = [referral_events(SHOP, first, 4 * BLOCK) for first in range(0, SHOP.users, 4 * BLOCK)]
    assert pl.DataFrame(pl.from_arrow(pa.concat_tables(parts))).head(len(events)).equals(events)
