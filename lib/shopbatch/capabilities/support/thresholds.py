"""Chooses how probable an intent must be for a question to be answered, or a reply drafted, without too many errors.

`train_intents` chooses the thresholds so that a target precision is reached, and stores them in the model.
`answer_tickets` applies them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from shopbatch.evaluation.selective import NEVER, Bound, certain_bound

ANSWER, DRAFT, ESCALATE = "answer", "draft", "escalate"
_SPREADS = (0.0, 0.5, 1.0)  # prior standard deviations to try, in log odds; 0: all intents share their thresholds
_ROUNDS = 12  # iterations of Newton's method; it converges in fewer


@dataclass(frozen=True)
class Bounds:
    """The thresholds of one intent: least probabilities at which its questions are answered or drafted.

    Attributes:
        answer: From this probability on, the shop answers without a person; NEVER (2.0, above any probability): not at
            all.
        draft: From this probability on, a person gets a draft; never above `answer`.
    """

    answer: float = NEVER
    draft: float = NEVER


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of all intents.

    Attributes:
        common: Thresholds of an intent that has none of its own.
        by_intent: Thresholds of intents whose probabilities have proved too high or too low.
        precision: Target share of right intents among the answered questions; 0 where nothing was measured.
        confidence: Probability with which the targets are reached, such as 0.9; 0 where nothing was measured.
    """

    common: Bounds = Bounds()
    by_intent: Mapping[str, Bounds] = field(default_factory=dict)
    precision: float = 0.0
    confidence: float = 0.0

    @classmethod
    def everywhere(cls, answer: float, draft: float) -> Thresholds:
        """Return thresholds that are the same for all intents."""
        return cls(Bounds(answer, draft))

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Thresholds:
        """Decode thresholds from the JSON tree that `tree` returned.

        Raises:
            KeyError, TypeError, ValueError: The tree has another form, or a threshold is out of range.
        """
        by_intent = {str(name): Bounds(**bounds) for name, bounds in tree["by_intent"].items()}
        out = cls(Bounds(**tree["common"]), by_intent, float(tree["precision"]), float(tree["confidence"]))
        for bounds in (out.common, *by_intent.values()):
            if not 0 <= bounds.draft <= bounds.answer <= NEVER:
                raise ValueError("a bound is not between 0 and 2, or that of drafts is above that of answers")
        return out

    def tree(self) -> dict[str, Any]:
        """Return the thresholds as a tree of JSON types."""
        return asdict(self)

    def bounds(self, intent: str) -> Bounds:
        """Return the thresholds of an intent: its own, or the common ones."""
        return self.by_intent.get(intent, self.common)

    def decide(self, intents: Sequence[str], confidence: np.ndarray) -> list[str]:
        """Return ANSWER, DRAFT or ESCALATE for each question.

        Args:
            intents: The most probable intent of each question, [n].
            confidence: The probability of that intent, float [n].
        """
        out = []
        for intent, sure in zip(intents, confidence.tolist(), strict=True):
            bounds = self.bounds(intent)
            out.append(ANSWER if sure >= bounds.answer else DRAFT if sure >= bounds.draft else ESCALATE)
        return out


@dataclass(frozen=True)
class Targets:
    """The targets that the thresholds must reach.

    Attributes:
        answer: Share of right intents among the questions that are answered.
        draft: Share of right intents among the questions that are answered or drafted.
        confidence: Probability with which each share must be reached.
        intent_rows: Number of questions that an intent needs for thresholds of its own.
    """

    answer: float
    draft: float
    confidence: float
    intent_rows: int


@dataclass(frozen=True)
class Labelled:
    """Questions whose intents people labelled, with the predictions of models that have not seen them.

    Attributes:
        intent: The most probable intent of each question, [n] of str.
        confidence: The probability of that intent, float [n].
        right: True where that intent is the right one, bool [n]; False for questions about no known intent.
        fold: Cross-validation fold, int [n]: corrections learnt from the other folds are tried on this one.
    """

    intent: np.ndarray
    confidence: np.ndarray
    right: np.ndarray
    fold: np.ndarray


@dataclass(frozen=True)
class Chosen:
    """Chosen thresholds, with the scores and counts on which the choice rests.

    Attributes:
        thresholds: The thresholds.
        score: Probability of each question's intent, corrected by intent (see `choose_thresholds`), float [n].
        answer: The threshold on `score` for answering, the number of questions at or above it, and how many are right.
        draft: The three numbers of `answer`, for drafting instead of answering.
        spread: Standard deviation of the correction between intents, in log odds; 0: all intents get the same
            correction.
    """

    thresholds: Thresholds
    score: np.ndarray
    answer: Bound
    draft: Bound
    spread: float


