"""Judges a model of intents on people's questions that it has not seen, for the gates of `train_intents`.

The model is compared with a baseline (character n-grams) and with the live model. Accuracy and calibration are measured
on all questions together and by language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from shopbatch.capabilities.support.config_intents import IntentGates
from shopbatch.evaluation.classification import Interval, accuracy_interval, reliability
from shopbatch.evaluation.paired import difference
from shopbatch.evaluation.selective import auroc
from shopbatch.warehouse.gates import Gate, explain

ALL = "all"
_MORE = "add questions to intent_examples, or agents' labels to ticket_feedback"
_FEW = 30  # least questions of a language that is listed


@dataclass(frozen=True)
class Judged:
    """People's questions with the predictions of models that have not seen them.

    Attributes:
        label: Index of the true intent, int64 [n]; `other` for a question about no known intent.
        language: ISO 639-1 code, [n] of str; "" where unknown.
        probabilities: Probability of each intent, float64 [n, intents].
        rival: Intent that the baseline (character n-grams) predicts, int64 [n].
        other: The label of questions about no known intent.
    """

    label: np.ndarray
    language: np.ndarray
    probabilities: np.ndarray
    rival: np.ndarray
    other: int

    @property
    def known(self) -> np.ndarray:
        """Return True where a question is about a known intent, bool [n]."""
        return np.asarray(self.label != self.other)

    @property
    def chosen(self) -> np.ndarray:
        """Return the index of each question's most probable intent, int64 [n]."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def confidence(self) -> np.ndarray:
        """Return the probability of each question's most probable intent, float64 [n]."""
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def right(self) -> np.ndarray:
        """Return True where the most probable intent is the right one, bool [n]."""
        return np.asarray(self.chosen == self.label)


def measure(judged: Judged, seed: int) -> dict[str, dict[str, Any]]:
    """Measure the predictions for each language with at least 30 questions, and for all questions together (ALL).

    The measures of a group of questions are:

    - `questions`, `others`: numbers of questions about known intents, and about no known intent;
    - `accuracy`, `top_3`: of the questions about known intents, the share whose right intent is the most probable one,
      or among the three most probable, as {"value", "low", "high"} with a 95 % bootstrap interval;
    - `known_auroc`: how well the sum of the probabilities separates questions about known intents from others (area
      under the ROC curve, 0 to 1, nan if there are only questions of one sort);
    - `right_auroc`: how well the confidence separates right from wrong predictions (likewise); for a question about no
      known intent every prediction is wrong;
    - `calibration`: confidence compared with accuracy, as `classification.reliability` returns it;
    - `baselines`: {"character n-grams": accuracy of the baseline, in the form of `accuracy`}.

    Args:
        judged: The questions and predictions.
        seed: Seed of the bootstrap intervals.

    Returns:
        {ISO 639-1 code of a language, or ALL: {name of a measure: its value}}.
    """
    groups = {ALL: np.full(len(judged.label), True)}
    groups |= {name: judged.language == name for name in sorted(set(judged.language.tolist())) if name}
    return {name: _figures(judged, rows, seed) for name, rows in groups.items() if name == ALL or rows.sum() >= _FEW}


def _figures(judged: Judged, rows: np.ndarray, seed: int) -> dict[str, Any]:
    """Return the measures of `measure` for the questions that a mask selects.

    Args:
        judged: The questions and predictions.
        rows: Mask of the questions to measure, bool [n].
        seed: Seed of the bootstrap intervals.
    """
    known = rows & judged.known
    order = np.argsort(-judged.probabilities[known], axis=1)[:, :3]
    among = (order == judged.label[known][:, None]).any(axis=1)
    right, sure = judged.right[rows], judged.confidence[rows]
    return {
        "questions": int(known.sum()),
        "others": int((rows & ~judged.known).sum()),
        "accuracy": accuracy_interval(judged.label[known], judged.chosen[known], seed).tree(),
        "top_3": accuracy_interval(np.ones(len(among), int), among.astype(int), seed).tree(),
        "known_auroc": round(auroc(judged.probabilities[rows].sum(axis=1), judged.known[rows]), 5),
        "right_auroc": round(auroc(sure, right), 5),
        "calibration": reliability(right.astype(np.int64), np.column_stack([1 - sure, sure])),
        "baselines": {"character n-grams": accuracy_interval(judged.label[known], judged.rival[known], seed).tree()},
    }


