"""Measure a sentiment head on the test examples, and compare it with another head. Pure functions.

All jobs that train sentiment models use it for their reports and gates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.sentiment.head import LABELS, NEGATIVE, NEUTRAL, POSITIVE, SentimentHead, polar
from shopbatch.core.errors import UserError
from shopbatch.evaluation import baselines
from shopbatch.evaluation.classification import (
    accuracy,
    accuracy_interval,
    balanced_accuracy_interval,
    confusion,
    ece_interval,
    recall,
    recall_interval,
    reliability,
)
from shopbatch.evaluation.paired import difference
from shopbatch.warehouse.gates import Gate, explain

ALL = "all"  # key of the figures of all languages together
FEW = 30  # a language with fewer test examples is not reported
FEW_IN_DOMAIN = 100  # a domain with fewer texts that are not neutral has no gate of its own


def require(examples: pa.Table, splits: Sequence[str] = ("test",)) -> None:
    """Refuse examples by which no model can be judged; called before anything is trained.

    Args:
        examples: The labelled texts, with the columns `split` and `label`.
        splits: The parts by which the model will be judged: `test`, `val` or both.

    Raises:
        UserError: One of the parts has fewer than FEW examples that are negative or positive.
    """
    for split in splits:
        part = examples.filter(pc.equal(examples["split"], split))
        sure = int((part["label"].to_numpy() != NEUTRAL).sum())
        if sure < FEW:
            raise UserError(
                f"reviews: too few labelled rows to judge a model by: {sure} of those kept for it are negative or "
                f"positive, at least {FEW} are needed; load more reviews with a rating or a label"
            )


def evaluate(head: SentimentHead, examples: pa.Table, vectors: np.ndarray, seed: int) -> dict[str, Any]:
    """Return the metrics of a head on the test examples, by language, together with those of simple baselines.

    `accuracy`, `recall_negative` and `recall_positive` are measured on the texts that are not neutral; the prediction
    is negative or positive, whichever is more probable. `ece` (expected calibration error), `calibration` (reliability
    diagram), `accuracy_of_three` and `confusion` use all three classes; if no test text of a language is neutral, only
    negative and positive. The accuracies, recalls and `ece` have 95 % bootstrap intervals. `domains` holds the metrics
    of each domain, for languages with several domains.

    Args:
        head: The head.
        examples: All examples.
        vectors: Vectors of the examples, float32 [n, dim]; those of training examples are not used.
        seed: Seed of the bootstrap.

    Returns:
        {language: metrics}; languages with fewer than 30 test examples are left out.
    """
    language, domain, split = (examples[c].to_numpy(zero_copy_only=False) for c in ("language", "domain", "split"))
    probabilities = head.probabilities(vectors, examples["language"].combine_chunks())
    quality = {}
    for i, name in enumerate(head.languages):
        in_language = language == name
        test = np.flatnonzero(in_language & (split == "test"))
        if len(test) < FEW:
            continue
        train_rows = examples.take(pa.array(np.flatnonzero(in_language & (split == "train"))))
        test_rows = examples.take(pa.array(test))
        counts = {"train_rows": train_rows.num_rows, "val_rows": int((in_language & (split == "val")).sum())}
        truth = test_rows["label"].to_numpy()
        scores = _scores(truth, stated_classes(probabilities[test], truth), seed)
        rivals = _baselines(train_rows, test_rows, name)
        quality[name] = counts | {"temperature": float(head.temperature[i])} | scores | {"baselines": rivals}
        if len(names := sorted(set(domain[test].tolist()))) > 1:
            places = {n: test[domain[test] == n] for n in names}
            labels = examples["label"].to_numpy()
            quality[name]["domains"] = {n: of_domain(labels[p], probabilities[p], seed) for n, p in places.items()}
    return quality


def of_domain(truth: np.ndarray, probabilities: np.ndarray, seed: int) -> dict[str, Any]:
    """Return the metrics of one domain: test_rows, accuracy, balanced_accuracy, recall_negative and ece.

    Accuracies and recall are measured on the texts that are not neutral; they are None if there are none.

    Args:
        truth: The right labels, int [n].
        probabilities: The head's probabilities, [n, 3].
        seed: Seed of the bootstrap.
    """
    sure = truth != NEUTRAL
    side, guess = truth[sure].astype(np.int64), polar(probabilities)[sure]
    return {
        "test_rows": len(truth),
        "accuracy": accuracy_interval(side, guess, seed).tree() if len(side) else None,
        "balanced_accuracy": balanced_accuracy_interval(side, guess, seed).tree() if len(side) else None,
        "recall_negative": recall_interval(side, guess, NEGATIVE, seed).tree() if len(side) else None,
        "ece": ece_interval(truth, stated_classes(probabilities, truth), seed).tree(),
    }


def stated_classes(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Set the probability of neutral to 0 and rescale the others to sum to 1, if no text of `truth` is neutral.

    Some sources of reviews have no neutral label. There, a head must not be marked down for giving neutral a
    probability.

    Args:
        probabilities: [n, 3].
        truth: The right labels, int [n].
    """
    if NEUTRAL in truth:
        return probabilities
    rest = probabilities * (np.arange(probabilities.shape[1]) != NEUTRAL)
    return np.asarray(rest / np.maximum(rest.sum(axis=1, keepdims=True), 1e-12))


