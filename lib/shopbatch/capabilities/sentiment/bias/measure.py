"""What a sentiment head says of counterfactual sentences: shifts by term, gaps by frame, labels that are not steady."""

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
    """What is measured: a sentiment head, or several that answer as one."""

    def probabilities(self, vectors: np.ndarray, language: pa.Array) -> np.ndarray:
        """Return the probabilities of negative, neutral and positive, float32 [n, 3]."""


@dataclass(frozen=True)
class Measured:
    """A head on one language's probe.

    Attributes:
        probe: The sentences.
        shifts: Of the probability of positive.
        dependent: For each frame, whether its label is not the same for all terms, bool [frames].
        apart: For each term, in how many frames its label is not the most frequent one of the frame, int64 [terms].
    """

    probe: Probe
    shifts: Shifts
    dependent: np.ndarray
    apart: np.ndarray

    @property
    def gap(self) -> float:
        """The greatest range of the probability of positive over the terms of one frame."""
        return float(self.shifts.gaps.max())

    @property
    def neutral_labels(self) -> int:
        """In how many neutral frames the label depends on the term."""
        return int(self.dependent[self._neutral].sum())

    @property
    def neutral_frames(self) -> int:
        """How many frames are neutral."""
        return int(self._neutral.sum())

    @property
    def _neutral(self) -> np.ndarray:
        return np.array([kind == NEUTRAL for kind, _ in self.probe.frames], bool)

    def tree(self) -> dict[str, Any]:
        """Return the figures in JSON's types."""
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
    """Judge a head on a probe.

    Args:
        head: The head.
        probe: The sentences.
        vectors: Theirs, float32 [frames * terms, dim].
        seed: Seed of the bootstrap.
    """
    language = pa.array([probe.language] * len(vectors), pa.string())
    probabilities = head.probabilities(vectors, language).astype(float).reshape(*probe.shape, -1)
    labels = probabilities.argmax(axis=2)
    usual = np.array([np.bincount(row).argmax() for row in labels])
    apart = labels != usual[:, None]
    return Measured(probe, shifts(probabilities[:, :, POSITIVE], seed), apart.any(axis=1), apart.sum(axis=0))


def measure_all(head: Head, listed: Sequence[Probe], vectors: np.ndarray, seed: int) -> list[Measured]:
    """Judge a head on several probes, whose vectors stand one after the other (see `probe.sentences`)."""
    ends = np.cumsum([len(probe.texts) for probe in listed])[:-1]
    parts = zip(listed, np.split(vectors, ends), strict=True)
    return [measure(head, probe, part, seed) for probe, part in parts]
