"""Vectors and labels -> a calibrated sentiment head, and how good it is on the test examples. Pure functions.

One multinomial logistic regression a language (L-BFGS, L2), then one temperature a language on the validation
examples (Guo et al. 2017). The same examples and vectors give the same head.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from shopbatch.capabilities.sentiment.examples import OTHER, ExampleConfig
from shopbatch.capabilities.sentiment.head import LABELS, NEGATIVE, NEUTRAL, POSITIVE, SentimentHead, polar, softmax
from shopbatch.core.config import Strict
from shopbatch.core.hashing import digest as recipe_digest
from shopbatch.engines.configs import EngineConfig
from shopbatch.evaluation import baselines
from shopbatch.evaluation.classification import (
    accuracy,
    accuracy_interval,
    confusion,
    ece_interval,
    recall,
    recall_interval,
    reliability,
)
from shopbatch.warehouse.store import Snapshot

VERSION = 1  # of examples and fit: another one trains anew

FEW = 30  # validation examples of a language below which others choose: L2, temperature, shifts
_COLDEST, _HOTTEST = 0.05, 20.0  # temperatures


class HeadConfig(Strict):
    """l2: strengths to choose from, by the validation examples' log loss. steps: of L-BFGS. seed: of the intervals."""

    l2: tuple[float, ...] = (0.01, 0.03, 0.1)
    steps: int = 60
    seed: int = 0


def fit(examples: pa.Table, vectors: np.ndarray, config: HeadConfig, encoder: str) -> SentimentHead:
    """examples: label, language, split (see `sentiment_examples.choose`); vectors: float32 [n, dim], theirs.

    encoder: reference of the encoder that made the vectors.
    """
    label, language, split = (examples[c].to_numpy() for c in ("label", "language", "split"))
    found = sorted(set(language.tolist()), key=lambda name: (name != OTHER, name))
    chosen: list[tuple[np.ndarray, np.ndarray, float]] = []
    for name in found:
        train, val = (np.flatnonzero((language == name) & (split == s)) for s in ("train", "val"))
        if len(val) < FEW:
            val = train
        best = float("inf")
        for l2 in config.l2:
            w, b = _regress(vectors[train], label[train].astype(np.int64), l2, config.steps)
            logits = vectors[val] @ w + b
            t = temperature(logits, label[val])
            loss = log_loss(logits / t, label[val])
            if loss < best:
                best, kept = loss, (w, b, t)
        chosen.append(kept)
    weights, bias, temperatures = (np.asarray(x, np.float32) for x in zip(*chosen, strict=True))
    return SentimentHead(tuple(found), weights, bias, temperatures, encoder)


def evaluate(head: SentimentHead, examples: pa.Table, vectors: np.ndarray, seed: int) -> dict[str, Any]:
    """Numbers on the test examples, by language.

    accuracy, recall_negative: of the texts that are not neutral, by the more probable of negative and positive.
    ece, calibration: of all three probabilities. Each with its 95 % bootstrap interval; baselines beside them.
    """
    language, split = (examples[c].to_numpy() for c in ("language", "split"))
    probabilities = head.probabilities(vectors, examples["language"].combine_chunks())
    found = {}
    for i, name in enumerate(head.languages):
        mine = language == name
        test = np.flatnonzero(mine & (split == "test"))
        train = examples.take(pa.array(np.flatnonzero(mine & (split == "train"))))
        rows = examples.take(pa.array(test))
        counts = {"train_rows": train.num_rows, "val_rows": int((mine & (split == "val")).sum())}
        scores = _scores(rows["label"].to_numpy(), probabilities[test], seed)
        others = _baselines(train, rows, name)
        found[name] = counts | {"temperature": float(head.temperature[i])} | scores | {"baselines": others}
    return found