def compare(candidate: np.ndarray, rival: np.ndarray, examples: pa.Table, seed: int) -> dict[str, Any]:
    """Return the candidate's metrics minus the rival's, for all, by language and by domain, with 95 % intervals.

    The metrics are the accuracy of negative against positive, the recall of negative and of positive, and the log loss.
    `balanced_accuracy` weights the rows so that negative and positive rows have half of the weight each.

    Args:
        candidate: The candidate's probabilities of the test examples, [n, 3].
        rival: The rival's probabilities of the same examples.
        examples: All examples.
        seed: Seed of the bootstrap.

    Returns:
        {part: {metric: {"value", "low", "high"}}}. A part is `all`, a language, or `language: domain`.
    """
    test = examples.filter(pc.equal(examples["split"], "test"))
    truth, language = test["label"].to_numpy().astype(np.int64), np.asarray(test["language"].to_pylist())
    candidate, rival = (_stated_by_language(p, truth, language) for p in (candidate, rival))
    differences = {}
    for name, rows in _parts(truth, language, np.asarray(test["domain"].to_pylist())).items():
        sure = rows & (truth != NEUTRAL)
        right = [(polar(p) == truth).astype(float) for p in (candidate, rival)]
        loss = [_log_losses(p, truth) for p in (candidate, rival)]
        balance = 1 / np.maximum(np.bincount(truth[sure], minlength=len(LABELS)), 1)[truth[sure]]
        sides = {f"recall_{LABELS[c]}": rows & (truth == c) for c in (NEGATIVE, POSITIVE)}
        differences[name] = {
            "accuracy": difference(right[0][sure], right[1][sure], seed).tree(),
            "balanced_accuracy": difference(right[0][sure], right[1][sure], seed, balance).tree(),
            **{side: difference(right[0][m], right[1][m], seed).tree() for side, m in sides.items()},
            "log_loss": difference(loss[0][rows], loss[1][rows], seed).tree(),
        }
    return differences


def _parts(truth: np.ndarray, language: np.ndarray, domain: np.ndarray) -> dict[str, np.ndarray]:
    """Return {part: boolean row mask [n]} for `all`, each language, and each large domain as `language: domain`.

    Domains are only listed for languages with several, and only with at least FEW_IN_DOMAIN texts that are not neutral.
    """
    parts = {ALL: np.full(len(truth), True)}
    for name in sorted(set(language.tolist())):
        parts[name] = language == name
        domains = sorted(set(domain[parts[name]].tolist()))
        inside = {f"{name}: {d}": parts[name] & (domain == d) for d in domains if len(domains) > 1}
        parts |= {n: rows for n, rows in inside.items() if (truth[rows] != NEUTRAL).sum() >= FEW_IN_DOMAIN}
    return parts


