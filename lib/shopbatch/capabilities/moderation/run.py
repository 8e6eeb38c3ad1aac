"""Runs the job moderate_reviews: finds what is harmful in reviews and publishes the table `review_moderation`."""

from __future__ import annotations

from collections import Counter

import polars as pl

from shopbatch.capabilities.moderation.config import Actions, ModerateReviewsConfig
from shopbatch.capabilities.moderation.model import NAME, SHIPPED, ModerationModel
from shopbatch.capabilities.moderation.stage import BY_MODEL, STRICTNESS, ModerationStage
from shopbatch.inference.publish import find_live
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Spec
from shopbatch.models import e5_small
from shopbatch.models.folder import ModelError
from shopbatch.models.registry import Model, NoLiveModel, base, find, resolve
from shopbatch.runs.report import EngineUse, Figure, Report
from shopbatch.tables.review_moderation import REVIEW_MODERATION, REVIEW_MODERATION_REJECTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store

JOB = "moderate_reviews"


def find_model(models: str, reference: str) -> Model | None:
    """Look up a moderation model; None if no model is live and the package ships none.

    `moderation@live` means the model shipped with the package until one is published.

    Args:
        models: Root folder of the registry.
        reference: `name@live`, `name@digest` or a folder.

    Raises:
        ModelError: There is no such model.
    """
    try:
        return resolve(models, reference)
    except NoLiveModel:
        if reference != f"{NAME}@live":
            raise
        return resolve(models, str(SHIPPED)) if (SHIPPED / "head.json").is_file() else None


def moderation_spec(config: ModerateReviewsConfig, store: Store, report: Report) -> Spec:
    """Build the inference job that moderates reviews; engine and model digests are added to the report.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: Report of the run.

    Raises:
        ModelError: A model is missing or damaged.
    """
    stage = ModerationStage(config.actions)
    if config.engine is not None:
        paths, digests = ("", ""), {"encoder": "fake", NAME: "fake"}
        if config.engine.kind != "fake":
            paths, digests = _models(f"{store.root}/_models", config.model, report)
        stage = ModerationStage(config.actions, config.engine, *paths, digests)
        report.engine, report.models = EngineUse(config.engine.kind), dict(digests)
    return Spec(JOB, REVIEWS, stage, REVIEW_MODERATION, REVIEW_MODERATION_REJECTS)


def _models(root: str, reference: str, report: Report) -> tuple[tuple[str, str], dict[str, str]]:
    """Look up the model and the encoder that it needs.

    Args:
        root: Root folder of the registry.
        reference: Reference of the model.
        report: Report of the run; the model's quality is added to it.

    Returns:
        ((folder of the encoder, folder of the model), {"encoder": digest, "moderation": digest}).

    Raises:
        ModelError: There is no such model, it is damaged, or its encoder is missing.
    """
    model = find_model(root, reference)
    if model is None:
        raise NoLiveModel(
            f"no model {reference!r}: `shopbatch run train_moderation` trains one; `engine=null` needs none"
        )
    wanted = ModerationModel.load(model.path).encoder
    try:
        encoder = find(root, wanted)  # only registered models: a model's files must not lead to another folder
    except ModelError:
        encoder = base(root, e5_small.NAME)
        if encoder.reference != wanted:
            raise ModelError(f"the model {reference} needs {wanted}, not {encoder.reference}") from None
    report.metrics["quality"] = dict(model.manifest.get("metrics", {}))
    return (encoder.path, model.path), {"encoder": encoder.digest, NAME: model.digest}


def moderation_specs(config: ModerateReviewsConfig, store: Store, report: Report) -> list[Spec]:
    """Return the inference jobs of moderate_reviews for the job declaration in `jobs/`: a list of one."""
    return [moderation_spec(config, store, report)]


def moderate_reviews(config: ModerateReviewsConfig, store: Store, report: Report) -> None:
    """Moderate the new and changed reviews, and publish for each review whether to publish, mask or hold it.

    Raises the errors of `run_inference` and `moderation_spec`.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: Report of the run, which is filled.
    """
    report.unit = "reviews"
    spec = moderation_spec(config, store, report)
    report.metrics["found with"] = "the lists alone" if config.engine is None else "the lists and the model"
    run_inference(spec, config, store, report)
    live = find_live(spec, store)
    if live is not None:
        counted: Counter[tuple[str, tuple[str, ...]]] = Counter()
        finders = {"lists": 0, "model alone": 0}
        for file in live.files:
            rows = pl.DataFrame(files.read(file.uri, live.select(["action", "kinds", "findings"]), file.partition))
            cells = rows.group_by("action", "kinds").len()
            counted.update({(action, tuple(kinds)): n for action, kinds, n in cells.iter_rows()})
            by_model = pl.element().struct.field("rule").str.starts_with(BY_MODEL)
            alone = rows.filter(pl.col("findings").list.len() > 0).select(
                pl.col("findings").list.eval(by_model).list.all()
            )["findings"]
            finders["model alone"] += int(alone.sum())
            finders["lists"] += int((~alone).sum())
        add_figures(report, counted)
        report.metrics["reviews by finder"] = finders


def add_figures(report: Report, counted: Counter[tuple[str, tuple[str, ...]]]) -> None:
    """Add the numbers of reviews by action and by kind of finding to the report.

    Args:
        report: Report of the run.
        counted: {(action, kinds of its findings): number of live reviews}.
    """
    actions: Counter[str] = Counter()
    cells: Counter[tuple[str, str]] = Counter()
    for (action, its_kinds), rows in counted.items():
        actions[action] += rows
        cells.update({(kind, action): rows for kind in its_kinds})
    kinds = list(Actions.model_fields)
    by_kind = {kind: sum(cells[kind, action] for action in STRICTNESS) for kind in kinds}
    report.metrics["actions"] = {action: actions[action] for action in STRICTNESS}
    report.metrics["kinds"] = by_kind
    report.highlights = {action: f"{actions[action]:,}" for action in STRICTNESS}
    report.highlights |= {kind: f"{number:,}" for kind, number in by_kind.items() if number}
    series = {action: [cells[kind, action] for kind in kinds] for action in STRICTNESS[1:]}
    caption = "Live reviews by kind of finding and by what becomes of the review. A review may be of several kinds."
    report.figures.append(Figure("bars", "What was found", {"groups": kinds, "series": series}, caption))
