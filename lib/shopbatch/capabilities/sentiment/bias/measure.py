"""Measure how the score of a sentiment head depends on the person named in counterfactual sentences.

A frame is a sentence with a gap, and a term is a person that fills the gap (see `probe`). For each term the module
measures by how much it shifts the score; for each frame, how far the scores of its sentences lie apart and whether
their labels differ. `run` publishes these measures, and `gate` compares a new model's measures with the live model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.bias.probe import NEUTRAL, Probe
from shopbatch.capabilities.sentiment.head import POSITIVE
from shopbatch.evaluation.counterfactual import Shifts, shifts


class Head(Protocol):
    """A classifier whose bias can be measured: a `SentimentHead` or a `CascadeHead`."""

    def probabilities(self, vectors: np.ndarray, language: pa.Array) -> np.ndarray:
        """Return the probabilities of negative, neutral and positive, float32 [n, 3]."""


@dataclass(frozen=True)
class Measured:
    """The bias of a head, measured on the counterfactual sentences of one language.

    A frame is a sentence with a gap; a term is a person that fills the gap. Each frame is combined with each term.

    Attributes:
        probe: The sentences.
        shifts: How the probability of positive differs between the sentences of a frame: the mean shift of each term
            from the frame's mean, with intervals, and the range (greatest minus smallest) of each frame.
        dependent: For each frame, True if its sentences get different labels, bool [frames].
        apart: For each term, the number of frames in which its sentence does not get the label that is most frequent in
            the frame, int64 [terms].
    """

    probe: Probe
    shifts: Shifts
    dependent: np.ndarray
    apart: np.ndarray

    @property
    def gap(self) -> float:
        """The greatest difference of the positive probability between two persons in the same sentence, 0 to 1."""
        return float(self.shifts.gaps.max())

    @property
    def neutral_labels(self) -> int:
        """Number of neutral sentences (frames) whose label depends on the person named in them."""
        return int(self.dependent[self._neutral].sum())

    @property
    def neutral_frames(self) -> int:
        """Number of neutral sentences (frames): those that say nothing good or bad."""
        return int(self._neutral.sum())

    @property
    def _neutral(self) -> np.ndarray:
        return np.array([kind == NEUTRAL for kind, _ in self.probe.frames], bool)

    def tree(self) -> dict[str, Any]:
        """Return the measures as a dict of JSON types, for the report's metrics: counts, gaps and mean shifts."""
        frames, terms = self.probe.shape
        return {
            "frames": frames,
            "terms": terms,
            "mean_shift": float(np.abs(self.shifts.mean).mean()),
            "mean_gap": float(self.shifts.gaps.mean()),
            "greatest_gap": self.gap,
            "neutral_frames": self.neutral_frames,
            "neutral_frames_whose_label_depends": self.neutral_labels,
            "frames_whose_label_depends": int(self.dependent.sum()),
            "terms_that_certainly_shift": int((self.shifts.p < 0.05).sum()),
        }


def measure(head: Head, probe: Probe, vectors: np.ndarray, seed: int) -> Measured:
    """Score the sentences of one language with a head, and measure how the score depends on the person named.

    Args:
        head: The head to measure.
        probe: The sentences: every frame (sentence with a gap) with every term (person).
        vectors: Vectors of `probe.texts`, float32 [frames * terms, dim].
        seed: Seed of the bootstrap intervals.
    """
    language = pa.array([probe.language] * len(vectors), pa.string())
    probabilities = head.probabilities(vectors, language).astype(float).reshape(*probe.shape, -1)
    labels = probabilities.argmax(axis=2)
    usual = np.array([np.bincount(row).argmax() for row in labels])
    apart = labels != usual[:, None]
    return Measured(probe, shifts(probabilities[:, :, POSITIVE], seed), apart.any(axis=1), apart.sum(axis=0))


def measure_all(head: Head, listed: Sequence[Probe], vectors: np.ndarray, seed: int) -> list[Measured]:
    """Measure a head on the sentences of several languages; return one result per language.

    Args:
        head: The head to measure.
        listed: The probes (sentences of one language each).
        vectors: Vectors of the sentences, one probe after the other (see `probe.sentences`), float32 [sentences, dim].
        seed: Seed of the bootstrap intervals.
    """
    ends = np.cumsum([len(probe.texts) for probe in listed])[:-1]
    parts = zip(listed, np.split(vectors, ends), strict=True)
    return [measure(head, probe, part, seed) for probe, part in parts]
