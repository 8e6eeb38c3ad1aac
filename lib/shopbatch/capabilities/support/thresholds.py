"""From which probability on a question is answered, or a reply drafted, so that the precision holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

ANSWER, DRAFT, ESCALATE = "answer", "draft", "escalate"
NEVER = 2.0  # a bound that no probability reaches


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
