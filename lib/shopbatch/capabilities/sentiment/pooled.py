"""One linear classifier for all languages, with a deviation for each language that has enough rows of its own.

The weights of a language are the shared ones plus its deviation, and the squares of both are penalised, as in the
multi-task regularisation of Evgeniou & Pontil 2004. So a language with few rows stays near to what the others share,
and one with many rows goes its own way. The shared part is no classifier by itself: where every row has a language, its
bias can be any number, since the languages' own biases make up for it (see `Rows.together`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from shopbatch.training.one_thread import minimise

_IMPOSSIBLE = -1e4  # logit of a class that a row's label cannot tell anything about


@dataclass(frozen=True)
class Rows:
    """The rows that a classifier is fitted to.

    Attributes:
        vectors: float32 [n, dim].
        label: int64 [n].
        group: int64 [n], the language of each row; -1 for a row that teaches the shared weights only.
        weight: float64 [n].
        absent: bool [groups, classes], the classes that do not occur in a language and are not asked of its rows.
    """

    vectors: np.ndarray
    label: np.ndarray
    group: np.ndarray
    weight: np.ndarray
    absent: np.ndarray

    def together(self) -> Rows:
        """Return the same rows without their languages."""
        return replace(self, group=np.full_like(self.group, -1), absent=self.absent[:0])


@dataclass(frozen=True)
class Penalty:
    """Ridge penalties and the number of steps.

    Attributes:
        shared: Penalty on the squared shared weights.
        language: Penalty on the squared deviations.
        steps: Maximum number of L-BFGS iterations.
    """

    shared: float
    language: float
    steps: int


def fit_pooled(rows: Rows, penalty: Penalty) -> tuple[np.ndarray, np.ndarray]:
    """Fit a multinomial logistic regression on standardised vectors.

    The loss is the weighted mean cross entropy plus the penalties. The standardisation is folded into the result.

    Returns:
        Weights, float64 [1 + groups, dim, classes], the shared ones first, and biases, [1 + groups, classes].
    """
    groups, classes = rows.absent.shape
    mean, scale = rows.vectors.mean(0, dtype=float), rows.vectors.std(0, dtype=float) + 1e-6
    inputs = (rows.vectors - mean) / scale
    parts = []
    for group in range(-1, groups):
        of_group = np.flatnonzero(rows.group == group)
        if len(of_group):
            blocked = np.where(rows.absent[group], _IMPOSSIBLE, 0.0) if group >= 0 else np.zeros(classes)
            parts.append(
                (
                    group,
                    torch.from_numpy(inputs[of_group].astype(np.float32)),
                    torch.from_numpy(rows.label[of_group]),
                    torch.from_numpy(rows.weight[of_group] / rows.weight.sum()),
                    torch.from_numpy(blocked),
                )
            )
    dim = inputs.shape[1]
    shared, bias = (torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in ((dim, classes), classes))
    own = torch.zeros((groups, dim, classes), dtype=torch.float64, requires_grad=True)
    own_bias = torch.zeros((groups, classes), dtype=torch.float64, requires_grad=True)

    def loss() -> torch.Tensor:
        total = penalty.shared * (shared**2).sum() + penalty.language * (own**2).sum()
        for group, x, target, weight, blocked in parts:
            w, b = (shared, bias) if group < 0 else (shared + own[group], bias + own_bias[group])
            logits = (x @ w.float()).double() + b + blocked
            total = total + (weight * torch.nn.functional.cross_entropy(logits, target, reduction="none")).sum()
        return total

    minimise([shared, bias, own, own_bias] if groups else [shared, bias], loss, penalty.steps, 1e-6, 1e-8)
    all_weights = np.concatenate([shared.detach().numpy()[None], (shared + own).detach().numpy()])
    all_biases = np.concatenate([bias.detach().numpy()[None], (bias + own_bias).detach().numpy()])
    weights = all_weights / scale[:, None]
    return weights, all_biases - np.einsum("d,gdc->gc", mean, weights)


def balanced_weights(label: np.ndarray, cell: np.ndarray, power: float) -> np.ndarray:
    """Weigh rows so that the classes of a cell come nearer to equal shares; the mean weight of each cell is 1.

    Args:
        label: int64 [n].
        cell: The cell (language and domain) of each row, [n].
        power: 0 leaves the shares as they are, 1 makes them equal.
    """
    weight = np.ones(len(label))
    for name in np.unique(cell):
        rows = np.flatnonzero(cell == name)
        counts = np.bincount(label[rows])
        weight[rows] = (len(rows) / counts[label[rows]]) ** power
        weight[rows] /= weight[rows].mean()
    return weight
