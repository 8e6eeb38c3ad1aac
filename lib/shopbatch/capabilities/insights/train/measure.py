"""How right the aspects of labelled sentences are: F1 by aspect and over aspects, beside another method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shopbatch.evaluation.classification import Interval, interval_of

ENOUGH = 5  # labelled sentences that an aspect needs to count in the mean over aspects
DRAWS = 1000


@dataclass(frozen=True)
class Judged:
    """The sentences of one taxonomy, what people and a method say of them, and what they are from.

    Attributes:
        names: The aspects.
        truth, predicted: bool [sentences, aspects].
        groups: What each sentence is from, int64 [sentences]; the bootstrap draws these.
    """

    names: tuple[str, ...]
    truth: np.ndarray
    predicted: np.ndarray
    groups: np.ndarray

    def counts(self, predicted: np.ndarray | None = None) -> np.ndarray:
        """True positives, positives predicted, and positives by group, float64 [groups, 3, aspects]."""
        predicted = self.predicted if predicted is None else predicted
        each = np.stack([self.truth & predicted, predicted, self.truth], axis=1).astype(float)
        sums = np.zeros((int(self.groups.max(initial=-1)) + 1, *each.shape[1:]))
        np.add.at(sums, self.groups, each)
        return sums

    @property
    def counted(self) -> np.ndarray:
        """Which aspects have enough labelled sentences, bool [aspects]."""
        return np.asarray(self.truth.sum(axis=0) >= ENOUGH)


def f1(counts: np.ndarray) -> np.ndarray:
    """F1 from true positives, positives predicted, and positives [..., 3, aspects]; 0 where there are none."""
    return np.asarray(2 * counts[..., 0, :] / np.maximum(counts[..., 1, :] + counts[..., 2, :], 1))


def macro_f1(judged: Mapping[str, Judged]) -> float:
    """Mean F1 over the aspects of all taxonomies that have enough labelled sentences; nan without any."""
    values = [f1(j.counts().sum(axis=0))[j.counted] for j in judged.values()]
    every = np.concatenate(values) if values else np.empty(0)
    return float(every.mean()) if len(every) else float("nan")


def macro_interval(judged: Mapping[str, Judged], seed: int) -> Interval:
    """Macro-F1 with its 95 % bootstrap interval; groups are drawn."""
    drawn = _draws(judged, {n: j.predicted for n, j in judged.items()}, seed)
    return interval_of(macro_f1(judged), drawn.mean(axis=1)) if drawn.size else Interval(*[float("nan")] * 3)


def gain(judged: Mapping[str, Judged], other: Mapping[str, np.ndarray], seed: int) -> Interval:
    """Macro-F1 minus that of another method on the same sentences, with its paired 95 % interval.

    Args:
        judged: The method.
        other: What the other one predicts, bool [sentences, aspects] by taxonomy.
        seed: Seed of the bootstrap.
    """
    first = _draws(judged, {n: j.predicted for n, j in judged.items()}, seed)
    if not first.size:
        return Interval(*[float("nan")] * 3)
    second = _draws(judged, other, seed)
    rival = {n: Judged(j.names, j.truth, other[n], j.groups) for n, j in judged.items()}
    return interval_of(macro_f1(judged) - macro_f1(rival), (first - second).mean(axis=1))


def _draws(judged: Mapping[str, Judged], predicted: Mapping[str, np.ndarray], seed: int) -> np.ndarray:
    """F1 of each aspect that counts, of all taxonomies, in each bootstrap sample, float64 [draws, aspects]."""
    random, columns = np.random.default_rng(seed), []
    for name, j in judged.items():
        counts = j.counts(predicted[name])
        if not len(counts) or not j.counted.any():
            continue
        times = random.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), DRAWS)
        columns.append(f1(np.einsum("dg,gka->dka", times, counts))[:, j.counted])
    return np.concatenate(columns, axis=1) if columns else np.empty((0, 0))
