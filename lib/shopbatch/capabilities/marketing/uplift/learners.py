"""Uplift learners: estimate from a randomised experiment how much more each user does when treated.

`S`, `T` and `X` are those of Kuenzel, Sekhon, Bickel and Yu ("Metalearners for estimating heterogeneous treatment
effects using machine learning", 2019), `DR` is that of Kennedy ("Towards optimal doubly robust estimation of
heterogeneous causal effects", 2023). Each exists with linear models and with boosted trees. `DR sparse` uses only the
few features on which the effect depends for certain: an effect is far noisier than an outcome, so the weights of all
other features would be mostly noise.

The response model predicts how much a user does when treated. It is the usual way to choose whom to address, so the
uplift learners have to be better than it.
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
    """One summand of a score: `share` times the prediction of the model `part`.

    If `treatment` is a number (0 or 1), the model also reads it, and its products with all features, as further
    columns.
    """

    share: float
    part: Part
    treatment: float | None = None


@dataclass(frozen=True)
class Scorer:
    """A fitted learner: scores each user by a sum of models' predictions.

    Attributes:
        name: The learner, such as `T linear`.
        terms: The summands of the score.
    """

    name: str
    terms: Sequence[Term]

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score users; a greater score means a greater expected effect of the treatment.

        Args:
            rows: Features, float64 [n, features].

        Returns:
            Scores, float64 [n].
        """
        total = np.zeros(len(rows))
        for term in self.terms:
            if term.treatment is None:
                total += term.share * term.part.predict(rows)
            else:
                total += term.share * term.part.predict(with_treatment(rows, np.full(len(rows), term.treatment)))
        return total


Learner = Callable[[Family, np.ndarray, Trial], list[Term]]


def with_treatment(rows: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Append the treatment and its products with all features as columns, for the S-learner.

    Args:
        rows: Features, float64 [n, features].
        treated: The treatment of each user, 0 or 1 (or bool) [n].

    Returns:
        float64 [n, 2 * features + 1].
    """
    column = treated.astype(np.float64)[:, None]
    return np.concatenate([rows, column, rows * column], axis=1)


def s_learner(family: Family, rows: np.ndarray, trial: Trial) -> list[Term]:
    """Fit the S-learner: one model that reads the treatment as a feature.

    The score is the model's prediction for the treated user minus that for the same user untreated.
    """
    whole = fit(family, with_treatment(rows, trial.treated), trial.outcome, trial.weight, PENALTY)
    return [Term(1.0, whole, 1.0), Term(-1.0, whole, 0.0)]


def t_learner(family: Family, rows: np.ndarray, trial: Trial) -> list[Term]:
    """Fit the T-learner: one model per arm; the score is the treated arm's prediction minus the control's."""
    treated, control = _arms(family, rows, trial)
    return [Term(1.0, treated), Term(-1.0, control)]


def x_learner(family: Family, rows: np.ndarray, trial: Trial) -> list[Term]:
    """Fit the X-learner: models of the difference between each user's outcome and the other arm's prediction.

    One model is fitted to the treated users and one to the controls; the score is the mean of their predictions, in
    which each model is weighted by the share of users in the other arm.
    """
    of_treated, of_control = _arms(family, rows, trial)
    arm, weight = trial.treated, trial.weight
    gain = np.where(arm, trial.outcome - of_control.predict(rows), of_treated.predict(rows) - trial.outcome)
    first = fit(family, rows[arm], gain[arm], weight[arm], PENALTY)
    second = fit(family, rows[~arm], gain[~arm], weight[~arm], PENALTY)
    share = float(arm.mean())
    return [Term(1 - share, first), Term(share, second)]


def dr_learner(family: Family, rows: np.ndarray, trial: Trial) -> list[Term]:
    """Fit the DR-learner: a model of each user's doubly robust effect (see `doubly_robust`).

    With the family `sparse`, the effect's model is sparse and the models of the arms are linear.
    """
    arms: Family = "linear" if family == "sparse" else family
    return [Term(1.0, fit(family, rows, doubly_robust(arms, rows, trial), np.ones(len(rows)), PENALTY))]


def response(family: Family, rows: np.ndarray, trial: Trial) -> list[Term]:
    """Fit the response model: predicts the outcome of treated users, the usual way to choose whom to address.

    It does not ask what the treatment changes, so uplift learners are compared with it.
    """
    arm = trial.treated
    return [Term(1.0, fit(family, rows[arm], trial.outcome[arm], trial.weight[arm], PENALTY))]


LEARNERS: dict[str, Learner] = {"S": s_learner, "T": t_learner, "X": x_learner, "DR": dr_learner}


def train(name: str, rows: np.ndarray, trial: Trial) -> Scorer:
    """Fit a learner by its name.

    Args:
        name: `S`, `T`, `X`, `DR` or `response`, followed by ` linear` or ` boosted`; or `DR sparse`.
        rows: Features, float64 [n, features], without nan.
        trial: Outcome, arm and probability of these users [n].
    """
    kind, _, family = name.partition(" ")
    learner = response if kind == RESPONSE else LEARNERS[kind]
    return Scorer(name, learner(_FAMILIES[family], rows, trial))


def names(families: Sequence[Family] = FAMILIES) -> list[str]:
    """Return the names of all learners of the given families, the simplest first, the response models last."""
    sparse = [SPARSE] if "linear" in families else []
    return sparse + [f"{kind} {family}" for kind in (*LEARNERS, RESPONSE) for family in families]


def doubly_robust(family: Family, rows: np.ndarray, trial: Trial) -> np.ndarray:
    """Return a noisy but unbiased estimate of the effect on each user, in units of the outcome, float64 [n].

    The estimate is the difference of the two arms' predictions plus the user's own error, weighted by 1 / probability.
    The predictions for each half of the users come from models fitted to the other half.

    Args:
        family: The kind of the arms' models.
        rows: Features, float64 [n, features].
        trial: Outcome, arm and probability of these users [n].
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
    """Fit one model to the treated users and one to the controls, and return them in this order."""
    arm = trial.treated
    treated = fit(family, rows[arm], trial.outcome[arm], trial.weight[arm], PENALTY)
    return treated, fit(family, rows[~arm], trial.outcome[~arm], trial.weight[~arm], PENALTY)
