"""Fitted forecasts of the probability to buy and of the money: regressions and boosted trees, with calibration.

A learner is fitted to several past days. A later day decides when boosting stops, and the newest days calibrate the
forecasts: two numbers for probabilities (Platt 1999), one factor for money. All fits run in one thread, so that equal
rows give equal bits.
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
_LINE = ("low", "high", "mean", "scale", "weights")  # parameters with one number per feature
_TINY = 1e-6
_CAP = 3.0  # money is forecast at most at so many times the greatest amount in training, as exp may explode
_THREADS = {"num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1}


@dataclass(frozen=True)
class Forecast:
    """One fitted forecast of one target; call it with features to get the forecasts.

    Attributes:
        kind: The method: table, repeat, linear or boosting.
        target: What is forecast: `bought` (probability to buy) or `spent` (money) within 30 days.
        numbers: Parameters. Of `linear`: for each feature the least and greatest value in training (features are
            clipped to them, since the line would only guess beyond), mean, scale and weight; a bias; and `most`, the
            greatest money that is forecast. Of `boosting`: `rounds`, the number of trees. Empty for table and repeat.
        trees: Boosted trees as LightGBM's text; "" for other kinds.
        slope: Calibration: factor on the logit of a probability, or on money.
        shift: Calibration: added to the logit of a probability; 0 for money.
    """

    kind: Kind
    target: Target
    numbers: Mapping[str, Any]
    trees: str = ""
    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, inputs: Inputs) -> Floats:
        """Return the calibrated forecast for each user of the inputs, float64 [n]."""
        raw = self.raw(inputs)
        if self.target == "spent":
            return np.asarray(raw * self.slope)
        if (self.slope, self.shift) == (1.0, 0.0):
            return raw
        return np.asarray(expit(self.slope * logit(np.clip(raw, _TINY, 1 - _TINY)) + self.shift))

    def raw(self, inputs: Inputs) -> Floats:
        """Return the forecast for each user before calibration, float64 [n]."""
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
    """Predict with boosted trees that are given as LightGBM's text, float64 [n]; trees are cached per process."""
    return np.asarray(_booster(trees).predict(x, num_threads=1), np.float64) if len(x) else np.zeros(0)


@lru_cache(maxsize=8)
def _booster(trees: str) -> Any:
    import lightgbm

    return lightgbm.Booster(model_str=trees)


def fit_line(x: Floats, y: Floats, target: Target, penalty: float) -> Forecast:
    """Fit a regression with an L2 penalty: logistic for the target bought, Poisson with a log link for spent.

    Args:
        x: Features, float64 [n, features].
        y: Outcomes, float64 [n]: 0 or 1 for bought, money for spent.
        target: Meaning of the outcomes: bought or spent.
        penalty: The loss is the sum of the rows' losses plus half of `penalty` times the squared weights.
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
    """Fit boosted trees, and stop boosting where the loss on a later day is least.

    Args:
        train: Features float64 [n, features] and outcomes float64 [n] to fit.
        check: Features and outcomes of the later day.
        target: What the outcomes are: bought (0 or 1) or spent (money).
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
    """Calibrate a forecast: return it with the `slope` and `shift` that fit its raw forecasts to what happened.

    A probability p becomes 1 / (1 + exp(-(slope * logit(p) + shift))) (Platt 1999), with a slight penalty on any
    change. Money is multiplied by the ratio of the actual to the forecast sum.

    Args:
        forecast: The forecast.
        raw: Its forecasts before calibration, float64 [n].
        truth: What happened, float64 [n].
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