def choose_thresholds(questions: Labelled, targets: Targets) -> Chosen:
    """Choose the thresholds so that the shares of right intents reach the targets with the required confidence.

    First the probabilities are corrected, because those of some intents prove too high or too low. The correction of an
    intent is drawn towards that of all intents (a random effect in log odds). Several strengths of this pull are tried;
    the one with the least log loss on held-out folds is used. Then one threshold is chosen on the corrected
    probabilities of all intents together, so that intents with few questions profit from the others.

    Args:
        questions: Questions with known intents to choose on.
        targets: Shares and confidence to reach.
    """
    tried = {spread: _cross_shifted(questions, spread, targets.intent_rows) for spread in _SPREADS}
    spread = min(_SPREADS, key=lambda each: _loss(tried[each], questions.right))
    score = tried[spread]
    answer = certain_bound(score, questions.right, targets.answer, targets.confidence)
    draft = certain_bound(score, questions.right, targets.draft, targets.confidence)
    common, shifts = _shifts(questions, np.full(len(score), True), spread, targets.intent_rows)

    def bounds(shift: float) -> Bounds:
        high, low = (_unshifted(bound.score, shift) for bound in (answer, draft))
        return Bounds(high, min(high, low))

    by_intent = {name: bounds(common + shift) for name, shift in sorted(shifts.items())}
    return Chosen(
        Thresholds(bounds(common), by_intent, targets.answer, targets.confidence), score, answer, draft, spread
    )


def _cross_shifted(questions: Labelled, spread: float, least: int) -> np.ndarray:
    """Return the corrected probabilities of the questions, float64 [n]; corrections are learnt from the other folds.

    Args:
        questions: The questions.
        spread: Standard deviation of the correction between intents, in log odds.
        least: Number of questions that an intent needs for a correction of its own.
    """
    out = np.zeros(len(questions.right))
    for part in np.unique(questions.fold).tolist():
        inside = questions.fold == part
        common, shifts = _shifts(questions, ~inside, spread, least)
        shift = np.array([common + shifts.get(name, 0.0) for name in questions.intent[inside].tolist()])
        out[inside] = _share(_odds(questions.confidence[inside]) + shift)
    return out


def _shifts(questions: Labelled, rows: np.ndarray, spread: float, least: int) -> tuple[float, dict[str, float]]:
    """Fit the corrections of the probabilities, in log odds, to some of the questions.

    Args:
        questions: The questions.
        rows: Mask of the questions to use, bool [n].
        spread: Standard deviation of the correction between intents.
        least: Number of questions that an intent needs for a correction of its own.

    Returns:
        The correction that all intents get, and what is added to it for each intent with at least `least` questions.
    """
    odds, right = _odds(questions.confidence[rows]), questions.right[rows].astype(float)
    names, place, counts = np.unique(questions.intent[rows], return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    enough = (counts >= least) & (spread > 0)
    common, own = 0.0, np.zeros(len(names))
    for _ in range(_ROUNDS):
        share = _share(odds + common + own[place])
        common += float((right - share).sum() - 0.1 * common) / (float((share * (1 - share)).sum()) + 0.1)
        common = float(np.clip(common, -4, 4))
        if enough.any():
            share = _share(odds + common + own[place])
            slope = np.bincount(place, right - share, len(names)) - own / spread**2
            bend = np.bincount(place, share * (1 - share), len(names)) + 1 / spread**2
            own = np.where(enough, np.clip(own + slope / bend, -4, 4), 0.0)
    return common, {str(name): float(own[at]) for at, name in enumerate(names.tolist()) if enough[at]}


def _unshifted(score: float, shift: float) -> float:
    """Return the model's probability whose corrected value is `score`; NEVER if the score is NEVER."""
    return NEVER if score >= NEVER else float(_share(_odds(np.array([score])) - shift)[0])


def _odds(share: np.ndarray) -> np.ndarray:
    """Return the log odds of probabilities, which are clipped to [1e-6, 1 - 1e-6]."""
    inside = np.clip(share.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)))


def _share(odds: np.ndarray) -> np.ndarray:
    """Return the probabilities of log odds."""
    return np.asarray(1 / (1 + np.exp(-odds)))


def _loss(share: np.ndarray, right: np.ndarray) -> float:
    """Return the log loss of probabilities of being right; 0 for no questions."""
    return float(-np.log(np.maximum(np.where(right, share, 1 - share), 1e-9)).mean()) if len(share) else 0.0
