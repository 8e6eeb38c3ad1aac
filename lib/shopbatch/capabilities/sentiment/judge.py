"""Calibrate the head that finetune_encoder trained, and score the test examples with any head."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.calibrate import FEW, recalibrate
from shopbatch.capabilities.sentiment.examples import OTHER
from shopbatch.capabilities.sentiment.head import SentimentHead


def calibrated_head(
    weights: np.ndarray, bias: np.ndarray, encoder: str, vectors: np.ndarray, examples: pa.Table
) -> SentimentHead:
    """Turn one classifier that was trained for all languages into a head with a calibrated copy for each language.

    Shifts and a temperature are fitted on the validation examples of the language, or on all validation examples if the
    language has too few or only one class.

    Args:
        weights: Weights of the trained classifier, [dim, 3].
        bias: Its bias, [3].
        encoder: Reference of the encoder.
        vectors: Vectors of the examples, float32 [n, dim].
        examples: All examples.
    """
    label, language, split = (examples[c].to_numpy() for c in ("label", "language", "split"))
    languages = [OTHER, *sorted(set(language.tolist()) - {OTHER})]
    val = split == "val"
    logits = vectors @ weights + bias
    own_rows = [val & (language == n) for n in languages]
    enough = [rows.sum() >= FEW and len(np.unique(label[rows])) > 1 for rows in own_rows]
    rows_to_fit = [rows if able else val for rows, able in zip(own_rows, enough, strict=True)]
    fits = [recalibrate(logits[rows], label[rows]) for rows in rows_to_fit]
    return SentimentHead(
        tuple(languages),
        np.repeat(weights[None], len(languages), axis=0),
        np.stack([bias + shift for shift, _ in fits]).astype(np.float32),
        np.asarray([temperature for _, temperature in fits], np.float32),
        encoder,
    )


def held_out_probabilities(head: SentimentHead, vectors: np.ndarray, examples: pa.Table) -> np.ndarray:
    """Return a head's probabilities of the test examples, float32 [test examples, 3].

    Args:
        head: The head.
        vectors: Vectors of all examples, float32 [n, dim].
        examples: All examples.
    """
    test = np.flatnonzero(examples["split"].to_numpy() == "test")
    return head.probabilities(vectors[test], examples["language"].take(pa.array(test)).combine_chunks())
