"""The forecasts that are fitted: a regression with a straight line, and boosted trees, each of chances and of money.

A learner is fitted to several past days. The day after them serves to stop boosting, and the newest days to correct the
forecasts by two numbers (Platt 1999) or one. Everything runs in one thread, so that equal rows give equal bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from shopbatch.capabilities.marketing.propensity.config import Boosting
from shopbatch.capabilities.marketing.propensity.inputs import Inputs
from shopbatch.evaluation.purchases import Floats

Kind = Literal["table", "repeat", "linear", "boosting"]
Target = Literal["bought", "spent"]
KINDS: tuple[Kind, ...] = ("table", "repeat", "linear", "boosting")
_LINE = ("low", "high", "mean", "scale", "weights")  # numbers of each feature
_TINY = 1e-6
_CAP = 3.0  # a line may run away: no forecast of money is above so many times the greatest that it was fitted to
_THREADS = {"num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1}


@dataclass(frozen=True)
class Forecast:
    """One fitted forecast.

    Attributes:
        kind: How it is made.
        target: What of: the chance to buy, or the money.
        numbers: What the kind needs: of a line, the least and greatest value that a feature had where it was learnt
            (beyond them the line would only guess), its mean, scale and weight, and a bias.
        trees: The boosted trees as LightGBM's text; "" for other kinds.
        slope, shift: Correct the logit of a chance; of money, `slope` is a factor.
    """

    kind: Kind
    target: Target
    numbers: Mapping[str, Any]
    trees: str = ""
    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, inputs: Inputs) -> Floats:
        """Forecast each user of the inputs, float64 [n]."""
        raw = self.raw(inputs)
        if self.target == "spent":
            return np.asarray(raw * self.slope)
        if (self.slope, self.shift) == (1.0, 0.0):
            return raw
        return np.asarray(expit(self.slope * logit(np.clip(raw, _TINY, 1 - _TINY)) + self.shift))

    def raw(self, inputs: Inputs) -> Floats:
        """Forecast without the correction."""
        place = 0 if self.target == "bought" else 1
        if self.kind == "table":
            return inputs.table[place]
        if self.kind == "repeat":
            return inputs.repeat[place]
        if self.kind == "boosting":
            return boosted(self.trees, inputs.x)
        low, high, mean, scale, weights = (np.asarray(self.numbers[n]) for n in _LINE)
        line = (np.clip(inputs.x, low, high) - mean) / scale @ weights + self.numbers["bias"]
        if self.target == "bought":
            return np.asarray(expit(line))
        return np.asarray(np.minimum(np.exp(np.minimum(line, 50.0)), self.numbers["most"]))


def boosted(trees: str, x: Floats) -> Floats:
    """Forecast with boosted trees from LightGBM's text."""
    return np.asarray(_booster(trees).predict(x, num_threads=1), np.float64) if len(x) else np.zeros(0)


@lru_cache(maxsize=8)
def _booster(trees: str) -> Any:
    import lightgbm

    return lightgbm.Booster(model_str=trees)


def fit_line(x: Floats, y: Floats, target: Target, penalty: float) -> Forecast:
    """Fit a logistic regression of chances, or a Poisson regression of money (log link), with an L2 penalty.

    Args:
        x: Features, float64 [n, features].
        y: Outcomes, float64 [n].
        target: What they are.
        penalty: Weight of half the squared weights beside the sum of the rows' losses.
    """
    low, high, mean, scale = x.min(axis=0), x.max(axis=0), x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > _TINY, scale, 1.0)
    rows = (x - mean) / scale
    unit = 1.0 if target == "bought" else max(float(y.mean()), _TINY)
    goal, n = y / unit, len(y)

    def loss(v: Floats) -> tuple[float, Floats]:
        line = rows @ v[:-1] + v[-1]
        if target == "bought":
            losses, slope = np.logaddexp(0.0, line) - goal * line, expit(line) - goal
        else:
            rate = np.exp(np.minimum(line, 30.0))
            losses, slope = rate - goal * line, rate - goal
        gradient = np.append(rows.T @ slope + penalty * v[:-1], slope.sum())
        return float((losses.sum() + penalty / 2 * (v[:-1] ** 2).sum()) / n), gradient / n

    end = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    numbers = dict(zip(_LINE, (v.tolist() for v in (low, high, mean, scale, end[:-1])), strict=True))
    bias = float(end[-1] + (0.0 if target == "bought" else np.log(unit)))
    return Forecast("linear", target, numbers | {"bias": bias, "most": _CAP * float(y.max(initial=_TINY))})


def fit_trees(
    train: tuple[Floats, Floats], check: tuple[Floats, Floats], target: Target, settings: Boosting
) -> Forecast:
    """Fit boosted trees, and stop where a later day's loss is least.

    Args:
        train: Features float64 [n, features] and outcomes float64 [n].
        check: The same of the later day.
        target: What the outcomes are.
        settings: How the trees are grown.
    """
    import lightgbm

    parameters = {
        "objective": "binary" if target == "bought" else "poisson",
        "learning_rate": settings.rate,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.rows_in_leaf,
        "lambda_l2": settings.penalty,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "seed": settings.seed,
        "boost_from_average": True,
        **_THREADS,
    }
    rows = lightgbm.Dataset(train[0], train[1], params=_THREADS, free_raw_data=False)
    later = lightgbm.Dataset(check[0], check[1], reference=rows, free_raw_data=False)
    stop = lightgbm.early_stopping(settings.patience, verbose=False)
    booster = lightgbm.train(parameters, rows, settings.rounds, valid_sets=[later], callbacks=[stop])
    return Forecast(
        "boosting", target, {"rounds": booster.best_iteration}, booster.model_to_string(booster.best_iteration)
    )


def corrected(forecast: Forecast, raw: Floats, truth: Floats) -> Forecast:
    """Fit the correction of a forecast to what it said before the correction, and to what came, float64 [n] each.

    A chance p becomes 1 / (1 + exp(-(slope x logit(p) + shift))) (Platt 1999), with a slight pull towards no change;
    money is multiplied by what came over what was forecast.
    """
    if forecast.target == "spent":
        slope, shift = float((truth.sum() + _TINY) / (raw.sum() + _TINY)), 0.0
    else:
        z = logit(np.clip(raw, _TINY, 1 - _TINY))

        def loss(v: Floats) -> tuple[float, Floats]:
            line = v[0] * z + v[1]
            slopes = expit(line) - truth
            pull = np.array([v[0] - 1, v[1]])
            losses = float((np.logaddexp(0.0, line) - truth * line).sum() + (pull**2).sum() / 2)
            return losses / len(z), (np.array([slopes @ z, slopes.sum()]) + pull) / len(z)

        slope, shift = (float(v) for v in minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B").x)
    return Forecast(forecast.kind, forecast.target, forecast.numbers, forecast.trees, slope, shift)
