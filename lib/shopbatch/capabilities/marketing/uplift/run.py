"""What the job train_uplift does: experiments -> learners, compared on held-out users -> model `uplift`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from shopbatch.capabilities.marketing.campaigns.config import MeasureConfig
from shopbatch.capabilities.marketing.campaigns.outcomes import Sources, deeds, pin
from shopbatch.capabilities.marketing.campaigns.run import assess, no_chance
from shopbatch.capabilities.marketing.uplift import figures
from shopbatch.capabilities.marketing.uplift.choose import Choice, Settings, choose, folds_of_users, within_folds
from shopbatch.capabilities.marketing.uplift.config import TrainUpliftConfig
from shopbatch.capabilities.marketing.uplift.features import features
from shopbatch.capabilities.marketing.uplift.learners import doubly_robust, train
from shopbatch.capabilities.marketing.uplift.model import NAME, UpliftModel
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest
from shopbatch.evaluation.experiments import Arms, effect
from shopbatch.evaluation.uplift import Trial
from shopbatch.models import erasure, registry
from shopbatch.runs.report import Report
from shopbatch.tables.experiments import CONTROL
from shopbatch.training import runs
from shopbatch.warehouse.gates import Gate, explain, refuse_if_failed
from shopbatch.warehouse.store import Store

VERSION = 2  # of reading, choosing and fitting: another one trains again


@dataclass(frozen=True)
class Examples:
    """Users who were addressed or not by chance.

    Attributes:
        people: Their experiments, ids and days.
        rows: What was known of them, float64 [n, features].
        trial: What happened.
        arm: The arm that is compared with the control.
    """

    people: pl.DataFrame
    rows: np.ndarray
    trial: Trial
    arm: str


def train_uplift(config: TrainUpliftConfig, store: Store, report: Report) -> None:
    """Learn from the experiments whom a message moves, and publish what is known of it.

    Raises:
        UserError: There is nothing to learn from, or several arms and no word which.
        GateRefused: Nobody was drawn by chance, no experiment passes the checks, or there are too few users.
    """
    report.unit = "users"
    sources = pin(store)
    report.tables |= sources.versions
    models = f"{store.root}/_models"
    settings = config.model_dump(mode="json", exclude={"platform", "wait"})
    origin = digest({"version": VERSION, "tables": sources.identity, "config": settings})
    if runs.already_live(models, NAME, origin, report):
        return
    report.gates += runs.sizes(models, NAME, sources.rows, config.gates.rows)
    refuse_if_failed(report.gates)
    examples = _examples(config, sources, report)
    with report.stage("choose") as stage:
        stage.rows = len(examples.trial)
        chosen = Settings(**config.choice.model_dump())
        fold = folds_of_users(examples.people["user_id"].to_numpy(), chosen.folds, chosen.seed)
        choice = choose(examples.rows, examples.trial, chosen, fold)
    with report.stage("fit"):
        model = fitted(choice, examples, config)
    _describe(report, choice, examples, model, fold)
    about = {
        "metrics": report.metrics["quality"],
        "verdict": choice.verdict,
        "origin": origin,
        "read_rows": sources.rows,
        **erasure.record(store, erasure.user_names(set(examples.people["user_id"].to_list()))),
        "config": report.config,
        "tables": {name: used["read"] for name, used in sources.versions.items()},
        "licence": "your own",
    }
    crash_point("uplift_fitted")
    published = registry.publish(models, NAME, model.save, live=True, **about)
    report.models[NAME] = published.digest
    report.rows.read = report.rows.published = len(examples.trial)
    report.outcome, report.message = "published", choice.verdict


def fitted(choice: Choice, examples: Examples, config: TrainUpliftConfig) -> UpliftModel:
    """Fit what was chosen to all users, and give its score the scale of an effect.

    The slope is that of the doubly robust effect of each user over the held-out scores: a score that orders users well,
    but is a probability of another kind or too bold, gets the size that was measured.
    """
    trial, scores = examples.trial, choice.scores[choice.name]
    mean = effect(trial.outcome, Arms(trial.treated, trial.probability)).difference
    if choice.kind == "none":
        return UpliftModel("none", config.outcome, config.window_days, examples.arm, None, 0.0, 0.0, mean)
    gains = doubly_robust("linear", examples.rows, trial)
    centre, spread = float(scores.mean()), float(scores.var())
    slope = max(0.0, float(((scores - centre) * (gains - gains.mean())).mean()) / spread) if spread > 0 else 0.0
    scorer = train(choice.name, examples.rows, trial)
    return UpliftModel(choice.kind, config.outcome, config.window_days, examples.arm, scorer, centre, slope, mean)


def _examples(config: TrainUpliftConfig, sources: Sources, report: Report) -> Examples:
    """Read the experiments that pass the checks. Raises UserError, GateRefused."""
    shared = {"experiments", "window_days", "before_days", "timezone", "gates"}
    measuring = MeasureConfig.model_validate(config.model_dump(include=shared))
    with report.stage("read") as stage:
        assessed = assess(measuring, sources)
        if not assessed.judged:
            report.gates.append(no_chance(measuring, assessed.without))
            refuse_if_failed(report.gates)
        good = [one.name for one in assessed.judged if one.rows]
        report.metrics["refused"] = {one.name: list(one.reasons) for one in assessed.judged if one.reasons}
        people = assessed.people.filter(pl.col("experiment_id").is_in(good))
        arms = sorted(set(people["arm"].to_list()) - {CONTROL})
        arm = _arm(config.arm, arms)
        people = people.filter(pl.col("arm").is_in([arm, CONTROL]))
        if len(people) > config.max_users:
            people = people.sample(config.max_users, seed=config.choice.seed).sort("experiment_id", "user_id")
        report.gates.append(_enough(people, config, report.metrics["refused"]))
        refuse_if_failed(report.gates)
        rows = features(sources.daily, people)
        outcome = deeds(sources.daily, people, config.before_days, config.window_days)[config.outcome].to_numpy()
        stage.rows = len(people)
    treated = (people["arm"] != CONTROL).to_numpy()
    return Examples(people, rows, Trial(outcome, treated, people["probability"].to_numpy()), arm)


def _arm(wanted: str, arms: list[str]) -> str:
    if wanted and arms and wanted not in arms:
        raise UserError(
            f"arm: no experiment that passes the checks has an arm {wanted!r} (they have: {', '.join(arms)})"
        )
    if not wanted and len(arms) > 1:
        raise UserError(f"the experiments have several arms ({', '.join(arms)}): say which one, as in arm={arms[0]}")
    return wanted or (arms[0] if arms else "")


def _enough(people: pl.DataFrame, config: TrainUpliftConfig, refused: Mapping[str, Any]) -> Gate:
    """Whether there are enough users of both arms."""
    control = int((people["arm"] == CONTROL).sum())
    least = min(control, len(people) - control)
    passed = least >= config.min_users
    why = "; ".join(f"{name}: {'; '.join(reasons)}" for name, reasons in refused.items())
    what = f"{least:,} users of the smaller arm, less than min_users={config.min_users:,}" + (
        f" ({why})" if why else ""
    )
    do = "load a larger experiment, or wait until the window of one is over"
    return Gate(
        "users to learn from", least, config.min_users, passed, explain(passed, what, "it would be a guess", do)
    )


def _describe(report: Report, choice: Choice, examples: Examples, model: UpliftModel, fold: np.ndarray) -> None:
    """Enter numbers and figures into the report."""
    ranks = {name: within_folds(score, fold) for name, score in choice.scores.items()}
    report.figures += figures.figures(choice, ranks, examples.trial)
    report.metrics["quality"] = {
        "qini": {name: interval.tree() for name, interval in choice.comparison.qini.items()},
        "chosen": {"kind": choice.kind, "learner": choice.name if model.scorer else ""},
        "effect": model.effect.tree(),
    }
    report.highlights = {
        "published": choice.name if model.scorer else "the mean effect",
        "Qini": f"{choice.comparison.qini[choice.name].value:.1f}",
        "mean effect": f"{model.effect.value:+.4g} [{model.effect.low:+.4g}, {model.effect.high:+.4g}]",
    }
