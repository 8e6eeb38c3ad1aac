"""Which learner is published: the one that is surely better than the response model, or what is known instead.

Every learner scores each user by a model that has not seen that user. An order of users is then judged by its Qini.
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
        families: The kinds of models that learners are made of.
        folds: Parts of the users, each of which is scored by models of the others.
        draws: Of the bootstrap.
        certain: Probability with which a model has to be better than chance, whichever of all candidates it is.
        better: Share of the bootstrap's draws in which an uplift model has to be above the response model.
        seed: Of folds and bootstrap.
    """

    families: tuple[Family, ...] = learners.FAMILIES
    folds: int = 5
    draws: int = 400
    certain: float = 0.95
    better: float = 0.6
    seed: int = 0


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes:
        kind: What is published.
        name: The learner; the response model if no user can be told from another.
        best: The best uplift learner by its held-out Qini, whatever is published.
        response: The better of the response models.
        comparison: All learners beside chance and the better response model.
        scores: Of each learner, the users' scores by models that have not seen them, float64 [n].
    """

    kind: Kind
    name: str
    best: str
    response: str
    comparison: Comparison
    scores: dict[str, np.ndarray]

    @property
    def verdict(self) -> str:
        """The choice in a sentence."""
        return VERDICTS[self.kind]


def choose(rows: np.ndarray, trial: Trial, settings: Settings, fold: np.ndarray | None = None) -> Choice:
    """Compare all learners on users that their models have not seen, and choose.

    An uplift model is chosen only if it is surely above chance, with the errors of all candidates counted: so of
    shuffled arms one is chosen hardly ever. It has to be above the response model, too. To ask for the same certainty
    there would prefer the response model in most experiments of less than 50,000 users, also where it is much worse.

    Args:
        rows: Features, float64 [n, features], without nan.
        trial: What happened.
        settings: How they are compared.
        fold: The fold of each user, int64 [n]; None: as `folds_of` draws it.
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
    """Draw folds so that all rows of a user are in one. users: string [n]. Returns int64 [n]."""
    distinct, place = np.unique(users, return_inverse=True)
    drawn = np.random.default_rng(seed).permutation(len(distinct)) % folds
    return np.asarray(drawn[place.reshape(-1)])


def folds_of(trial: Trial, folds: int, seed: int) -> np.ndarray:
    """Draw the fold of each user, so that folds have equal shares of each arm, int64 [n]."""
    random = np.random.default_rng(seed)
    fold = np.empty(len(trial), np.int64)
    for arm in (trial.treated, ~trial.treated):
        fold[arm] = random.permutation(int(arm.sum())) % folds
    return fold


def held_out_scores(name: str, rows: np.ndarray, trial: Trial, fold: np.ndarray) -> np.ndarray:
    """Score every user by a model that was fitted to the other folds, float64 [n]."""
    scores = np.empty(len(rows))
    for number in range(int(fold.max()) + 1):
        held = fold == number
        scores[held] = learners.train(name, rows[~held], trial.of(~held)).score(rows[held])
    return scores


def within_folds(scores: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Replace scores by their places among those of the same fold, 0 to 1; equal scores keep equal places.

    Models of two folds have scales of their own, and places can be compared.
    """
    places = np.empty(len(scores))
    for number in np.unique(fold):
        held = fold == number
        _, place, counts = np.unique(scores[held], return_inverse=True, return_counts=True)
        middle = (np.cumsum(counts) - counts / 2) / counts.sum()
        places[held] = middle[place.reshape(-1)]
    return places
