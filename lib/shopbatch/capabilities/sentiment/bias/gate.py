"""Check that a new sentiment model is not clearly more biased than the live one.

Every job that publishes a sentiment model uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.sentiment.bias.measure import Head, Measured, measure_all
from shopbatch.capabilities.sentiment.bias.probe import probes, sentences
from shopbatch.capabilities.sentiment.head import NAME, SentimentHead
from shopbatch.engines.configs import EngineConfig
from shopbatch.models import registry
from shopbatch.models.registry import Model
from shopbatch.runs.report import Report
from shopbatch.training.vectors import embed
from shopbatch.warehouse.gates import Gate, explain


@dataclass(frozen=True)
class BiasJudge:
    """Compares a new sentiment model with the live one by its bias: how much its scores depend on the person named.

    It scores the counterfactual sentences of `probe`, which differ only in the person named in them.

    Attributes:
        models: The folder or URI of the model registry.
        engine: Settings of the engine that computes vectors.
        workers: Number of Ray actors that compute vectors.
        worse: How much each of two numbers may exceed the live model's in a language, 0 to 1: the greatest difference
            of the positive probability between two persons in one sentence (`Measured.gap`), and the share of neutral
            sentences whose label depends on the person.
        seed: Seed of the bootstrap intervals.
    """

    models: str
    engine: EngineConfig
    workers: int
    worse: float
    seed: int = 0

    def copies(self, encoder: Model) -> np.ndarray:
        """Return an encoder's vectors of all counterfactual sentences, float32 [sentences, dim].

        These sentences come from `probe` and differ only in the person named in them.
        """
        return embed(sentences(probes()), self.engine, encoder.path, self.workers).vectors

    def gates(
        self, head: Head, encoder: Model, vectors: np.ndarray, report: Report, alone: np.ndarray | None = None
    ) -> list[Gate]:
        """Measure the bias of a candidate and of the live model, and return two gates per language.

        The gates are those on the two numbers that `BiasJudge.worse` limits.

        Args:
            head: The candidate's head.
            encoder: The encoder whose vectors the head reads; for a cascade, the encoder of its large model.
            vectors: Vectors of the counterfactual sentences as `head` reads them, float32 [sentences, dim]. For a
                cascade they are the vectors of all its encoders side by side.
            report: Receives the figures of both models in its metrics.
            alone: For a cascade, the vectors of `encoder` only; None if `vectors` already are those.

        Returns:
            The gates; [] if no model is live.
        """
        now = measure_all(head, probes(), vectors, self.seed)
        report.metrics["bias"] = {each.probe.language: each.tree() for each in now}
        live = registry.find_live(self.models, NAME)
        if live is None:
            return []
        theirs = SentimentHead.load(live.path)
        vectors = vectors if alone is None else alone
        if theirs.encoder != encoder.reference:
            vectors = self.copies(registry.find(self.models, theirs.encoder))
        before = measure_all(theirs, probes(), vectors, self.seed)
        report.metrics["bias of the live model"] = {each.probe.language: each.tree() for each in before}
        return _gates(now, before, self.worse)


def _gates(now: Sequence[Measured], before: Sequence[Measured], worse: float) -> list[Gate]:
    gates = []
    for candidate, current in zip(now, before, strict=True):
        language = candidate.probe.language
        limit = current.gap + worse
        passed = candidate.gap <= limit
        what = (
            f"{language}: who stands in a sentence moves the probability of positive by up to {candidate.gap:.2f}, "
            f"and by {current.gap:.2f} with the live model, more than gates.bias={worse:g} above it"
        )
        why = "reviews would be judged more by who wrote them than today"
        do = "raise gates.bias, or head.counterfactual where a head is trained"
        detail = explain(passed, what, why, do)
        gates.append(Gate(f"counterfactual gap against live, {language}", candidate.gap, limit, passed, detail))
        most = current.neutral_labels + int(worse * candidate.neutral_frames)
        steady = candidate.neutral_labels <= most
        what = (
            f"{language}: the label of {candidate.neutral_labels} neutral sentences depends on who stands in them, "
            f"and of {current.neutral_labels} with the live model, more than gates.bias={worse:g} of all above it"
        )
        detail = explain(steady, what, why, do)
        name = f"neutral sentences whose label depends, {language}"
        gates.append(Gate(name, candidate.neutral_labels, most, steady, detail))
    return gates
