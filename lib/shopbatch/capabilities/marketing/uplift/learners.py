"""Learners of uplift: from users who were treated or not by chance, how much more each user does when treated.

S, T and X are those of Kuenzel, Sekhon, Bickel and Yu ("Metalearners for estimating heterogeneous treatment effects
using machine learning", 2019), DR is that of Kennedy ("Towards optimal doubly robust estimation of heterogeneous causal
effects", 2023). Each exists with linear models and with boosted trees. DR exists in a third way, `DR sparse`: the
effect depends on those few features alone that surely matter to it. An effect is far noisier than an outcome, so what a
model says of all the other features is mostly chance. The response model, which says how much a user does when treated,
is what they have to be better than.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.marketing.uplift.parts import Family, Part, fit
from shopbatch.evaluation.uplift import Trial

RESPONSE = "response"
PENALTY = 50.0
SPARSE = "DR sparse"
FAMILIES: tuple[Family, ...] = ("linear", "boosted")
_FAMILIES: dict[str, Family] = {"linear": "linear", "boosted": "boosted", "sparse": "sparse"}


@dataclass(frozen=True)
class Term:
    """A model as it counts in a score: `share * part(rows)`, with the treatment as one more feature if it is given."""

    share: float
    part: Part
    treatment: float | None = None


@dataclass(frozen=True)
class Scorer:
    """A score per user: a sum of terms.

    Attributes:
        name: The learner, such as `T linear`.
        terms: The terms.
    """

    name: str
    terms: Sequence[Term]

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score users. rows: float64 [n, features]. Returns float64 [n]."""
        total = np.zeros(len(rows))
        for term in self.terms:
            if term.treatment is None:
                total += term.share * term.part.predict(rows)
            else:
                total += term.share * term.part.predict(with_treatment(rows, np.full(len(rows), term.treatment)))
        return total


Learner = Callable[[Family, np.ndarray, Trial], list[Term]]


def with_treatment(rows: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Add the treatment and its products with all features, float64 [n, 2 features + 1]."""
    column = treated.astype(np.float64)[:, None]
    return np.concatenate([rows, column, rows * column], axis=1)


def s_learner(family: Family, rows: np.ndarray, trial: Trial) -> list[Term]:
    """One model that knows the treatment; its score is the difference that the treatment makes to it."""
    whole = fit(family, with_treatment(rows, trial.treated), trial.outcome, trial.weight, PENALTY)
    return [Term(1.0, whole, 1.0), Term(-1.0, whole, 0.0)]


def t_learner(family: Family, rows: np.ndarray, trial: Trial) -> list[Term]:
    """Two models, one for each arm."""
    treated, control = _arms(family, rows, trial)
    return [Term(1.0, treated), Term(-1.0, control)]


def x_learner(family: Family, rows: np.ndarray, trial: Trial) -> list[Term]:
    """Models of what each user did beyond what the other arm's model expects of him."""
    of_treated, of_control = _arms(family, rows, trial)
    arm, weight = trial.treated, trial.weight
    gain = np.where(arm, trial.outcome - of_control.predict(rows), of_treated.predict(rows) - trial.outcome)
    first = fit(family, rows[arm], gain[arm], weight[arm], PENALTY)
    second = fit(family, rows[~arm], gain[~arm], weight[~arm], PENALTY)
    share = float(arm.mean())
    return [Term(1 - share, first), Term(share, second)]


def dr_learner(family: Family, rows: np.ndarray, trial: Trial) -> list[Term]:
    """A model of the doubly robust effect of each user; models of the arms are fitted to the other half."""
    arms: Family = "linear" if family == "sparse" else family
    return [Term(1.0, fit(family, rows, doubly_robust(arms, rows, trial), np.ones(len(rows)), PENALTY))]


def response(family: Family, rows: np.ndarray, trial: Trial) -> list[Term]:
    """What treated users do: the model that campaigns are aimed by where nobody asks what they change."""
    arm = trial.treated
    return [Term(1.0, fit(family, rows[arm], trial.outcome[arm], trial.weight[arm], PENALTY))]


LEARNERS: dict[str, Learner] = {"S": s_learner, "T": t_learner, "X": x_learner, "DR": dr_learner}


def train(name: str, rows: np.ndarray, trial: Trial) -> Scorer:
    """Fit a learner.

    Args:
        name: `S`, `T`, `X`, `DR` or `response`, then ` linear` or ` boosted`; or `DR sparse`.
        rows: Features, float64 [n, features], without nan.
        trial: What happened to these users.
    """
    kind, _, family = name.partition(" ")
    learner = response if kind == RESPONSE else LEARNERS[kind]
    return Scorer(name, learner(_FAMILIES[family], rows, trial))


def names(families: Sequence[Family] = FAMILIES) -> list[str]:
    """Return the names of all learners of some families, the simplest first, the response models last."""
    sparse = [SPARSE] if "linear" in families else []
    return sparse + [f"{kind} {family}" for kind in (*LEARNERS, RESPONSE) for family in families]


def doubly_robust(family: Family, rows: np.ndarray, trial: Trial) -> np.ndarray:
    """Return an estimate of the effect on each user, unbiased by design, float64 [n].

    Each half of the users gets its expectations from the other half.
    """
    half = np.arange(len(rows)) % 2 == 0
    expected = np.empty((2, len(rows)))
    for ours in (half, ~half):
        treated, control = _arms(family, rows[~ours], trial.of(~ours))
        expected[1, ours], expected[0, ours] = treated.predict(rows[ours]), control.predict(rows[ours])
    arm = trial.treated.astype(np.int64)
    error = (trial.outcome - expected[arm, np.arange(len(rows))]) * trial.weight
    return np.asarray(expected[1] - expected[0] + np.where(trial.treated, error, -error))


def _arms(family: Family, rows: np.ndarray, trial: Trial) -> tuple[Part, Part]:
    """The models of the treated and of the controls."""
    arm = trial.treated
    treated = fit(family, rows[arm], trial.outcome[arm], trial.weight[arm], PENALTY)
    return treated, fit(family, rows[~arm], trial.outcome[~arm], trial.weight[~arm], PENALTY)
