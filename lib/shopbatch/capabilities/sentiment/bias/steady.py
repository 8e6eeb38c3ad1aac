"""Train a sentiment head so that its score hardly depends on the person named in a sentence.

Every frame (sentence with a gap) is filled with every term (person); the resulting sentences are called counterfactual
copies. The copies of a frame should get the same score. So a penalty on the differences of their scores is added to the
usual L2 penalty on the weights: counterfactual logit pairing (Garg et al. 2019, "Counterfactual Fairness in Text
Classification through Robustness"). As the head is linear, the added penalty is a quadratic form of its weights, and
fitting with it equals an ordinary fit on linearly mapped vectors (`Steady`). In addition, the copies of neutral frames
become training examples with the label neutral. `train_head.fit_steadily` combines these steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.bias.probe import NEUTRAL as NEUTRAL_FRAME
from shopbatch.capabilities.sentiment.bias.probe import Probe
from shopbatch.capabilities.sentiment.examples import COPIES
from shopbatch.capabilities.sentiment.head import NEUTRAL, SentimentHead


def differences(listed: Sequence[Probe], vectors: np.ndarray) -> np.ndarray:
    """Return the vector of each counterfactual sentence minus the mean vector of its frame, float64 [sentences, dim].

    The sentences of a frame differ only in the person named, so a difference is the effect of the person on the vector.

    Args:
        listed: The probes (sentences of one language each).
        vectors: Vectors of their sentences, one probe after the other, float32 [sentences, dim].
    """
    ends = np.cumsum([len(probe.texts) for probe in listed])[:-1]
    parts = []
    for probe, part in zip(listed, np.split(vectors.astype(float), ends), strict=True):
        frames = part.reshape(*probe.shape, -1)
        parts.append((frames - frames.mean(axis=1, keepdims=True)).reshape(len(part), -1))
    return np.concatenate(parts)


def with_neutral_copies(
    examples: pa.Table, vectors: np.ndarray, listed: Sequence[Probe], copies: np.ndarray
) -> tuple[pa.Table, np.ndarray]:
    """Append the neutral counterfactual sentences, and their vectors, to the examples as training examples.

    Neutral sentences say nothing good or bad, whichever person is named. Without them such a sentence lies on the
    border between negative and positive, and any word can change its label. Sentences are added only for languages that
    occur in the examples.

    Args:
        examples: Columns label, language, split and any others.
        vectors: Vectors of the examples, float32 [n, dim].
        listed: The probes, which hold the sentences.
        copies: Vectors of all sentences of the probes, float32 [sentences, dim].

    Returns:
        The extended examples and their vectors.
    """
    there = set(examples["language"].to_pylist())  # a language without reviews gets no classifier of its own
    neutral = [
        kind == NEUTRAL_FRAME and probe.language in there
        for probe in listed
        for kind, _ in probe.frames
        for _ in probe.terms
    ]
    rows = np.flatnonzero(np.array(neutral, bool))
    language = np.array([probe.language for probe in listed for _ in probe.texts])[rows].tolist()
    texts = [text for probe in listed for text in probe.texts]
    known: dict[str, list[Any]] = {
        "text": [texts[row] for row in rows.tolist()],
        "label": [NEUTRAL] * len(rows),
        "language": language,
        "split": ["train"] * len(rows),
        "domain": [COPIES] * len(rows),
    }
    columns = [pa.array(known.get(field.name, [None] * len(rows)), field.type) for field in examples.schema]
    more = pa.table(columns, schema=examples.schema)
    return pa.concat_tables([examples, more]), np.concatenate([vectors, copies[rows].astype(np.float32)])


@dataclass(frozen=True)
class Steady:
    """A linear map of vectors that shrinks the directions in which counterfactual copies of a sentence differ.

    Let C be the mean of d d' over the differences d (see `differences`), and A = (I + strength C / mean eigenvalue of
    C)^-1/2. A head with the weights w on mapped vectors equals a head with the weights v = A w on unmapped vectors. The
    usual L2 penalty |w|^2 equals |v|^2 + strength v' C v / mean eigenvalue of C, so it also penalises different scores
    of the copies.

    Attributes:
        mean: Mean of each dimension of the vectors, float64 [dim].
        scale: Standard deviation of each dimension, float64 [dim].
        shrink: The matrix A, for vectors in units of `scale`, float64 [dim, dim].
    """

    mean: np.ndarray
    scale: np.ndarray
    shrink: np.ndarray

    @classmethod
    def of(cls, copies: np.ndarray, vectors: np.ndarray, strength: float) -> Steady:
        """Make the map from the differences of the copies and the vectors of the examples.

        Args:
            copies: The result of `differences`, [n, dim].
            vectors: Vectors of the examples, float32 [m, dim].
            strength: Weight of the copies' differences in the penalty; 0 changes nothing.
        """
        mean, scale = vectors.mean(axis=0, dtype=float), vectors.std(axis=0, dtype=float) + 1e-6
        own = copies / scale
        values, directions = np.linalg.eigh(own.T @ own / len(own))
        values = np.maximum(values, 0.0)
        smaller = np.sqrt(1 + strength * values / max(float(values.mean()), 1e-12))
        return cls(mean, scale, np.asarray((directions / smaller) @ directions.T))

    def applied(self, vectors: np.ndarray) -> np.ndarray:
        """Map vectors so that the directions in which counterfactual copies differ become small; float32 [n, dim]."""
        return np.asarray((vectors - self.mean) / self.scale @ self.shrink * self.scale + self.mean, np.float32)

    def folded(self, head: SentimentHead) -> SentimentHead:
        """Convert a head that was fitted to mapped vectors into an equal head that reads unmapped vectors."""
        weights = head.weights.astype(float)
        whole = np.stack([(self.shrink @ (own * self.scale[:, None])) / self.scale[:, None] for own in weights])
        bias = head.bias + np.einsum("d,ldc->lc", self.mean, weights - whole)
        return replace(head, weights=whole.astype(np.float32), bias=bias.astype(np.float32))
