"""From which probability on a question is answered, or a reply drafted, so that the precision holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from shopbatch.evaluation.selective import NEVER, Bound, certain_bound

ANSWER, DRAFT, ESCALATE = "answer", "draft", "escalate"
_SPREADS = (0.0, 0.5, 1.0)  # how much intents may differ, in log odds; 0 gives all the same bounds
_ROUNDS = 12  # of Newton's method, which needs fewer


@dataclass(frozen=True)
class Bounds:
    """Least probability at which a question is answered, and at which a reply is drafted.

    Attributes:
        answer: From it on, the shop answers without a person.
        draft: From it on, a person gets a draft; never above `answer`.
    """

    answer: float = NEVER
    draft: float = NEVER


@dataclass(frozen=True)
class Thresholds:
    """The bounds of all intents.

    Attributes:
        common: Bounds of an intent that has none of its own.
        by_intent: Bounds of intents whose probabilities have proved to be too high or too low.
        precision: Share of right ones that the answered questions were to reach; 0 where nothing was measured.
        confidence: How sure that is, such as 0.9; 0 where nothing was measured.
    """

    common: Bounds = Bounds()
    by_intent: Mapping[str, Bounds] = field(default_factory=dict)
    precision: float = 0.0
    confidence: float = 0.0

    @classmethod
    def everywhere(cls, answer: float, draft: float) -> Thresholds:
        """Return the same bounds for all intents."""
        return cls(Bounds(answer, draft))

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Thresholds:
        """Read what `tree` returns. Raises KeyError, TypeError, ValueError where it is something else."""
        by_intent = {str(name): Bounds(**bounds) for name, bounds in tree["by_intent"].items()}
        out = cls(Bounds(**tree["common"]), by_intent, float(tree["precision"]), float(tree["confidence"]))
        for bounds in (out.common, *by_intent.values()):
            if not 0 <= bounds.draft <= bounds.answer <= NEVER:
                raise ValueError("a bound is not between 0 and 2, or that of drafts is above that of answers")
        return out

    def tree(self) -> dict[str, Any]:
        """Return it in JSON's types."""
        return asdict(self)

    def bounds(self, intent: str) -> Bounds:
        """Return the bounds of an intent."""
        return self.by_intent.get(intent, self.common)

    def decide(self, intents: Sequence[str], confidence: np.ndarray) -> list[str]:
        """Return ANSWER, DRAFT or ESCALATE for each question.

        Args:
            intents: The most probable intent of each question, [n].
            confidence: Its probability, float [n].
        """
        out = []
        for intent, sure in zip(intents, confidence.tolist(), strict=True):
            bounds = self.bounds(intent)
            out.append(ANSWER if sure >= bounds.answer else DRAFT if sure >= bounds.draft else ESCALATE)
        return out


@dataclass(frozen=True)
class Targets:
    """What the bounds must reach.

    Attributes:
        answer: Share of right ones among the questions that are answered.
        draft: The same of those that at least a reply is drafted for.
        confidence: How sure both must be.
        intent_rows: Questions that an intent needs for bounds of its own.
    """

    answer: float
    draft: float
    confidence: float
    intent_rows: int


@dataclass(frozen=True)
class Labelled:
    """Questions with known intents that the model has not seen.

    Attributes:
        intent: The most probable intent of each, [n] of str.
        confidence: Its probability, float [n].
        right: Whether it is the question's intent, bool [n]; never so for a question about none of the known ones.
        fold: A part for each; what is learnt of an intent is tried on the other parts, int [n].
    """

    intent: np.ndarray
    confidence: np.ndarray
    right: np.ndarray
    fold: np.ndarray


@dataclass(frozen=True)
class Chosen:
    """Chosen thresholds, and what they were chosen on.

    Attributes:
        thresholds: The bounds.
        score: The probabilities that were ranked, corrected by intent, float [n].
        answer, draft: What each bound takes of the questions.
        spread: How much intents were found to differ, in log odds.
    """

    thresholds: Thresholds
    score: np.ndarray
    answer: Bound
    draft: Bound
    spread: float


def choose_thresholds(questions: Labelled, targets: Targets) -> Chosen:
    """Choose the bounds so that the share of right ones certainly reaches the targets.

    An intent whose probabilities prove too high or too low gets a shift of them, drawn towards that of all intents (a
    random effect in log odds). It is learnt on some questions and tried on others, and only kept if that pays. Then one
    bound is chosen on the shifted probabilities of all intents, so that intents with few questions lean on the rest.

    Args:
        questions: Those to choose on.
        targets: What to reach.
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
    """Return probabilities, those of each part shifted by what the other parts tell."""
    out = np.zeros(len(questions.right))
    for part in np.unique(questions.fold).tolist():
        inside = questions.fold == part
        common, shifts = _shifts(questions, ~inside, spread, least)
        shift = np.array([common + shifts.get(name, 0.0) for name in questions.intent[inside].tolist()])
        out[inside] = _share(_odds(questions.confidence[inside]) + shift)
    return out


def _shifts(questions: Labelled, rows: np.ndarray, spread: float, least: int) -> tuple[float, dict[str, float]]:
    """Return the shift of all intents, and what each with enough questions differs from it, in log odds."""
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
    """The probability of the model that shifted gives the score."""
    return NEVER if score >= NEVER else float(_share(_odds(np.array([score])) - shift)[0])


def _odds(share: np.ndarray) -> np.ndarray:
    inside = np.clip(share.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)))


def _share(odds: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-odds)))


def _loss(share: np.ndarray, right: np.ndarray) -> float:
    return float(-np.log(np.maximum(np.where(right, share, 1 - share), 1e-9)).mean()) if len(share) else 0.0
