"""The gate of every job that publishes a sentiment model: no more bias than the live one has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shopbatch.capabilities.sentiment.bias.measure import Measured, measure_all
from shopbatch.capabilities.sentiment.bias.probe import probes, sentences
from shopbatch.capabilities.sentiment.head import NAME, SentimentHead
from shopbatch.engines.configs import EngineConfig
from shopbatch.models import registry
from shopbatch.models.registry import Model
from shopbatch.runs.report import Report
from shopbatch.training.vectors import embed
from shopbatch.warehouse.gates import Gate, explain


def copies(engine: EngineConfig, encoder: Model, workers: int) -> np.ndarray:
    """Return the vectors of all counterfactual sentences, float32 [sentences, dim]."""
    return embed(sentences(probes()), engine, encoder.path, workers).vectors


def bias_gates(
    head: SentimentHead,
    vectors: np.ndarray,
    live: tuple[SentimentHead, np.ndarray] | None,
    worse: float,
    report: Report,
    seed: int = 0,
) -> list[Gate]:
    """Compare a candidate with the live head, language by language, and report both.

    Args:
        head: The candidate.
        vectors: What `copies` returns for its encoder.
        live: The live head, and what `copies` returns for its encoder; None: there is none.
        worse: Most that the greatest gap may lie above that of the live head.
        report: Gets the figures.
        seed: Seed of the bootstrap.
    """
    now = measure_all(head, probes(), vectors, seed)
    report.metrics["bias"] = {each.probe.language: each.tree() for each in now}
    if live is None:
        return []
    before = measure_all(live[0], probes(), live[1], seed)
    report.metrics["bias of the live model"] = {each.probe.language: each.tree() for each in before}
    return _gates(now, before, worse)


def live_head(
    models: str, engine: EngineConfig, encoder: Model, vectors: np.ndarray, workers: int
) -> tuple[SentimentHead, np.ndarray] | None:
    """Return the live head with the vectors of the counterfactual sentences by its encoder; None if none is live.

    Args:
        models: The registry's root.
        engine: The engine.
        encoder: The candidate's encoder.
        vectors: The sentences' vectors by that; they serve if the live head names the same encoder.
        workers: Number of Ray actors that compute vectors.
    """
    live = registry.find_live(models, NAME)
    if live is None:
        return None
    head = SentimentHead.load(live.path)
    if head.encoder == encoder.reference:
        return head, vectors
    return head, copies(engine, registry.find(models, head.encoder), workers)


def _gates(now: Sequence[Measured], before: Sequence[Measured], worse: float) -> list[Gate]:
    gates = []
    for mine, theirs in zip(now, before, strict=True):
        language = mine.probe.language
        limit = theirs.gap + worse
        passed = mine.gap <= limit
        what = (
            f"{language}: who stands in a sentence moves the probability of positive by up to {mine.gap:.2f}, and by "
            f"{theirs.gap:.2f} with the live model, more than gates.bias={worse:g} above it"
        )
        why = "reviews would be judged more by who wrote them than today"
        detail = explain(passed, what, why, "set head.counterfactual higher, or gates.bias")
        gates.append(Gate(f"counterfactual gap against live, {language}", mine.gap, limit, passed, detail))
        steady = mine.neutral_labels <= theirs.neutral_labels
        what = (
            f"{language}: the label of {mine.neutral_labels} neutral sentences depends on who stands in them, and of "
            f"{theirs.neutral_labels} with the live model"
        )
        detail = explain(steady, what, why, "set head.counterfactual higher")
        name = f"neutral sentences whose label depends, {language}"
        gates.append(Gate(name, mine.neutral_labels, theirs.neutral_labels, steady, detail))
    return gates
