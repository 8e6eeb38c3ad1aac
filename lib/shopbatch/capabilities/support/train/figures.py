"""Makes the figures and tables in the report of `train_intents`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shopbatch.capabilities.support.evaluate import ALL, Judged
from shopbatch.capabilities.support.thresholds import Chosen, Labelled
from shopbatch.evaluation.classification import confusion
from shopbatch.evaluation.selective import NEVER, curve
from shopbatch.runs.report import Figure, Report

MIXED = 8  # most intents in the confusion matrix
COSTLY = 15


def fill_figures(
    report: Report, judged: Judged, names: Sequence[str], questions: Labelled, chosen: Chosen, confidence: float
) -> None:
    """Add four figures to the report: coverage, confused intents, calibration, and intents often left to a person.

    Args:
        report: The report, which is filled in.
        judged: People's questions with held-out predictions.
        names: The known intents.
        questions: The questions on which the thresholds were chosen.
        chosen: The chosen thresholds.
        confidence: Confidence level of the intervals in the coverage curve, such as 0.9.
    """
    report.figures += [
        coverage(chosen, questions, confidence),
        mixed_up(judged, names),
        Figure(
            "calibration",
            "How often a question is sorted right, by confidence",
            report.metrics["quality"][ALL]["calibration"],
            "People's questions, each judged by a model that has not seen it; one about something else is never right.",
        ),
        costly(chosen, questions),
    ]


def coverage(chosen: Chosen, questions: Labelled, confidence: float) -> Figure:
    """Return a curve of precision against coverage (the share of questions answered without a person).

    Args:
        chosen: The chosen thresholds, with the questions' scores.
        questions: The questions on which they were chosen.
        confidence: Confidence level of the intervals, such as 0.9.
    """
    points = curve(chosen.score, questions.right, confidence)
    share = (100 * points[:, 1]).round(2).tolist()
    series = {
        f"lower end, {confidence:.0%} interval": [share, points[:, 3].round(4).tolist()],
        "upper end": [share, points[:, 4].round(4).tolist()],
        "share of right ones": [share, points[:, 2].round(4).tolist()],
    }
    taken = f"{chosen.answer.rows / max(1, len(questions.right)):.0%} of the questions are answered"
    said = "no bound is certain enough to answer" if chosen.answer.score >= NEVER else taken
    caption = (
        f"Of {len(questions.right):,} questions that the model has not seen, the surest first; {said}. Each interval "
        "holds by itself. The bound is chosen by a stricter one, which holds over all bounds that were tried."
    )
    data = {"series": series, "labels": ["questions answered, in percent", "share sorted right"]}
    return Figure("curves", "Coverage against precision", data, caption)


def mixed_up(judged: Judged, names: Sequence[str]) -> Figure:
    """Return a confusion matrix of the (at most MIXED) intents that are most often confused with each other.

    Args:
        judged: People's questions with held-out predictions.
        names: The known intents.
    """
    matrix = confusion(judged.label[judged.known], judged.chosen[judged.known], len(names))
    wrong = matrix - np.diag(np.diag(matrix))
    pairs = wrong + wrong.T
    picked: list[int] = []
    for cell in np.argsort(-pairs, axis=None, kind="stable").tolist():
        if len(picked) >= MIXED or not pairs.flat[cell]:
            break
        picked += [n for n in divmod(cell, len(names)) if n not in picked][: MIXED - len(picked)]
    picked = sorted(picked) or list(range(min(2, len(names))))
    data = {"labels": [names[n] for n in picked], "matrix": matrix[np.ix_(picked, picked)].tolist()}
    caption = "Questions of people about these intents that were taken for one of them; rows are the true intents."
    return Figure("confusion", "The intents that are mixed up most", data, caption)


def costly(chosen: Chosen, questions: Labelled) -> Figure:
    """Return a table of the intents whose questions are most often left to a person.

    Args:
        chosen: The chosen thresholds, with the questions' scores.
        questions: The questions on which they were chosen.
    """
    rows = []
    for name in np.unique(questions.intent).tolist():
        of_intent = questions.intent == name
        answered = of_intent & (chosen.score >= chosen.answer.score)
        count, right, open_ = (
            int(of_intent.sum()),
            int(questions.right[of_intent].sum()),
            int((of_intent & ~answered).sum()),
        )
        good = int(questions.right[answered].sum())
        own = "own" if name in chosen.thresholds.by_intent else "common"
        rows.append([name, count, right, int(answered.sum()), good, open_, own])
    rows.sort(key=lambda row: (-row[5], row[0]))
    columns = ["taken for", "questions", "right", "answered", "of these right", "left to a person", "bounds"]
    caption = (
        "What is left to a person costs time: add examples of these intents, or policies for what they are mixed with."
    )
    return Figure("table", "What the intents cost", {"columns": columns, "rows": rows[:COSTLY]}, caption)
