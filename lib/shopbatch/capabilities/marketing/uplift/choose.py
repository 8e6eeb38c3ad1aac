"""Compare uplift learners on held-out users, and choose the one that `train_uplift` publishes.

Every learner scores each user by a model that was not fitted to that user. The order of the users by score is judged by
its Qini: the area between its curve of incremental outcome and that of a random order. An uplift learner is chosen only
if it is better than chance for certain, and better than the response model (which predicts who buys, not whom a message
changes); otherwise the response model or only the mean effect is published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from shopbatch.capabilities.marketing.uplift import learners
from shopbatch.capabilities.marketing.uplift.learners import RESPONSE
from shopbatch.capabilities.marketing.uplift.parts import Family
from shopbatch.evaluation.uplift import RANDOM, Comparison, Trial, compare, qini

Kind = Literal["uplift", "response", "none"]
VERDICTS: dict[Kind, str] = {
    "uplift": "an uplift model finds those whom a campaign moves: surely better than chance, and better than the "
    "response model",
    "response": "no uplift model is better than the response model, which is surely better than chance",
    "none": "no effect that targeting could use: no order of the users is surely better than chance",
}


@dataclass(frozen=True)
class Settings:
    """How learners are compared.

    Attributes:
        families: The kinds of models that learners are built from.
        folds: Number of parts into which the users are split; each part is scored by models fitted to the other parts.
        draws: Number of bootstrap draws.
        certain: Confidence, 0..1, with which an uplift learner must be better than chance. The intervals hold for all
            candidates at once.
        better: Share of the bootstrap draws in which an uplift learner must have a greater Qini than the response
            model.
        seed: Seed of the folds and of the bootstrap.
    """

    families: tuple[Family, ...] = learners.FAMILIES
    folds: int = 5
    draws: int = 400
    certain: float = 0.95
    better: float = 0.6
    seed: int = 0


@dataclass(frozen=True)
class Choice:
    """The learner that was chosen, with the comparison that led to it.

    Attributes:
        kind: What is published: an `uplift` learner, the `response` model, or `none` (the mean effect alone).
        name: The chosen learner. If `kind` is none, the better response model, which is then not published.
        best: The uplift learner with the greatest held-out Qini, whatever is published.
        response: The response model with the greater held-out Qini.
        comparison: Qini of the uplift learners and of `response`, and their differences from chance and from
            `response`.
        scores: By learner, the users' scores by models that were not fitted to them, float64 [n].
    """

    kind: Kind
    name: str
    best: str
    response: str
    comparison: Comparison
    scores: dict[str, np.ndarray]

    @property
    def verdict(self) -> str:
        """Return one sentence that says what was chosen and why, for the report and the model's manifest."""
        return VERDICTS[self.kind]


def choose(rows: np.ndarray, trial: Trial, settings: Settings, fold: np.ndarray | None = None) -> Choice:
    """Compare all learners on users whom their models have not seen, and choose one.

    An uplift learner is chosen only if the lower end of its Qini above chance is positive, where the interval allows
    for the number of candidates. So hardly any is chosen from data without an effect. It must also have a greater Qini
    than the response model in the share `settings.better` of the bootstrap draws. An interval above 0 is not demanded
    for this second comparison, because then the response model would win in most experiments of less than 50,000 users,
    even where it is much worse.

    Args:
        rows: Features, float64 [n, features], without nan.
        trial: Outcome, arm and probability of each user [n].
        settings: How learners are compared.
        fold: The fold of each user, int64 [n]; None: drawn by `folds_of`.
    """
    every = learners.names(settings.families)
    fold = folds_of(trial, settings.folds, settings.seed) if fold is None else fold
    scores = {name: held_out_scores(name, rows, trial, fold) for name in every}
    ranks = {name: within_folds(score, fold) for name, score in scores.items()}
    responses = [name for name in every if name.startswith(RESPONSE)]
    uplifts = [name for name in every if name not in responses]
    values = {name: qini(rank, trial) for name, rank in ranks.items()}
    response, best = max(responses, key=values.__getitem__), max(uplifts, key=values.__getitem__)
    rest = {name: ranks[name] for name in (*uplifts, response)}
    comparison = compare(rest, trial, (RANDOM, response), settings.certain, settings.draws, settings.seed)
    surely = [n for n in uplifts if comparison.above[n, RANDOM].low > 0]
    surely = [n for n in surely if comparison.better[n, response] >= settings.better]
    if surely:
        return Choice("uplift", max(surely, key=values.__getitem__), best, response, comparison, scores)
    kind: Kind = "response" if comparison.qini[response].low > 0 else "none"
    return Choice(kind, response, best, response, comparison, scores)


def folds_of_users(users: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Draw the fold of each row so that all rows of one user are in the same fold.

    Args:
        users: The user's id of each row, string [n].
        folds: Number of folds.
        seed: Seed of the draw.

    Returns:
        Folds from 0 on, int64 [n].
    """
    distinct, place = np.unique(users, return_inverse=True)
    drawn = np.random.default_rng(seed).permutation(len(distinct)) % folds
    return np.asarray(drawn[place.reshape(-1)])


def folds_of(trial: Trial, folds: int, seed: int) -> np.ndarray:
    """Draw the fold of each row so that every fold has the same share of treated users.

    Args:
        trial: The arms of the users [n].
        folds: Number of folds.
        seed: Seed of the draw.

    Returns:
        Folds from 0 on, int64 [n].
    """
    random = np.random.default_rng(seed)
    fold = np.empty(len(trial), np.int64)
    for arm in (trial.treated, ~trial.treated):
        fold[arm] = random.permutation(int(arm.sum())) % folds
    return fold


def held_out_scores(name: str, rows: np.ndarray, trial: Trial, fold: np.ndarray) -> np.ndarray:
    """Score every user by a model that was fitted to the other folds (cross-fitting).

    Args:
        name: The learner, as `learners.train` takes it.
        rows: Features, float64 [n, features].
        trial: Outcome, arm and probability of each user [n].
        fold: The fold of each user, int64 [n].

    Returns:
        Scores, float64 [n].
    """
    scores = np.empty(len(rows))
    for number in range(int(fold.max()) + 1):
        held = fold == number
        scores[held] = learners.train(name, rows[~held], trial.of(~held)).score(rows[held])
    return scores


def within_folds(scores: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Replace scores by their ranks within the same fold, scaled to 0..1; equal scores get equal ranks.

    Models of different folds score on different scales; their ranks can be compared.

    Args:
        scores: Scores, float64 [n].
        fold: The fold of each user, int64 [n].
    """
    places = np.empty(len(scores))
    for number in np.unique(fold):
        held = fold == number
        _, place, counts = np.unique(scores[held], return_inverse=True, return_counts=True)
        middle = (np.cumsum(counts) - counts / 2) / counts.sum()
        places[held] = middle[place.reshape(-1)]
    return places
