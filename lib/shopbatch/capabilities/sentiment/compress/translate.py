"""Adjust a sentiment head to the vectors of another encoder, so that its scores change least.

compress_encoder uses it. It needs texts, but no labels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.head import SentimentHead

_RIDGE = 0.01  # penalty on the change of the weights, in units of the vectors' mean variance
_FEW = 200  # texts; the classifier of a language with fewer is adjusted on all texts


def translated(
    head: SentimentHead, before: np.ndarray, after: np.ndarray, language: pa.Array, encoder: str
) -> SentimentHead:
    """Return a head for an encoder's new vectors that gives nearly the same scores as `head` on the old ones.

    For each classifier, the difference between its scores of the old and of the new vectors is fitted by ridge
    regression on the new vectors (Hoerl and Kennard 1970), and the coefficients are added to its weights. The penalty
    keeps this change small. Temperatures stay as they are.

    Args:
        head: The head for the old vectors.
        before: Vectors of some texts by the source encoder, float32 [n, dim].
        after: Vectors of the same texts by the new encoder, float32 [n, dim].
        language: The language of each text, string [n].
        encoder: Reference of the new encoder.
    """
    weights, bias = head.weights.astype(np.float64), head.bias.astype(np.float64)
    for number, own in enumerate(head.rows_by_language(language)):
        rows = own if number and len(own) >= _FEW else np.arange(len(after))
        old, new = before[rows].astype(np.float64), after[rows].astype(np.float64)
        missing = old @ weights[number] - new @ weights[number]
        middle, offset = new.mean(axis=0), missing.mean(axis=0)
        centred = new - middle
        products = centred.T @ centred / len(rows)
        penalty = _RIDGE * np.trace(products) / len(products)
        change = np.linalg.solve(products + penalty * np.eye(len(products)), centred.T @ (missing - offset) / len(rows))
        weights[number] += change
        bias[number] += offset - middle @ change
    return replace(head, weights=weights.astype(np.float32), bias=bias.astype(np.float32), encoder=encoder)
