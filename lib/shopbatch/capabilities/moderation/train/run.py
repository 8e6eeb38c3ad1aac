"""Runs the job train_moderation: trains the model `moderation` on example files and reviews, and publishes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.moderation import passages, traits
from shopbatch.capabilities.moderation.config import TrainModerationConfig
from shopbatch.capabilities.moderation.model import KINDS, NAME, ModerationModel
from shopbatch.capabilities.moderation.passages import read
from shopbatch.capabilities.moderation.run import find_model
from shopbatch.capabilities.moderation.train import fit
from shopbatch.capabilities.moderation.train.background import harmless_sentences
from shopbatch.capabilities.moderation.train.examples import (
    Examples,
    examples_of,
    identity,
    read_lines,
    with_neighbours,
)
from shopbatch.core.hashing import digest
from shopbatch.models import erasure, registry
from shopbatch.runs.report import EngineUse, Figure, Report
from shopbatch.tables.reviews import REVIEWS
from shopbatch.text.moderation.find import VERSION as FINDING_VERSION
from shopbatch.training import runs
from shopbatch.training.config import identity as settings
from shopbatch.training.vectors import embed
from shopbatch.warehouse.gates import Gate, explain, refuse_if_failed
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 1  # of examples and fit; a change makes the next run train again


@dataclass(frozen=True)
class Learnt:
    """A fitted model, with its out-of-fold probabilities for the n examples.

    Attributes:
        model: The model, fitted to all examples.
        examples: The training texts that were generated from the lines of the example files.
        inputs: Vectors and traits of the examples, float32 [n, dim + traits].
        probabilities: Out-of-fold probabilities, float64 [n, kinds].
        losses: {penalty: its log loss in cross-validation}.
    """

    model: ModerationModel
    examples: Examples
    inputs: np.ndarray
    probabilities: np.ndarray
    losses: dict[str, float]

    @property
    def found(self) -> np.ndarray:
        """Mask of the kinds found in each example by models that were not fitted to it, bool [n, kinds]."""
        return np.asarray(self.probabilities >= self.model.thresholds.astype(float))


def train_moderation(config: TrainModerationConfig, store: Store, report: Report) -> None:
    """Train, judge and publish the model, unless the live model was trained from the same inputs.

    Raises:
        UserError: One of the shop's example files cannot be read.
        GateRefused: The model finds too few of the harmful examples, or fewer than the live one.
    """
    models = f"{store.root}/_models"
    encoder = None if config.engine.kind == "fake" else registry.base(models, config.encoder)
    reviews = store.find(REVIEWS.name) if config.examples.reviews else None
    report.unit, report.engine = "examples", EngineUse(config.engine.kind)
    if reviews is not None:
        report.tables[REVIEWS.name] = {"read": reviews.version}
    if encoder is not None:
        report.models["encoder"] = encoder.digest
    lines = read_lines(config.examples.own)
    origin = digest(
        {
            "version": [VERSION, passages.VERSION, FINDING_VERSION],
            "examples": identity(lines),
            "reviews": None if reviews is None else [reviews.table_id, reviews.version],
            "encoder": None if encoder is None else encoder.digest,
            "engine": config.engine.identity(),
            "config": settings(config.examples, config.fit, config.gates),
        }
    )
    if runs.already_live(models, NAME, origin, report):
        return
    with report.stage("examples") as stage:
        examples = examples_of(lines, config.examples.wordings, config.examples.own_weight)
        beside = with_neighbours(examples, config.examples.neighbours, config.fit.seed)
        background, learnt_from = _background(reviews, config.examples.reviews)
        stage.rows = len(examples.texts) + len(beside.texts) + len(background)
    with report.stage("embed") as stage:
        texts = [*(read(text).text for text in (*examples.texts, *beside.texts)), *background]
        table = pa.table({"text": pa.array(texts, pa.string())})
        encoded = embed(table, config.engine, None if encoder is None else encoder.path, config.workers)
        report.engine.tokens_in, stage.rows = int(encoded.tokens.sum()), len(texts)
    with report.stage("fit"):
        reference = "" if encoder is None else encoder.reference
        learnt = learn(config, examples, beside, texts, encoded.vectors, reference)
    quality = measure(learnt)
    report.gates = [_enough(quality, config), *_against_live(config, store, learnt, texts, encoded.vectors)]
    report.metrics |= {"log loss by penalty": learnt.losses}
    _describe(report, quality)
    refuse_if_failed(report.gates)
    about = {
        "metrics": quality,
        "origin": origin,
        "encoder": reference,
        "base": reference,
        **erasure.record(store, erasure.text_names(pa.array(learnt_from, pa.string()))),
        "config": report.config,
        "licence": "your own" if encoder is None else f"derived from {encoder.name}",
    }
    published = registry.publish(models, NAME, learnt.model.save, live=True, **about)
    report.models[NAME], report.outcome = published.digest, "published"
    report.metrics["quality"] = quality


def _background(reviews: Snapshot | None, most: int) -> tuple[list[str], list[str]]:
    """Return sentences of ordinary reviews and the texts of these reviews; ([], []) without reviews."""
    return ([], []) if reviews is None else harmless_sentences(reviews, most)


def learn(
    config: TrainModerationConfig,
    examples: Examples,
    beside: Examples,
    texts: Sequence[str],
    vectors: np.ndarray,
    encoder: str,
) -> Learnt:
    """Choose the penalty, set the thresholds and fit the model.

    Args:
        config: Settings of the job.
        examples: The training texts that were generated from the lines of the example files.
        beside: Copies of examples with a harmless neighbour sentence.
        texts: The encoded texts: those of `examples`, those of `beside`, then harmless sentences of reviews.
        vectors: Vectors of `texts`, float32 [texts, dim].
        encoder: Reference of the encoder.
    """
    own, both = len(examples.texts), len(examples.texts) + len(beside.texts)
    names = tuple(sorted({name for text in texts[:both] for name in traits.traits(text)}))
    inputs = np.concatenate([vectors, traits.table(texts, names)], axis=1)
    rest, last = len(texts) - both, int(examples.line.max())
    rows = fit.Rows(
        inputs,
        np.concatenate([examples.targets(), beside.targets(), np.zeros((rest, len(KINDS)))]),
        np.concatenate([examples.weight, beside.weight, np.full(rest, config.fit.review_weight)]),
        np.concatenate([examples.line, beside.line, last + 1 + np.arange(rest)]),
    )
    scale = fit.Scale.of(inputs, vectors.shape[1], config.fit.trait_scale)
    losses, kept, chosen = {}, np.zeros(0), config.fit.penalty[0]
    for penalty in config.fit.penalty:
        probabilities = fit.cross_fitted(
            rows,
            config.fit.folds,
            lambda part, p=penalty: fit.fit(part, scale, p, config.fit.steps),  # type: ignore[misc]
        )[:own]
        losses[f"{penalty:g}"] = fit.log_loss(probabilities, examples.targets(), examples.weight)
        if losses[f"{penalty:g}"] == min(losses.values()):
            kept, chosen = probabilities, penalty
    least = fit.thresholds(kept, ~examples.harmful, config.fit.alarms)
    weights, bias = fit.fit(rows, scale, chosen, config.fit.steps)
    dim = vectors.shape[1]
    of_vector, of_traits, constant, limits = (x.astype(np.float32) for x in (weights[:dim], weights[dim:], bias, least))
    floors = np.full(len(KINDS), config.fit.floor, np.float32)
    model = ModerationModel(names, of_vector, of_traits, constant, limits, floors, encoder)
    return Learnt(model, examples, inputs[:own], kept, losses)


def measure(learnt: Learnt) -> dict[str, Any]:
    """Return recall and false alarms in cross-validation, by language and for all languages together.

    Shares are weighted by the training weight of the examples. A harmful example counts as found if any kind is found.

    Returns:
        {language or "all": {"false_alarms", "recall", "recall_<kind>": share 0 to 1, None without examples; "lines":
        number of lines}}.
    """
    examples, found = learnt.examples, learnt.found
    any_kind = found.any(axis=1)
    quality: dict[str, Any] = {}
    for language in (*sorted(set(examples.language.tolist())), "all"):
        rows = np.full(len(found), True) if language == "all" else examples.language == language
        figures: dict[str, Any] = {"false_alarms": _share(any_kind, rows & ~examples.harmful, examples.weight)}
        figures["recall"] = _share(any_kind, rows & examples.harmful, examples.weight)
        for kind in KINDS:
            of_kind = rows & np.array([kind in kinds for kinds in examples.kinds])
            figures[f"recall_{kind}"] = _share(any_kind, of_kind, examples.weight)
        quality[language] = figures | {"lines": len(np.unique(examples.line[rows]))}
    return quality


def _share(hits: Any, rows: Any, weight: np.ndarray) -> float | None:
    """Return the weighted share of `rows` (a mask) that are hits, 0 to 1; None if there are no such rows."""
    return None if not rows.any() else round(float(np.average(hits[rows], weights=weight[rows])), 5)


def _enough(quality: dict[str, Any], config: TrainModerationConfig) -> Gate:
    """Return the gate that checks whether the model finds enough of the harmful examples in cross-validation."""
    recall = float(quality["all"]["recall"] or 0.0)
    passed = recall >= config.gates.recall
    what = f"the model finds {recall:.3f} of harmful examples that it has not seen, less than gates.recall"
    detail = explain(passed, what, "most of what harms would stay on the page", "add examples (examples.own)")
    return Gate("recall of unseen examples", recall, config.gates.recall, passed, detail)


def _against_live(
    config: TrainModerationConfig, store: Store, learnt: Learnt, texts: Sequence[str], vectors: np.ndarray
) -> list[Gate]:
    """Return the gate that compares the new model's recall with the live or shipped model's; [] if not comparable.

    The models can be compared only if both read the vectors of the same encoder. Each model is judged at the thresholds
    at which it flags the same share of the harmless examples. Both models may have been trained on these examples.

    Args:
        config: Settings of the job.
        store: The warehouse.
        learnt: The new model.
        texts: The encoded texts; the examples come first.
        vectors: Vectors of `texts`, float32 [texts, dim].
    """
    live_model = find_model(f"{store.root}/_models", f"{NAME}@live")
    live = None if live_model is None else ModerationModel.load(live_model.path)
    if live is None or live.encoder != learnt.model.encoder or live.dim != learnt.model.dim:
        return []
    own = len(learnt.examples.texts)
    theirs = live.probabilities(texts[:own], vectors[:own])
    harmful, weight = learnt.examples.harmful, learnt.examples.weight
    least = fit.thresholds(theirs, ~harmful, config.fit.alarms)
    before = float(_share((theirs >= least).any(axis=1), harmful, weight) or 0.0)
    own_fit = learnt.model.probabilities(texts[:own], vectors[:own])
    least = fit.thresholds(own_fit, ~harmful, config.fit.alarms)
    now = float(_share((own_fit >= least).any(axis=1), harmful, weight) or 0.0)
    passed = now >= before - config.gates.worse
    limit = f"gates.worse={config.gates.worse:g}"
    what = f"the model finds {now:.3f} of the examples, and the live one {before:.3f}, more than {limit} less"
    detail = explain(passed, what, "less would be found than today", "add examples, or set gates.worse higher")
    return [Gate("recall against the live model", now - before, -config.gates.worse, passed, detail)]


def _describe(report: Report, quality: dict[str, Any]) -> None:
    """Add the quality figures and their chart to the report.

    Args:
        report: Report of the run.
        quality: Result of `measure`.
    """
    report.metrics["quality"] = quality
    report.highlights = {
        "found": f"{quality['all']['recall'] or 0:.1%}",
        "false alarms": f"{quality['all']['false_alarms'] or 0:.1%}",
    }
    languages = [name for name in quality if name != "all"]
    series = {name: [quality[name][f"recall_{kind}"] or 0.0 for kind in KINDS] for name in languages}
    alarms = f"{quality['all']['false_alarms'] or 0:.1%}"
    caption = (
        "Share of the harmful examples that the model alone finds, by kind and language, in cross-validation over "
        f"lines of the example files. Of the harmless ones, made to look harmful, {alarms} are found. Written examples "
        "flatter: the job's page has the figures on texts of others."
    )
    report.figures.append(Figure("bars", "What the model finds", {"groups": list(KINDS), "series": series}, caption))