def against_rival(judged: Judged, seed: int) -> Interval:
    """Return the accuracy minus that of the baseline (character n-grams), with its 95 % interval.

    Only questions about known intents are used.

    Args:
        judged: The questions and predictions.
        seed: Seed of the bootstrap.
    """
    known = judged.known
    return difference(judged.right[known].astype(float), (judged.rival == judged.label)[known].astype(float), seed)


def enough(count: int, limits: IntentGates) -> Gate:
    """Return the gate on the number of people's questions about known intents.

    Args:
        count: Number of these questions.
        limits: Settings of the gates.
    """
    passed = count >= limits.min_examples or limits.accept == "few_examples"
    what = f"{count:,} questions of people about known intents are less than gates.min_examples={limits.min_examples}"
    why, do = "generated questions flatter a model and open no gate", f"{_MORE}, or set gates.accept=few_examples"
    note = "gates.accept=few_examples" if count < limits.min_examples else ""
    return Gate("questions of people", count, limits.min_examples, passed, explain(passed, what, why, do, note))


def gates(quality: Mapping[str, Mapping[str, Any]], gain: Interval, limits: IntentGates) -> list[Gate]:
    """Return the gates on accuracy, and on the gain over the baseline (character n-grams), on people's questions.

    Args:
        quality: Measures by language, as `measure` returns them; only those of ALL are used.
        gain: Accuracy minus that of the baseline, as `against_rival` returns it.
        limits: Settings of the gates.
    """
    whole = quality[ALL]
    count, accuracy = int(whole["questions"]), whole["accuracy"]
    accepted = limits.accept == "few_examples"
    good = accuracy["value"] >= limits.accuracy or (accepted and count < limits.min_examples)
    better = gain.low > 0 if limits.certain else gain.high >= 0
    better = better or (accepted and count < limits.min_examples)
    low = (
        f"{accuracy['value']:.1%} of people's questions are sorted right, less than gates.accuracy={limits.accuracy:g}"
    )
    rival = f"n-grams of characters may be as good: the gain's 95 % interval is {gain.low:+.3f} to {gain.high:+.3f}"
    note = f"95 % interval {accuracy['low']:.3f} to {accuracy['high']:.3f}"
    return [
        Gate("accuracy on people's questions", accuracy["value"], limits.accuracy, good,
             explain(good, low, "many tickets would get a wrong reply", f"{_MORE}, or set a lower limit", note)),
        Gate("gain on n-grams of characters", round(gain.low, 5), 0.0, better,
             explain(better, rival, "the encoder would bring nothing", f"{_MORE}, or set gates.certain=false")),
    ]  # fmt: skip


def live_gate(gain: Interval, questions: int) -> Gate:
    """Return the gate that refuses a model which is certainly less accurate than the live model.

    Args:
        gain: Accuracy minus the live model's, with its 95 % interval, on questions that neither model has seen.
        questions: Number of these questions.
    """
    fair = not gain.high < 0
    what = f"on {questions:,} questions that it has not seen, the live model is better for certain ({gain.high:+.3f})"
    why = "tickets would be sorted worse than now"
    do = "look at what changed in intent_examples, ticket_feedback and support_dialogs; the model stays as it is"
    note = f"{questions:,} questions that the live model has not seen"
    return Gate("accuracy against the live model", round(gain.high, 5), 0.0, fair, explain(fair, what, why, do, note))
