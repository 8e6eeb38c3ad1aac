"""The job `train_propensity`: fits forecasts to the active days of users and publishes the model `propensity`."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from shopbatch.capabilities.marketing.propensity import fit, inputs, live
from shopbatch.capabilities.marketing.propensity.choose import Choice, HeldOut, choose
from shopbatch.capabilities.marketing.propensity.config import TrainPropensityConfig
from shopbatch.capabilities.marketing.propensity.learners import Target
from shopbatch.capabilities.marketing.propensity.model import NAME, LapseRule, PropensityModel
from shopbatch.capabilities.marketing.propensity.reader import COLUMNS, EPOCH, read_purchases
from shopbatch.capabilities.marketing.propensity.report import fill_report
from shopbatch.capabilities.marketing.propensity.tasks import Fitted, fit_all
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest
from shopbatch.evaluation.cohort_table import AHEAD
from shopbatch.evaluation.purchases import Purchases
from shopbatch.models import erasure, registry
from shopbatch.runs.report import Report
from shopbatch.tables.user_daily import USER_DAILY
from shopbatch.training import runs
from shopbatch.training.config import identity
from shopbatch.warehouse.gates import Gate, explain, refuse_if_failed
from shopbatch.warehouse.publish import rows_of
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 1  # of reading, choosing and fitting: raising it makes the next run train again


def train_propensity(config: TrainPropensityConfig, store: Store, report: Report) -> None:
    """Fit the forecasts, compare them on held-out days, and publish the best ones as the model `propensity`.

    Nothing is done if the live model came from the same data and settings. Raises UserError if the history is too
    short; GateRefused if there are too few users to judge by, the source has shrunk too far, or the forecasts are for
    certain worse than the live model's.
    """
    snapshot = store.require(USER_DAILY, COLUMNS)
    report.unit, models = "users", f"{store.root}/_models"
    report.tables[USER_DAILY.name] = {"read": snapshot.version}
    origin = _origin(snapshot, config)
    if runs.already_live(models, NAME, origin, report):
        return
    read = rows_of({USER_DAILY.name: snapshot})
    report.gates = runs.sizes(models, NAME, read, config.gates.rows)
    refuse_if_failed(report.gates)
    with report.stage("read") as stage:
        days, ids = read_purchases(snapshot, config.max_rows, config.max_users, config.seed)
        stage.rows = len(days.day)
    end = float(days.day.max(initial=-1)) + 1
    held = [end - AHEAD * (k + 1) for k in range(config.days.held_out)]
    check_history(days, held[-1], config)
    report.rows.read = days.users
    report.gates += _enough(days, held, config)
    refuse_if_failed(report.gates)
    with report.stage("fit"):
        fitted = fit_all(days, [*held, end], ("table", *config.kinds), config)
    with report.stage("judge") as stage:
        judged = [_held_out(days, fitted[day]) for day in held]
        chosen: dict[Target, Choice] = {t: choose(judged, t, config.gates.ece, config.seed) for t in fit.TARGETS}
        rule = LapseRule(config.lapse.days, config.lapse.gaps)
        fill_report(report, judged, chosen, rule, [_date(day) for day in held])
        stage.rows = sum(len(day.inputs.users) for day in judged)
        rival = live.find_live(models, days, held, config)
        against = live.gains(rival, judged, chosen, config.seed)
        report.metrics["live"] = {"how": rival.note, **{target: gain.tree() for target, gain in against.items()}}
        report.gates += live.gates(against, config.gates.worse)
    refuse_if_failed(report.gates)
    with report.stage("register"):
        prepared, made = fitted[end]
        forecasts = {target: made[chosen[target].kind][target] for target in fit.TARGETS}
        model = PropensityModel(prepared.base, forecasts["bought"], forecasts["spent"], rule)
        about = {
            "metrics": report.metrics["quality"],
            "origin": origin,
            "read_rows": read,
            "chosen": {target: choice.kind for target, choice in chosen.items()},
            "learnt_from": {"until": _date(end), "held_out": [_date(day) for day in held], "users": days.users},
            "correction": {t: {"slope": f.slope, "shift": f.shift} for t, f in forecasts.items()},
            **erasure.record(store, erasure.user_names(ids)),
            "config": report.config,
            "tables": {USER_DAILY.name: snapshot.version},
            "licence": "your own",
        }
        crash_point("propensity_fitted")
        report.models[NAME] = registry.publish(models, NAME, model.save, live=True, **about).digest
    report.rows.published = report.rows.computed = days.users
    report.outcome = "published"


def _origin(snapshot: Snapshot, config: TrainPropensityConfig) -> str:
    """Return the digest of everything that the model is made from; while it is the same, the model is up to date."""
    parts = (config.days, config.boosting, config.lapse)
    rest = [list(config.kinds), config.max_rows, config.max_users, config.penalty, config.seed, config.gates.ece]
    days = [snapshot.table_id, snapshot.version]
    return digest({"version": [VERSION, inputs.VERSION], "days": days, "config": [*identity(*parts), *rest]})


def check_history(days: Purchases, origin: float, config: TrainPropensityConfig) -> None:
    """Raise UserError if the history is too short to make forecasts for the earliest held-out day.

    Args:
        days: The active days of all users.
        origin: The earliest held-out day, in days since 1970-01-01.
        config: Settings of the job.
    """
    first = float(days.day.min(initial=int(origin)))
    if len(fit.days_to_learn_from(first, origin, config)) < 2:
        last = float(days.day.max(initial=int(origin)))
        need = config.days.history + AHEAD * (2 + config.days.held_out)
        raise UserError(
            f"user_daily holds {last - first + 1:.0f} days, and {need} are needed to learn from one month and to judge "
            f"{config.days.held_out}: load older transactions and run build_user_profiles, or set days.history or "
            "days.held_out lower"
        )


def _enough(days: Purchases, held: list[float], config: TrainPropensityConfig) -> list[Gate]:
    """Return the gate "forecasts to judge by", which counts one forecast per user and held-out day.

    It passes if there are at least `gates.users` forecasts. At least `gates.either` of them must belong to users who
    bought in the 30 days after, and as many to users who did not.
    """
    bought = known = 0
    for day in held:
        users = np.isfinite(days.last(day))
        bought += int((days.count(day, day + AHEAD)[users] > 0).sum())
        known += int(users.sum())
    fewer, limits = min(bought, known - bought), config.gates
    passed = known >= limits.users and fewer >= limits.either
    what = (
        f"there are {known:,} forecasts on the held-out days, one for each user on each, and after {bought:,} of them "
        f"the user bought: less than gates.users={limits.users}, or than gates.either={limits.either} with or without"
    )
    do = "load more transactions, or set smaller limits"
    return [
        Gate("forecasts to judge by", known, limits.users, passed, explain(passed, what, "nothing can be judged", do))
    ]


def _held_out(days: Purchases, fitted: Fitted) -> HeldOut:
    prepared, made = fitted
    kinds = list(made)
    read, came, said = fit.forecasts(days, prepared, [made[kind] for kind in kinds])
    return HeldOut(read, came, dict(zip(kinds, said, strict=True)))


def _date(day: float) -> str:
    return (EPOCH + timedelta(days=int(day))).isoformat()