def _stated_by_language(probabilities: np.ndarray, truth: np.ndarray, language: np.ndarray) -> np.ndarray:
    """Apply `stated_classes` to the rows of each language.

    So a model does not gain by never answering neutral in a language whose test texts have no neutral label.
    """
    stated = probabilities.astype(float)
    for name in set(language.tolist()):
        rows = language == name
        stated[rows] = stated_classes(stated[rows], truth[rows])
    return stated


def gates(differences: Mapping[str, Any], worse: float, rival: str) -> list[Gate]:
    """Return three gates of a candidate against a rival: on log loss, on recall, and on the worst language or domain.

    The log loss must be lower, with the whole 95 % interval of the difference below 0. Recall of a class and accuracy
    may each fall by at most `worse`. Two models of equal quality may separate two classes at different places, so that
    one finds a few more texts of one class and a few fewer of the other. So a fall in recall fails the gate only if its
    whole interval lies below 0.

    Args:
        differences: The result of `compare`.
        worse: Largest loss allowed, 0 to 1: of accuracy in any language or domain, and of recall.
        rival: Name of the rival, for the messages.
    """
    high = differences[ALL]["log_loss"]["high"]
    by_language = {n: v for n, v in differences.items() if n != ALL}
    # a language may lack a class or have only neutral texts: the difference is then unknown, not a number
    accuracies = {n: v["accuracy"]["value"] for n, v in by_language.items() if not math.isnan(v["accuracy"]["value"])}
    where = min(accuracies, key=lambda name: accuracies[name], default="no language")
    least = accuracies.get(where, 0.0)
    recalls = {f"{n} {k}": t for n, v in by_language.items() for k, t in v.items() if k.startswith("recall_")}
    certain = {"no class certainly falls": 0.0} | {side: t["value"] for side, t in recalls.items() if t["high"] < 0}
    side = min(certain, key=lambda k: certain[k])
    allowed = f"more than gates.worse={worse:g}"
    why = f"{rival} would be replaced by a model that is not certainly better"
    more = "add examples or train longer; the model stays as it is"
    loss = f"the log loss may be higher than with {rival}: its 95 % interval ends at {high:+.4f}, not below 0"
    fall = f"{side} falls by {-certain[side]:.4f} against {rival}, {allowed}"
    language = f"in {where} accuracy falls by {-least:.4f} against {rival}, {allowed}"
    class_why, language_why = "texts of that class would be missed", "those texts would be judged worse"
    better, fair, even = high < 0, certain[side] >= -worse, least >= -worse
    raised = "{}, or set gates.worse={:.3f}"
    note = "the whole interval must lie below 0"
    return [
        Gate(f"log loss against {rival}, upper end", high, 0.0, better, explain(better, loss, why, more, note)),
        Gate(f"recall against {rival}, sure fall", certain[side], -worse, fair,
             explain(fair, fall, class_why, raised.format(more, 0.001 - certain[side]), side)),
        Gate(f"accuracy against {rival}, worst language or domain", least, -worse, even,
             explain(even, language, language_why, raised.format(more, 0.001 - least), where)),
    ]  # fmt: skip


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
    """Return accuracy and recall of negatives of each baseline, on the test texts that are not neutral.

    The baselines are the most frequent label, a naive Bayes of characters, and for English the lexicon VADER if
    installed.
    """
    sure_train, sure_test = (t.filter(pa.array(t["label"].to_numpy() != NEUTRAL)) for t in (train, test))
    truth, texts = sure_test["label"].to_numpy(), sure_test["text"].to_pylist()
    label = sure_train["label"].to_numpy()
    guesses: dict[str, np.ndarray | None] = {
        "majority": baselines.majority(label, len(texts)),
        "character_bayes": baselines.CharacterBayes.fit(sure_train["text"].to_pylist(), label).predict(texts),
    }
    if language == "en":
        guesses["vader"] = baselines.vader(texts, NEGATIVE, POSITIVE)
    return {
        name: {"accuracy": round(accuracy(truth, g), 5), "recall_negative": round(recall(truth, g, NEGATIVE), 5)}
        for name, g in guesses.items()
        if g is not None
    }


def _log_losses(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.asarray(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)))
