"""The model `uplift`: what a message is expected to add to what a user does. JSON, and LightGBM's text for trees."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shopbatch.capabilities.marketing.uplift.features import FEATURES
from shopbatch.capabilities.marketing.uplift.learners import Scorer, Term
from shopbatch.capabilities.marketing.uplift.parts import Boosted, Linear, Part
from shopbatch.core.errors import UserError
from shopbatch.evaluation.classification import Interval
from shopbatch.models.folder import ModelError

NAME = "uplift"
_WORDS = "uplift.json"
_VERSION = 1


@dataclass(frozen=True)
class UpliftModel:
    """What was learnt from experiments.

    Attributes:
        kind: uplift, response or none: what the score is.
        outcome: What is counted: bought, sales or baskets, within `window` days.
        window: Days.
        arm: The arm that was learnt from, such as a channel.
        scorer: Orders users; None if no order is better than chance.
        centre, slope: The expected effect is effect + slope x (score - centre).
        effect: The mean effect with its 95 % interval.
        features: Names of the columns that the scorer reads.
    """

    kind: str
    outcome: str
    window: int
    arm: str
    scorer: Scorer | None
    centre: float
    slope: float
    effect: Interval
    features: Sequence[str] = FEATURES

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Return what a message is expected to add to each user's outcome. rows: float64 [n, features]."""
        if self.scorer is None:
            return np.full(len(rows), self.effect.value)
        return self.effect.value + self.slope * (self.scorer.score(rows) - self.centre)

    def save(self, folder: Path) -> None:
        """Write the files; equal models give equal bytes."""
        terms = []
        for number, term in enumerate(self.scorer.terms if self.scorer else ()):
            terms.append({"share": term.share, "treatment": term.treatment, **_part(term.part, folder, number)})
        words = {
            "version": _VERSION,
            "kind": self.kind,
            "outcome": self.outcome,
            "window": self.window,
            "arm": self.arm,
            "learner": self.scorer.name if self.scorer else "",
            "centre": self.centre,
            "slope": self.slope,
            "effect": [self.effect.value, self.effect.low, self.effect.high],
            "features": list(self.features),
            "terms": terms,
        }
        (folder / _WORDS).write_text(json.dumps(words, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> UpliftModel:
        """Read the files.

        Raises:
            UserError: They are not those of an uplift model, or of one that reads other features.
            ModelError: They are damaged.
        """
        if not (folder / _WORDS).is_file():
            raise UserError(f"model {folder}: it is no uplift model; train one: shopbatch run train_uplift")
        try:
            words = json.loads((folder / _WORDS).read_text("utf-8"))
            terms = [Term(float(t["share"]), _read_part(t, folder), _number(t["treatment"])) for t in words["terms"]]
            model = cls(
                str(words["kind"]),
                str(words["outcome"]),
                int(words["window"]),
                str(words["arm"]),
                Scorer(str(words["learner"]), terms) if terms else None,
                float(words["centre"]),
                float(words["slope"]),
                Interval(*map(float, words["effect"])),
                tuple(map(str, words["features"])),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"model {folder} is damaged ({type(error).__name__})") from None
        if tuple(model.features) != FEATURES:
            raise UserError(f"model {folder} reads other features than this version: shopbatch run train_uplift")
        return model


def _part(part: Part, folder: Path, number: int) -> dict[str, Any]:
    """What uplift.json says of a part; trees get a file of their own."""
    if isinstance(part, Boosted):
        name = f"trees-{number}.txt"
        (folder / name).write_text(part.text, "utf-8")
        return {"trees": name, "digest": _digest(part.text)}
    assert isinstance(part, Linear)
    return {
        "linear": {
            "mean": part.mean.tolist(),
            "scale": part.scale.tolist(),
            "weight": part.weight.tolist(),
            "bias": part.bias,
            "logistic": part.logistic,
        }
    }


def _read_part(term: dict[str, Any], folder: Path) -> Part:
    if "trees" in term:
        name = str(term["trees"])
        if Path(name).name != name:
            raise ValueError("a file outside the folder")
        text = (folder / name).read_text("utf-8")
        if _digest(text) != term["digest"]:  # LightGBM ends the process at some texts that are cut off
            raise ValueError("a file that was changed")
        return Boosted(text)
    tree = term["linear"]
    mean, scale, weight = (np.array(tree[name], np.float64) for name in ("mean", "scale", "weight"))
    if not (mean.shape == scale.shape == weight.shape and mean.ndim == 1):
        raise ValueError("arrays that do not fit together")
    return Linear(mean, scale, weight, float(tree["bias"]), bool(tree["logistic"]))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
