"""What training does so that a head does not judge a sentence by who stands in it.

Every frame is copied with every term (counterfactual copies). The copies of a frame should get the same score, so their
differences are penalised beside the usual penalty of the weights: counterfactual logit pairing (Garg et al. 2019,
"Counterfactual Fairness in Text Classification through Robustness"). The head is linear in the vector, so this penalty
is a quadratic form of its weights, and can be had by mapping the vectors before any fit. The copies of neutral frames
are learnt from besides, as neutral ones.
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
    """Return the vectors of all copies minus the mean of the copies of their frame, float64 [copies, dim].

    Args:
        listed: The probes.
        vectors: Theirs, one probe after the other, float32 [copies, dim].
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
    """Return examples and vectors with the copies of the neutral frames, which are neutral whoever stands in them.

    Without them, a sentence that says nothing lies where negative and positive meet, and any word moves its label.

    Args:
        examples: label, language, split and any other columns.
        vectors: Theirs, float32 [n, dim].
        listed: The probes.
        copies: The vectors of their sentences, float32 [sentences, dim].
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
    """A linear map of vectors that makes small what counterfactual copies differ by.

    An L2 penalty on weights that are fitted to mapped vectors is, on weights of the vectors as they come, one that also
    penalises the copies' differences: with A = (I + strength C / mean eigenvalue of C)^-1/2 and C the mean square of
    the differences, |w|^2 of the mapped ones is |v|^2 + strength v' C v / mean of the weights v = A w.

    Attributes:
        mean, scale: Of each number of the vectors, float64 [dim].
        shrink: A, in units of `scale`, float64 [dim, dim].
    """

    mean: np.ndarray
    scale: np.ndarray
    shrink: np.ndarray

    @classmethod
    def of(cls, copies: np.ndarray, vectors: np.ndarray, strength: float) -> Steady:
        """Make the map.

        Args:
            copies: What `differences` returns, [n, dim].
            vectors: Those of the examples, float32 [m, dim].
            strength: How much the differences count; 0 changes nothing.
        """
        mean, scale = vectors.mean(axis=0, dtype=float), vectors.std(axis=0, dtype=float) + 1e-6
        own = copies / scale
        values, directions = np.linalg.eigh(own.T @ own / len(own))
        values = np.maximum(values, 0.0)
        smaller = np.sqrt(1 + strength * values / max(float(values.mean()), 1e-12))
        return cls(mean, scale, np.asarray((directions / smaller) @ directions.T))

    def applied(self, vectors: np.ndarray) -> np.ndarray:
        """Return mapped vectors, float32 [n, dim]."""
        return np.asarray((vectors - self.mean) / self.scale @ self.shrink * self.scale + self.mean, np.float32)

    def folded(self, head: SentimentHead) -> SentimentHead:
        """Return the head of vectors as they come that says what `head` says of mapped ones."""
        weights = head.weights.astype(float)
        whole = np.stack([(self.shrink @ (own * self.scale[:, None])) / self.scale[:, None] for own in weights])
        bias = head.bias + np.einsum("d,ldc->lc", self.mean, weights - whole)
        return replace(head, weights=whole.astype(np.float32), bias=bias.astype(np.float32))
