"""Fit one linear classifier for all languages, with a deviation for each language that has enough rows.

The weights of a language are the shared weights plus its deviation, and the squares of both are penalised, as in the
multi-task regularisation of Evgeniou & Pontil 2004. So a language with few rows stays close to the shared weights, and
one with many rows can deviate from them. The shared part cannot be used alone as a classifier: if every row has a
language, its bias can be any number, since the languages' own biases make up for it (see `Rows.together`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from shopbatch.training.one_thread import minimise

_IMPOSSIBLE = -1e4  # added to the logits of classes that do not occur in a row's language


@dataclass(frozen=True)
class Rows:
    """The training rows of a pooled classifier.

    Attributes:
        vectors: float32 [n, dim].
        label: int64 [n].
        group: The number of each row's language, int64 [n]; -1 for a row from which only the shared weights learn.
        weight: Weight of each row in the loss, float64 [n].
        absent: bool [groups, classes]: True for classes that do not occur in a language. They are left out of the
            softmax of that language's rows.
    """

    vectors: np.ndarray
    label: np.ndarray
    group: np.ndarray
    weight: np.ndarray
    absent: np.ndarray

    def together(self) -> Rows:
        """Return the same rows without their languages, to fit the shared classifier alone."""
        return replace(self, group=np.full_like(self.group, -1), absent=self.absent[:0])


@dataclass(frozen=True)
class Penalty:
    """Ridge penalties of a fit, and its number of steps.

    Attributes:
        shared: Penalty on the squared shared weights.
        language: Penalty on the squared deviations of the languages.
        steps: Maximum number of L-BFGS iterations.
    """

    shared: float
    language: float
    steps: int


def fit_pooled(rows: Rows, penalty: Penalty) -> tuple[np.ndarray, np.ndarray]:
    """Fit a multinomial logistic regression with shared weights and one deviation per language.

    The loss is the weighted mean cross entropy plus the penalties. The vectors are standardised for the fit; this is
    folded into the result, which applies to the vectors as they are.

    Args:
        rows: The training rows.
        penalty: Penalties and number of steps.

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
    """Return a weight per row that brings the classes of each cell closer to equal shares in training, float64 [n].

    The mean weight of each cell is 1.

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