def temperature(logits: np.ndarray, label: np.ndarray) -> float:
    """What to divide logits [n, classes] by so that their log loss is least, 0.05 to 20, by golden-section search."""
    low, high = np.log(_COLDEST), np.log(_HOTTEST)  # the loss is convex in the inverse, so it has one minimum here too
    golden = (np.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        a, b = high - golden * (high - low), low + golden * (high - low)
        if log_loss(logits / np.exp(a), label) < log_loss(logits / np.exp(b), label):
            high = b
        else:
            low = a
    return float(np.exp((low + high) / 2))


def recalibrate(logits: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, float]:
    """(shift [classes], temperature) that make the log loss of (logits + shift) / temperature least.

    One head for all languages knows one share of each class; a language has its own. Vector scaling with one scale
    (Guo et al. 2017, section 4.2); a class that is not among the labels is not shifted. Temperature: 0.05 to 20, as few
    examples that are all told right would have none.
    """
    target = torch.from_numpy(label.astype(np.int64))
    known = torch.from_numpy(np.isin(np.arange(logits.shape[1]), label))
    inputs = torch.from_numpy(logits.astype(float))
    shift = torch.zeros(logits.shape[1], dtype=torch.float64, requires_grad=True)
    cooling = torch.zeros((), dtype=torch.float64, requires_grad=True)  # -log of the temperature
    optimizer = torch.optim.LBFGS([shift, cooling], max_iter=200, line_search_fn="strong_wolfe")

    def warmth() -> torch.Tensor:
        return torch.exp(-cooling).clamp(_COLDEST, _HOTTEST)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        moved = (inputs + torch.where(known, shift, 0.0)) / warmth()
        value = torch.nn.functional.cross_entropy(moved, target) + 1e-4 * (shift**2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with _one_thread():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    return torch.where(known, shift, 0.0).detach().numpy(), float(warmth().detach())


def log_loss(logits: np.ndarray, label: np.ndarray) -> float:
    """Mean negative log probability of the true class."""
    true = softmax(logits)[np.arange(len(label)), label]
    return float(-np.log(np.maximum(true, 1e-12)).mean())


def _regress(vectors: np.ndarray, label: np.ndarray, l2: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """(weights [dim, 3], bias [3]) of a multinomial logistic regression on standardised vectors.

    Loss: mean cross entropy + l2 x the weights' squares. The standardisation is folded into what is returned.
    """
    mean, scale = vectors.mean(0, dtype=float), vectors.std(0, dtype=float) + 1e-6
    inputs = torch.from_numpy((vectors - mean) / scale)
    target = torch.from_numpy(label)
    weights = torch.zeros((inputs.shape[1], len(LABELS)), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(LABELS), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=steps, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = torch.nn.functional.cross_entropy(inputs @ weights + bias, target) + l2 * (weights**2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with _one_thread():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    w, b = weights.detach().numpy(), bias.detach().numpy()
    w = w / scale[:, None]
    return w, b - mean @ w


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in one order whatever the machine; and it is too little work to share."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _scores(truth: np.ndarray, probabilities: np.ndarray, seed: int) -> dict[str, Any]:
    sure = truth != NEUTRAL
    side, guess = truth[sure], polar(probabilities)[sure]
    best = probabilities.argmax(axis=1)
    return {
        "test_rows": len(truth),
        "accuracy": accuracy_interval(side, guess, seed).tree(),
        "recall_negative": recall_interval(side, guess, NEGATIVE, seed).tree(),
        "recall_positive": recall_interval(side, guess, POSITIVE, seed).tree(),
        "ece": ece_interval(truth, probabilities, seed).tree(),
        "accuracy_of_three": accuracy_interval(truth, best, seed).tree(),
        "confusion": {"labels": LABELS, "matrix": confusion(truth, best, len(LABELS)).tolist()},
        "calibration": reliability(truth, probabilities),
    }


def _baselines(train: pa.Table, test: pa.Table, language: str) -> dict[str, dict[str, float]]:
    """Accuracy and recall of negatives of what the head has to beat, on the same test texts that are not neutral."""
    known, seen = (t.filter(pa.array(t["label"].to_numpy() != NEUTRAL)) for t in (train, test))
    truth, texts = seen["label"].to_numpy(), seen["text"].to_pylist()
    label = known["label"].to_numpy()
    guesses: dict[str, np.ndarray | None] = {
        "majority": baselines.majority(label, len(texts)),
        "character_bayes": baselines.CharacterBayes.fit(known["text"].to_pylist(), label).predict(texts),
    }
    if language == OTHER:
        guesses["vader"] = baselines.vader(texts, NEGATIVE, POSITIVE)
    return {
        name: {"accuracy": round(accuracy(truth, g), 5), "recall_negative": round(recall(truth, g, NEGATIVE), 5)}
        for name, g in guesses.items()
        if g is not None
    }


def origin(reviews: Snapshot, encoder: str, engine: EngineConfig, examples: ExampleConfig, head: HeadConfig) -> str:
    """What names a head's making: source version, encoder, engine and configuration. Equal: the same head again."""
    return recipe_digest(
        {
            "version": VERSION,
            "reviews": [reviews.table_id, reviews.version],
            "encoder": encoder,
            "engine": engine.identity(),
            "examples": examples.model_dump(mode="json"),
            "head": head.model_dump(mode="json"),
        }
    )
