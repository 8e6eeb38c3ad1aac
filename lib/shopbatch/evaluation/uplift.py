"""Qini: measures how well a ranking of users finds those whose behaviour a treatment changes, with intervals.

`train_uplift` uses it. Libraries define Qini in different ways; this is the definition used here. Users are ordered by
their score, greatest first; users of equal score are taken together. When the first share `x` of all users is treated,
the incremental outcome per treated head of the whole group is

    g(x) = (Y_t(x) - Y_c(x) * N_t(x) / N_c(x)) / N_t(1)

where Y and N are sums of outcomes and of users among the first `x`, of the treated (t) and the controls (c). Every user
has the weight 1 / probability of the assigned arm, so arms may be of different sizes, also by user. This is the curve
of Radcliffe ("Using control groups to target on predicted lift", 2007). Qini is the area between the curve and the
straight line from (0, 0) to (1, g(1)), which is the result of a random order, times 10,000. Between two points the
curve is straight. Where there is no control among the first users yet, the straight line stands for the curve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shopbatch.evaluation.classification import Interval

SCALE = 1e4
RANDOM = "random"  # name of the random ranking
CROSS_FITTED = 1.5  # factor of the intervals, see `compare`
BUCKETS = 400  # groups of users of similar score in bootstrap curves


@dataclass(frozen=True)
class Trial:
    """The data of a randomised trial: which users were treated, and their outcomes.

    Attributes:
        outcome: Outcome of each user after the assignment, float64 [n].
        treated: True for treated users, False for controls, bool [n].
        probability: Probability of the arm that the user was assigned to, above 0, float64 [n].
    """

    outcome: np.ndarray
    treated: np.ndarray
    probability: np.ndarray

    def __len__(self) -> int:
        return len(self.outcome)

    @property
    def weight(self) -> np.ndarray:
        """Return the weight of each user, 1 / probability, float64 [n]."""
        return np.asarray(1.0 / self.probability)

    def of(self, rows: np.ndarray) -> Trial:
        """Return the trial of some of the users.

        Args:
            rows: Mask, bool [n], or numbers of the users.
        """
        return Trial(self.outcome[rows], self.treated[rows], self.probability[rows])


def buckets(score: np.ndarray, most: int | None = None) -> np.ndarray:
    """Number users by their score, greatest first; users of equal score get equal numbers.

    Args:
        score: float [n].
        most: About how many different numbers there may be (neighbouring scores are merged); None: no limit.

    Returns:
        Numbers from 0 on, without gaps, int64 [n].
    """
    distinct, place = np.unique(-np.asarray(score, np.float64), return_inverse=True)
    place = place.reshape(-1)
    if most is None or len(distinct) <= most:
        return place
    before = np.concatenate([[0], np.cumsum(np.bincount(place))[:-1]])
    return np.unique(before * most // len(score), return_inverse=True)[1].reshape(-1)[place]


def curve(score: np.ndarray, trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Return the Qini curve of a ranking of users, for a plot.

    Args:
        score: Score of each user, float [n]; users with the greatest scores are treated first.
        trial: The trial of the same users.

    Returns:
        Shares of users treated, from 0 to 1, and the incremental outcome per treated head at each; float64 [points]
        each.
    """
    share, gain = _curves(buckets(score), trial, trial.weight[None, :])
    return share[0], gain[0]


def qini(score: np.ndarray, trial: Trial) -> float:
    """Return the Qini of a ranking of users (see the module), times 10,000; 0 if one arm has no user.

    Args:
        score: Score of each user, float [n].
        trial: The trial of the same users.
    """
    return float(_areas(*_curves(buckets(score), trial, trial.weight[None, :]))[0])


