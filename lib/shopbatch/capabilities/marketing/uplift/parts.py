"""The models that uplift learners are made of: linear ones, sparse linear ones and boosted trees, of weighted rows.

All give equal bits for equal rows: the linear ones are solved in closed steps, LightGBM is told to be deterministic
and gets one thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import lightgbm
import numpy as np

Family = Literal["linear", "boosted", "sparse"]
_STEPS, _CLOSE = 30, 1e-8  # of Newton's method
_TREES: dict[str, Any] = {
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
    "seed": 0,
    "learning_rate": 0.05,
    "num_leaves": 7,
    "lambda_l2": 10.0,
}
_ROUNDS = 80
_OWN = 1e-4  # least share of a feature's variance that other features do not hold
_LEAST_LEAF, _LEAF_SHARE = 20, 0.005  # rows of a leaf


class Part(Protocol):
    """A fitted model of one number."""

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Predict. rows: float64 [n, features]. Returns float64 [n]."""
        ...


@dataclass(frozen=True)
class Linear:
    """A linear model of standardised features.

    Attributes:
        mean, scale: Of each feature, float64 [features].
        weight: float64 [features].
        bias: A number.
        logistic: Whether the sum is a log-odds.
    """

    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    bias: float
    logistic: bool

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Predict. rows: float64 [n, features]. Returns float64 [n]."""
        sums = (rows - self.mean) / self.scale @ self.weight + self.bias
        return np.asarray(_sigmoid(sums) if self.logistic else sums)


@dataclass(frozen=True)
class Boosted:
    """Gradient boosted trees (LightGBM), kept as LightGBM's own text.

    Attributes:
        text: What `Booster.model_to_string` wrote.
    """

    text: str

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Predict. rows: float64 [n, features]. Returns float64 [n]."""
        booster = lightgbm.Booster(model_str=self.text)
        return np.asarray(booster.predict(rows, num_threads=1), np.float64)


def fit(family: Family, rows: np.ndarray, target: np.ndarray, weight: np.ndarray, penalty: float) -> Part:
    """Fit a model; a target of only 0 and 1 gets a logistic one.

    Args:
        family: Which kind.
        rows: float64 [n, features], without nan.
        target: float64 [n].
        weight: What each row counts, float64 [n].
        penalty: Of the linear model: rows' worth of L2 penalty on each standardised weight.
    """
    if family == "sparse":
        return _sparse(rows, target, weight / weight.mean())
    binary = bool(np.isin(target, (0.0, 1.0)).all())
    if family == "linear":
        return _linear(rows, target, weight / weight.mean(), penalty, binary)
    data = lightgbm.Dataset(rows, target, weight=weight / weight.mean(), free_raw_data=True)
    least = max(_LEAST_LEAF, int(len(rows) * _LEAF_SHARE))
    settings = _TREES | {"objective": "binary" if binary else "regression", "min_data_in_leaf": least}
    return Boosted(lightgbm.train(settings, data, _ROUNDS).model_to_string())


def _linear(rows: np.ndarray, target: np.ndarray, weight: np.ndarray, penalty: float, logistic: bool) -> Linear:
    """Fit by Newton's method; least squares need one step."""
    mean, scale = _standards(rows, weight)
    inputs = np.column_stack([np.ones(len(rows)), (rows - mean) / scale])
    ridge = np.diag([0.0] + [penalty] * rows.shape[1])
    level = float(np.average(target, weights=weight))
    weights = np.zeros(inputs.shape[1])
    weights[0] = _log_odds(level) if logistic else level
    if logistic and level in (0.0, 1.0):
        return Linear(mean, scale, weights[1:], float(weights[0]), logistic)
    for _ in range(_STEPS if logistic else 1):
        sums = _product(inputs, weights)
        value = _sigmoid(sums) if logistic else sums
        curvature = weight * (value * (1 - value) if logistic else 1.0)
        slope = _product(inputs.T, weight * (target - value)) - ridge @ weights
        bend = _product((inputs * curvature[:, None]).T, inputs) + ridge + 1e-9 * np.eye(len(weights))
        step = np.linalg.solve(bend, slope)
        weights = weights + step
        if np.abs(step).max() < _CLOSE:
            break
    return Linear(mean, scale, weights[1:], float(weights[0]), logistic)


def _sparse(rows: np.ndarray, target: np.ndarray, weight: np.ndarray) -> Linear:
    """Fit least squares to the few features that surely matter.

    Features are added one by one, always the one that explains most of what is left, as long as the Bayesian
    information criterion falls (Schwarz, "Estimating the dimension of a model", 1978). The weights of the others are 0.
    """
    mean, scale = _standards(rows, weight)
    inputs = np.column_stack([np.ones(len(rows)), (rows - mean) / scale])
    both = _product((inputs * weight[:, None]).T, np.column_stack([inputs, target]))
    gram, slope = both[:, :-1], both[:, -1]
    left = float((weight * target**2).sum())  # sum of squares that is not explained yet
    chosen = [0]
    while True:
        inner = gram[np.ix_(chosen, chosen)]
        weights = np.linalg.solve(inner, slope[chosen])
        rest = left - float(weights @ slope[chosen])
        open_slope = slope - gram[:, chosen] @ weights
        own = np.diag(gram) - np.einsum("ij,ji->i", gram[:, chosen], np.linalg.solve(inner, gram[chosen]))
        able = own > _OWN * len(rows)  # what is a sum of the chosen ones adds nothing
        gain = np.where(able, open_slope**2 / np.where(able, own, 1.0), 0.0)
        best = int(gain.argmax())
        if rest <= 0 or gain[best] <= 0 or len(rows) * -np.log1p(-min(gain[best] / rest, 0.999)) <= np.log(len(rows)):
            break
        chosen.append(best)
    full = np.zeros(inputs.shape[1])
    full[chosen] = weights
    return Linear(mean, scale, full[1:], float(full[0]), logistic=False)


def _standards(rows: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each feature."""
    mean = np.average(rows, axis=0, weights=weight)
    scale = np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=weight))
    return mean, np.where(scale > 1e-9, scale, 1.0)  # what does not vary says nothing


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Multiply in one thread: sums have one order on every machine, and NumPy's threads wait longer than they work."""
    import torch

    from shopbatch.training.one_thread import one_thread

    with one_thread():
        return np.asarray((torch.from_numpy(left) @ torch.from_numpy(right)).numpy())


def _sigmoid(sums: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(sums, -40.0, 40.0))))


def _log_odds(share: float) -> float:
    inside = min(max(share, 1e-9), 1 - 1e-9)
    return float(np.log(inside / (1 - inside)))
