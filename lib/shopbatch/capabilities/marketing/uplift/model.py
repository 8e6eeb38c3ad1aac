"""The model `uplift`: predicts what a message adds to a user's purchases. Trained by `train_uplift`.

`plan_campaigns` uses it. Its folder holds `uplift.json`, and one text file of LightGBM for each model of boosted trees.
"""

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
    """The mean effect of a message, learnt from experiments, and, if one was found, an order of users by effect.

    Attributes:
        kind: Meaning of the score: `uplift`, `response`, or `none` for no score.
        outcome: The predicted quantity: bought (a probability), sales (money) or baskets (a number), within `window`
            days.
        window: Days from the message on.
        arm: The treated arm of the experiments, such as the name of a channel.
        scorer: Scores users; None if no order of the users is better than chance.
        centre: Mean score; a user with this score has the mean effect.
        slope: Effect per unit of score: the expected effect is effect + slope * (score - centre).
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
        """Return what a message is expected to add to each user's outcome, float64 [n].

        Without a scorer, that is the mean effect for everybody.

        Args:
            rows: Features as `features.features` makes them, float64 [n, features].
        """
        if self.scorer is None:
            return np.full(len(rows), self.effect.value)
        return self.effect.value + self.slope * (self.scorer.score(rows) - self.centre)

    def save(self, folder: Path) -> None:
        """Write the model's files into a folder. Equal models give equal bytes."""
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
        """Read a model from its folder.

        Raises:
            UserError: The folder holds no uplift model, or one that reads other features than this version of the
                program.
            ModelError: The files are damaged.
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
    """Return the JSON entry of one model in `uplift.json`; boosted trees are written into a file of their own."""
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
        if _digest(text) != term["digest"]:  # LightGBM kills the process on some truncated files
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