def resampled(scores: Mapping[str, np.ndarray], trial: Trial, draws: int, seed: int) -> dict[str, np.ndarray]:
    """Return bootstrap samples of the Qini of several rankings.

    In each sample every user counts as often as a Poisson number of mean 1 says, equally for all rankings, so the
    rankings are compared on the same users. The curves have about `BUCKETS` points.

    Args:
        scores: Name of the ranking -> score of each user, float [n].
        trial: The trial of the same users.
        draws: Number of bootstrap samples.
        seed: Seed of the samples.

    Returns:
        Name of the ranking -> its Qini in each sample, float64 [draws].
    """
    places = {name: buckets(score, BUCKETS) for name, score in scores.items()}
    random = np.random.default_rng(seed)
    areas: dict[str, list[np.ndarray]] = {name: [] for name in scores}
    step = max(1, min(draws, 4_000_000 // max(len(trial), 1)))
    for first in range(0, draws, step):
        counts = random.poisson(1.0, (min(step, draws - first), len(trial)))
        for name, place in places.items():
            areas[name].append(_areas(*_curves(place, trial, counts * trial.weight)))
    return {name: np.concatenate(parts) for name, parts in areas.items()}


@dataclass(frozen=True)
class Comparison:
    """The Qini of several rankings, and the differences between them.

    Attributes:
        qini: Name of the ranking -> its Qini with its 95 % bootstrap interval.
        above: (candidate, rival) -> Qini of the candidate minus that of the rival, with its interval. The lower ends of
            all candidates hold simultaneously with the probability `level` of `compare`.
        better: (candidate, rival) -> share of the bootstrap samples in which the candidate is above the rival.
    """

    qini: Mapping[str, Interval]
    above: Mapping[tuple[str, str], Interval]
    better: Mapping[tuple[str, str], float]


def compare(
    scores: Mapping[str, np.ndarray], trial: Trial, rivals: tuple[str, ...], level: float, draws: int, seed: int
) -> Comparison:
    """Compare the Qini of candidate rankings with that of reference rankings on the same users.

    The best of many candidates looks better than it is. So the intervals are as wide as the greatest error among all
    candidates requires (studentised maximum: White, "A reality check for data snooping", 2000; Romano and Wolf 2005).

    The bootstrap takes the scores as fixed. But scores that were fitted to the other folds of the same users depend on
    the data that judge them: each pair of users enters the estimate twice, once in each role. Without any real effect
    this makes the true standard error larger by the square root of 2, or by 1.5 as measured on shuffled arms. The
    intervals of `above` are widened by that factor (`CROSS_FITTED`).

    Args:
        scores: Name of the ranking -> score of each user, float [n].
        trial: The trial of the same users.
        rivals: Names of the reference rankings; RANDOM stands for a random order, whose Qini is 0. All other rankings
            of `scores` are candidates.
        level: Probability with which the lower ends hold, such as 0.975; the upper ends likewise.
        draws: Number of bootstrap samples.
        seed: Seed of the bootstrap.
    """
    values = {name: qini(score, trial) for name, score in scores.items()} | {RANDOM: 0.0}
    drawn = resampled(scores, trial, draws, seed) | {RANDOM: np.zeros(draws)}
    candidates = [name for name in scores if name not in rivals]
    above, better = {}, {}
    for rival in rivals:
        gaps = np.stack([drawn[name] - drawn[rival] for name in candidates])
        errors = gaps - gaps.mean(1, keepdims=True)
        spread = np.maximum(errors.std(1), 1e-12)
        width = float(np.quantile((np.abs(errors) / spread[:, None]).max(0), 2 * level - 1))
        for name, error, deviation in zip(candidates, errors, spread.tolist(), strict=True):
            gap = values[name] - values[rival]
            reach = CROSS_FITTED * width * deviation
            above[name, rival] = Interval(gap, gap - reach, gap + reach)
            better[name, rival] = float((gap + error > 0).mean())
    ends = {name: np.quantile(drawn[name] - drawn[name].mean(), (0.025, 0.975)) for name in scores}
    own = {name: Interval(values[name], *(values[name] + ends[name]).tolist()) for name in scores}
    return Comparison(own, above, better)


def _curves(place: np.ndarray, trial: Trial, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the Qini curves for several weightings of the users.

    Args:
        place: Bucket number of each user, int64 [n].
        trial: The trial of the same users.
        weights: Weight of each user in each draw, float [draws, n].

    Returns:
        Shares of users and gains at each point of the curve, float64 [draws, points] each.
    """
    size = 2 * (int(place.max(initial=0)) + 1)
    cell = 2 * place + trial.treated
    users = np.stack([np.bincount(cell, row, size) for row in weights]).reshape(len(weights), -1, 2).cumsum(1)
    paid = np.stack([np.bincount(cell, row * trial.outcome, size) for row in weights])
    paid = paid.reshape(len(weights), -1, 2).cumsum(1)
    all_users = users[:, -1:, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = (paid[..., 1] - paid[..., 0] * users[..., 1] / users[..., 0]) / all_users[..., 1]
        share = users.sum(2) / all_users.sum(2)
    whole = np.where(np.isfinite(gain[:, -1:]), gain[:, -1:], 0.0)
    gain = np.where(np.isfinite(gain), gain, share * whole)
    start = np.zeros((len(weights), 1))
    return np.concatenate([start, share], 1), np.concatenate([start, gain], 1)


def _areas(share: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Return the Qini of each curve: the area between it and its straight line, times 10,000, float64 [draws]."""
    over = gain - share * gain[:, -1:]
    return np.asarray(((over[:, 1:] + over[:, :-1]) / 2 * np.diff(share, axis=1)).sum(1) * SCALE)
