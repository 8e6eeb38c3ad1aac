"""The job `train_uplift`: compares uplift learners on the users of experiments, and publishes the model `uplift`."""

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

VERSION = 2  # of reading, choosing and fitting: raising it makes the next run train again


@dataclass(frozen=True)
class Examples:
    """The users of the experiments that the model is learnt from; chance decided who of them was treated.

    Attributes:
        people: One row per user: experiment_id, user_id, arm, probability, day of the assignment.
        rows: The users' features before that day, float64 [n, features].
        trial: The users' outcomes, arms and probabilities [n].
        arm: Name of the treated arm, which is compared with the control; "" if there is none.
    """

    people: pl.DataFrame
    rows: np.ndarray
    trial: Trial
    arm: str


def train_uplift(config: TrainUpliftConfig, store: Store, report: Report) -> None:
    """Learn from experiments whom a message influences, and publish the result as the model `uplift`.

    Nothing is done if the live model came from the same tables and settings.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The report of the run.

    Raises:
        UserError: There is nothing to learn from, or the experiments have several arms and `arm` names none of them.
        GateRefused: No campaign has a randomised control, no experiment passes the checks, or there are too few users.
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
    """Fit the chosen learner to all users, and scale its score so that it predicts the size of the effect.

    The slope is that of a regression of each user's doubly robust effect on the held-out score. So a score that orders
    users well, but is exaggerated or on another scale (a probability to buy), gets the size that was measured.

    Args:
        choice: The chosen learner, with its held-out scores.
        examples: All users.
        config: Settings of the job.
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
    """Read the users of the experiments that pass the checks of `measure_campaigns`, at most `max_users` of them.

    Raises:
        UserError: There is nothing to learn from, or `arm` is missing or unknown.
        GateRefused: No experiment passes the checks, or there are too few users.
    """
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
    """Return the gate "users to learn from": the smaller arm must have at least `min_users` users.

    Args:
        people: The users of the experiments that passed their checks, with the column `arm`.
        config: Settings of the job.
        refused: By refused experiment, the reasons, which the text of the gate quotes.
    """
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
    """Write the quality of the learners, the mean effect and the figures into the report.

    `fold` is the fold of each user (int64 [n]), within which the held-out scores are ranked.
    """
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
