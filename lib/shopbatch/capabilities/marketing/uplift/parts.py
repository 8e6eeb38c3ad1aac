"""Regression models that the uplift learners are built from: linear, sparse linear, and boosted trees.

Equal rows give equal bits: linear models are solved by a fixed sequence of steps in one thread, and LightGBM runs
deterministically in one thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import lightgbm
import numpy as np

Family = Literal["linear", "boosted", "sparse"]
_STEPS, _CLOSE = 30, 1e-8  # Newton's method: most steps, and the step size at which it stops
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
_OWN = 1e-4  # least share of a feature's variance that chosen features do not explain
_LEAST_LEAF, _LEAF_SHARE = 20, 0.005  # fewest rows of a leaf: a number, and a share of all rows


class Part(Protocol):
    """A fitted regression model that predicts one number per row."""

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Predict one number per row.

        Args:
            rows: Features, float64 [n, features].

        Returns:
            Predictions, float64 [n].
        """
        ...


@dataclass(frozen=True)
class Linear:
    """A fitted linear or logistic regression on standardised features.

    Attributes:
        mean: Mean of each feature, subtracted first, float64 [features].
        scale: Standard deviation by which each feature is divided, float64 [features].
        weight: Weight of each standardised feature, float64 [features].
        bias: Constant that is added.
        logistic: True if the sum is a log-odds and predictions are probabilities.
    """

    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    bias: float
    logistic: bool

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Predict one number per row, a probability if the model is logistic.

        Args:
            rows: Features, float64 [n, features].

        Returns:
            Predictions, float64 [n].
        """
        sums = (rows - self.mean) / self.scale @ self.weight + self.bias
        return np.asarray(_sigmoid(sums) if self.logistic else sums)


@dataclass(frozen=True)
class Boosted:
    """A fitted model of gradient boosted trees (LightGBM).

    Attributes:
        text: The trees in LightGBM's text format, as `Booster.model_to_string` writes it.
    """

    text: str

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Predict one number per row, a probability if the target was binary.

        Args:
            rows: Features, float64 [n, features].

        Returns:
            Predictions, float64 [n].
        """
        booster = lightgbm.Booster(model_str=self.text)
        return np.asarray(booster.predict(rows, num_threads=1), np.float64)


def fit(family: Family, rows: np.ndarray, target: np.ndarray, weight: np.ndarray, penalty: float) -> Part:
    """Fit a regression model to weighted rows. Linear and boosted models are logistic if all targets are 0 or 1.

    Args:
        family: The kind of model.
        rows: Features, float64 [n, features], without nan.
        target: The number to predict, float64 [n].
        weight: Weight of each row, float64 [n]; only the ratios matter.
        penalty: L2 penalty on the weights of a linear model, in units of rows: 50 is as strong as 50 rows. Other
            families ignore it.
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
    """Fit a linear regression, or a logistic one if `logistic`, with an L2 penalty on standardised features.

    The method is Newton's; least squares need only one step. The arguments are those of `fit`.
    """
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
    """Fit least squares to the few features that matter for certain; all other weights are 0.

    Features are added one at a time, each time the one that explains most of the remaining variance, as long as the
    Bayesian information criterion falls (Schwarz, "Estimating the dimension of a model", 1978).
    """
    mean, scale = _standards(rows, weight)
    inputs = np.column_stack([np.ones(len(rows)), (rows - mean) / scale])
    both = _product((inputs * weight[:, None]).T, np.column_stack([inputs, target]))
    gram, slope = both[:, :-1], both[:, -1]
    left = float((weight * target**2).sum())  # total sum of squares
    chosen = [0]
    while True:
        inner = gram[np.ix_(chosen, chosen)]
        weights = np.linalg.solve(inner, slope[chosen])
        rest = left - float(weights @ slope[chosen])
        open_slope = slope - gram[:, chosen] @ weights
        own = np.diag(gram) - np.einsum("ij,ji->i", gram[:, chosen], np.linalg.solve(inner, gram[chosen]))
        able = own > _OWN * len(rows)  # a linear combination of chosen features adds nothing
        gain = np.where(able, open_slope**2 / np.where(able, own, 1.0), 0.0)
        best = int(gain.argmax())
        if rest <= 0 or gain[best] <= 0 or len(rows) * -np.log1p(-min(gain[best] / rest, 0.999)) <= np.log(len(rows)):
            break
        chosen.append(best)
    full = np.zeros(inputs.shape[1])
    full[chosen] = weights
    return Linear(mean, scale, full[1:], float(full[0]), logistic=False)


def _standards(rows: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean and standard deviation of each feature; 1 in place of a deviation of about 0."""
    mean = np.average(rows, axis=0, weights=weight)
    scale = np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=weight))
    return mean, np.where(scale > 1e-9, scale, 1.0)  # a constant feature gets a weight of 0


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Multiply two matrices in one thread.

    So sums are added in the same order on every machine; and NumPy's threads would wait longer than they work.
    """
    import torch

    from shopbatch.training.one_thread import one_thread

    with one_thread():
        return np.asarray((torch.from_numpy(left) @ torch.from_numpy(right)).numpy())


def _sigmoid(sums: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(sums, -40.0, 40.0))))


def _log_odds(share: float) -> float:
    inside = min(max(share, 1e-9), 1 - 1e-9)
    return float(np.log(inside / (1 - inside)))
