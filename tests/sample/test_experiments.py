"""The generated experiments: of each pair one user is addressed; one campaign does what it says, the other nothing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from shopbatch.evaluation.experiments import Arms, effect, sample_ratio
from shopbatch.sample.activity import transactions
from shopbatch.sample.experiments import BEGIN, DAYS, IDLE, MOVED, WORKS, experiments
from shopbatch.sample.shop import Shop

SHOP = Shop(reviews=10, products=300, users=4_001, seed=5, lines=400_000)


@pytest.fixture(scope="module")
def baskets() -> pl.DataFrame:
    lines = pl.DataFrame(pl.from_arrow(transactions(SHOP, 0, SHOP.lines)))
    return lines.group_by("basket_id").agg(pl.col("user_id").first(), pl.col("transaction_at").first())


@pytest.mark.parametrize(("name", "true"), [(IDLE, 0.0), (WORKS, 2 * MOVED)])
def test_the_truth_is_in_the_transactions(baskets: pl.DataFrame, name: str, true: float) -> None:
    drawn = pl.DataFrame(pl.from_arrow(experiments(SHOP, 0, 2 * SHOP.users))).filter(pl.col("experiment_id") == name)
    assert len(drawn) == SHOP.users - 1  # the last one has no pair
    treated = (drawn["arm"] == "email").to_numpy()
    assert treated.sum() == len(drawn) // 2
    assert sample_ratio(drawn["arm"].to_numpy(), drawn["probability"].to_numpy()) > 0.5

    def per_user(begin: int, days: int) -> np.ndarray:
        at = baskets["transaction_at"].dt.epoch("s")
        inside = baskets.filter((at >= begin) & (at < begin + days * 86_400))
        return (
            drawn.join(inside.group_by("user_id").len(), on="user_id", how="left", maintain_order="left")["len"]
            .fill_null(0)
            .to_numpy()
            .astype(float)
        )

    arms = Arms(treated, drawn["probability"].to_numpy())
    after, before = effect(per_user(BEGIN[name], DAYS), arms), effect(per_user(BEGIN[name] - DAYS * 86_400, DAYS), arms)
    usual = (before.mean + before.control_mean) / 2
    assert after.difference.low <= true * usual * 1.1 and after.difference.high >= true * usual * 0.9
    assert before.difference.low < 0 < before.difference.high
    assert (after.difference.low > 0) == (true > 0)
