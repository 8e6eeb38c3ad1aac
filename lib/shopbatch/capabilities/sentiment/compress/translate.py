"""A head moved to the vectors of another encoder, so that its scores change least. It needs texts, and no labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.head import SentimentHead

_RIDGE = 0.01  # penalty on the change of the weights, in units of the vectors' mean variance
_FEW = 200  # texts; a language with fewer is moved as all texts together are


def translated(
    head: SentimentHead, before: np.ndarray, after: np.ndarray, language: pa.Array, encoder: str
) -> SentimentHead:
    """Return the head for the new vectors: of each classifier the least change that restores its scores.

    The difference between its scores of the old vectors and of the new ones is fitted by ridge regression on the new
    ones (Hoerl and Kennard 1970), and what is found is added to its weights. Temperatures stay.

    Args:
        head: The head on the old vectors.
        before: The old vectors of some texts, float32 [n, dim].
        after: The new ones of the same texts, float32 [n, dim].
        language: The language of each text, string [n].
        encoder: Reference of the encoder that made the new vectors.
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
