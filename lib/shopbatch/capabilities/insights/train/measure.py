"""Measures how well predicted aspects match people's labels: F1 by aspect, macro-F1, gain over another method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shopbatch.evaluation.classification import Interval, interval_of

ENOUGH = 5  # least labelled sentences of an aspect that counts in macro-F1
DRAWS = 1000


@dataclass(frozen=True)
class Judged:
    """The labelled sentences of one taxonomy, with the predictions of the method that is judged.

    Attributes:
        names: The aspects.
        truth: True where people labelled a sentence with an aspect, bool [sentences, aspects].
        predicted: True where the method finds the aspect, bool [sentences, aspects].
        groups: Group number of each sentence, int64 [sentences]; the bootstrap draws whole groups (reviews).
    """

    names: tuple[str, ...]
    truth: np.ndarray
    predicted: np.ndarray
    groups: np.ndarray

    def counts(self, predicted: np.ndarray | None = None) -> np.ndarray:
        """Return true positives, predicted positives and actual positives by group, float64 [groups, 3, aspects].

        Args:
            predicted: Predictions of another method, bool [sentences, aspects]; None for `Judged.predicted`.
        """
        predicted = self.predicted if predicted is None else predicted
        each = np.stack([self.truth & predicted, predicted, self.truth], axis=1).astype(float)
        sums = np.zeros((int(self.groups.max(initial=-1)) + 1, *each.shape[1:]))
        np.add.at(sums, self.groups, each)
        return sums

    @property
    def counted(self) -> np.ndarray:
        """Return a mask [aspects]: True for aspects with at least ENOUGH labelled sentences; macro-F1 is over these."""
        return np.asarray(self.truth.sum(axis=0) >= ENOUGH)


def f1(counts: np.ndarray) -> np.ndarray:
    """Return F1 from counts [..., 3, aspects] of true, predicted and actual positives; 0 where there are none."""
    return np.asarray(2 * counts[..., 0, :] / np.maximum(counts[..., 1, :] + counts[..., 2, :], 1))


def macro_f1(judged: Mapping[str, Judged]) -> float:
    """Return the mean F1 over the aspects of all taxonomies with enough labelled sentences; nan if there are none."""
    values = [f1(j.counts().sum(axis=0))[j.counted] for j in judged.values()]
    every = np.concatenate(values) if values else np.empty(0)
    return float(every.mean()) if len(every) else float("nan")


def macro_interval(judged: Mapping[str, Judged], seed: int) -> Interval:
    """Return macro-F1 with its 95 % bootstrap interval; nan without enough labels.

    The bootstrap draws whole groups of sentences (reviews).
    """
    drawn = _draws(judged, {n: j.predicted for n, j in judged.items()}, seed)
    return interval_of(macro_f1(judged), drawn.mean(axis=1)) if drawn.size else Interval(*[float("nan")] * 3)


def gain(judged: Mapping[str, Judged], other: Mapping[str, np.ndarray], seed: int) -> Interval:
    """Return macro-F1 minus that of another method on the same sentences, with its paired 95 % bootstrap interval.

    Args:
        judged: The sentences with the first method's predictions, by taxonomy.
        other: Predictions of the other method, bool [sentences, aspects] by taxonomy.
        seed: Seed of the bootstrap.

    Returns:
        Above 0 where the first method is better; nan without enough labels.
    """
    first = _draws(judged, {n: j.predicted for n, j in judged.items()}, seed)
    if not first.size:
        return Interval(*[float("nan")] * 3)
    second = _draws(judged, other, seed)
    rival = {n: Judged(j.names, j.truth, other[n], j.groups) for n, j in judged.items()}
    return interval_of(macro_f1(judged) - macro_f1(rival), (first - second).mean(axis=1))


def _draws(judged: Mapping[str, Judged], predicted: Mapping[str, np.ndarray], seed: int) -> np.ndarray:
    """Return the F1 of each counted aspect of all taxonomies in each bootstrap sample, float64 [draws, aspects]."""
    random, columns = np.random.default_rng(seed), []
    for name, j in judged.items():
        counts = j.counts(predicted[name])
        if not len(counts) or not j.counted.any():
            continue
        times = random.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), DRAWS)
        columns.append(f1(np.einsum("dg,gka->dka", times, counts))[:, j.counted])
    return np.concatenate(columns, axis=1) if columns else np.empty((0, 0))
