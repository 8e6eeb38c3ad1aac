"""The "buy till you die" models BG/NBD and Gamma-Gamma: forecast how often users buy and how much they spend.

`train_propensity` compares them with its other forecasts. BG/NBD (Fader, Hardie and Lee 2005, "Counting Your Customers"
the Easy Way: An Alternative to the Pareto/NBD Model, Marketing Science 24(2)) models how often users come back until
they leave for good; Gamma-Gamma (Fader and Hardie 2013, The Gamma-Gamma Model of Monetary Value) models the money of a
visit. An active day is a transaction, and a user's first active day is the birth. Both models are fitted by maximum
likelihood with Nelder and Mead's method, which uses no random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, expit, gammaln, hyp2f1

from shopbatch.evaluation.purchases import Floats, Purchases

_STEPS: dict[str, float] = {"maxiter": 5000, "maxfev": 5000, "xatol": 1e-5, "fatol": 1e-8}
_COARSE = _STEPS | {"xatol": 1e-2, "fatol": 1e-5}
_MOST = 20_000  # most users in the fit; enough for few parameters
_FEW = 2_500  # users in the search for the best start
# Where hardly anyone leaves for good, the likelihood is flat in a and b, and has a lower local maximum at large b.
_STARTS = tuple((1.0, 10.0, a, b) for a in (0.03, 0.3, 1.0) for b in (3.0, 30.0))


@dataclass(frozen=True)
class BuyTillYouDie:
    """The fitted parameters of both models.

    Attributes:
        visits: (r, alpha, a, b) of BG/NBD.
        money: (p, q, gamma) of Gamma-Gamma.
    """

    visits: tuple[float, float, float, float]
    money: tuple[float, float, float]

    def forecast(self, days: Purchases, as_of: float, ahead: float) -> tuple[Floats, Floats, Floats]:
        """Forecast the purchases of each user in the `ahead` days that begin with the day `as_of`.

        Args:
            days: The users' active days; every user must have one before `as_of`.
            as_of: First day of the forecast, in days since 1970-01-01. Later entries of `days` are ignored.
            ahead: Length of the forecast in days.

        Returns:
            The probability of at least one active day, the expected number of active days, and the expected money of
            one active day; float64 [users] each.
        """
        x, t_x, t = _history(days, as_of)
        r, alpha, a, b = self.visits
        a = a if abs(a - 1) > 1e-6 else 1 + 1e-6  # the expected number divides by a - 1
        gone = np.log(a / (b + np.maximum(x, 1) - 1)) + (r + x) * np.log((alpha + t) / (alpha + t_x))
        alive = np.where(x > 0, expit(-gone), 1.0)
        z = ahead / (alpha + t + ahead)
        # The paper's (1 - z)^(r + x) 2F1(r + x, b + x; a + b + x - 1; z), by Euler's transformation, which does not
        # overflow at large x.
        with np.errstate(invalid="ignore", over="ignore"):  # at the ends of the search the series may overflow
            series = (1 - z) ** (a - 1) * hyp2f1(a - 1, a + b - 1 - r, a + b + x - 1, z)
            number = alive * (a + b + x - 1) / (a - 1) * (1 - series)
        steady = alive * (r + x) / (alpha + t) * ahead  # expected number if no user left within these days
        number = np.where(np.isfinite(number) & (number >= 0), np.minimum(number, steady), steady)
        n, p, q, gamma = x + 1, *self.money
        money = p * (gamma + days.spent(-np.inf, as_of)) / (p * n + q - 1)
        return np.asarray(alive * (1 - (1 - z) ** (r + x))), np.asarray(number), np.asarray(money)


def fit(days: Purchases, as_of: float) -> BuyTillYouDie:
    """Fit both models to the active days before the day `as_of`.

    At most 20,000 users are used, because there are few parameters; users without an earlier day are left out.

    Args:
        days: The users' active days.
        as_of: Day in days since 1970-01-01; later entries are not used.
    """
    past = days.before(as_of)
    known = past.of(np.isfinite(past.last(as_of)))
    if known.users > _MOST:
        known = known.of(np.arange(known.users) % -(-known.users // _MOST) == 0)
    few = known.of(np.arange(known.users) % -(-known.users // _FEW) == 0)
    start = _maximise(_Visits(few, as_of), _STARTS, _COARSE)
    r, alpha, a, b = _maximise(_Visits(known, as_of), (start,))
    return BuyTillYouDie((r, alpha, a, b), _fit_money(known, as_of))


class _Visits:
    """The mean log likelihood per user of the BG/NBD model, as a function of (r, alpha, a, b)."""

    def __init__(self, days: Purchases, as_of: float) -> None:
        distinct, self.weight = np.unique(np.column_stack(_history(days, as_of)), axis=0, return_counts=True)
        self.x, self.t_x, self.t = distinct.T

    def __call__(self, v: Floats) -> float:
        r, alpha, a, b = v
        x = self.x
        stays = -(r + x) * np.log(alpha + self.t)
        leaves = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + self.t_x)
        both = np.where(x > 0, np.logaddexp(stays, leaves), stays)
        common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
        return float(np.average(common + both, weights=self.weight))


def _fit_money(days: Purchases, as_of: float) -> tuple[float, float, float]:
    n, mean = days.count(-np.inf, as_of), days.spent(-np.inf, as_of) / days.count(-np.inf, as_of)
    n, m = n[mean > 0], mean[mean > 0]

    def likelihood(v: Floats) -> float:
        p, q, gamma = v
        terms = gammaln(p * n + q) - gammaln(p * n) - gammaln(q) + q * np.log(gamma)
        return float(np.mean(terms + (p * n - 1) * np.log(m) + p * n * np.log(n) - (p * n + q) * np.log(gamma + m * n)))

    if not len(m):
        return 1.0, 2.0, 1e-4
    p, q, gamma = _maximise(likelihood, ((2.0, 4.0, 50.0),))
    return p, max(q, 1.001), gamma


def _maximise(
    likelihood: Callable[[Floats], float], starts: tuple[tuple[float, ...], ...], steps: dict[str, float] = _STEPS
) -> tuple[float, ...]:
    """Return the parameters with the highest likelihood that is found from any of the starts.

    The logarithms of the parameters are limited to [-10, 10].

    Args:
        likelihood: Function of the parameters.
        starts: Parameters at which the searches start.
        steps: Options of SciPy's Nelder-Mead search.
    """
    search: dict[str, Any] = {"method": "Nelder-Mead", "bounds": [(-10.0, 10.0)] * len(starts[0]), "options": steps}
    ends = [minimize(lambda v: -likelihood(np.exp(v)), np.log(start), **search) for start in starts]
    return tuple(float(v) for v in np.exp(min(ends, key=lambda end: float(end.fun)).x))


def _history(days: Purchases, as_of: float) -> tuple[Floats, Floats, Floats]:
    """Return the history of each user before `as_of` as BG/NBD needs it, float64 [users] each.

    Returns:
        The number of repeat days (active days but the first), the days from the first to the last active day, and the
        days from the first active day to the last observed day, which is `as_of` - 1.
    """
    return days.count(-np.inf, as_of) - 1, days.last(as_of) - days.first, as_of - 1 - days.first
