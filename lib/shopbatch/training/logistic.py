"""Multinomial logistic regression with row weights, fitted by L-BFGS in one thread: equal rows give equal bits."""

from __future__ import annotations

import numpy as np
import torch

from shopbatch.training.one_thread import minimise


def fit_logistic(
    rows: np.ndarray | torch.Tensor,
    label: np.ndarray,
    classes: int,
    penalty: float,
    weight: np.ndarray | None = None,
    steps: int = 100,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a multinomial logistic regression with an L2 penalty.

    It minimises the weighted sum of the rows' cross entropies plus penalty / 2 times the sum of the squared weights.

    Args:
        rows: The features, float [n, dim]: a dense array, or a sparse torch tensor.
        label: Class numbers from 0, int [n].
        classes: Number of classes; a class without rows gets a bias far below the others (-30).
        penalty: L2 penalty (the inverse of scikit-learn's C).
        weight: Weight of each row, [n]; None for equal weights.
        steps: Maximum number of iterations.

    Returns:
        The weights, float64 [dim, classes], and the biases, float64 [classes].
    """
    inputs = torch.from_numpy(np.ascontiguousarray(rows, np.float32)) if isinstance(rows, np.ndarray) else rows
    target = torch.from_numpy(label.astype(np.int64))
    share = torch.from_numpy((np.ones(len(label)) if weight is None else weight).astype(np.float32))
    share = share / share.sum()
    scale = penalty / (float(len(label)) if weight is None else float(weight.sum()))
    empty = torch.from_numpy(np.where(np.bincount(label, minlength=classes) > 0, 0.0, -30.0).astype(np.float32))
    weights = torch.zeros((inputs.shape[1], classes), requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)

    def loss() -> torch.Tensor:
        product = torch.sparse.mm(inputs, weights) if inputs.is_sparse else inputs @ weights
        losses = torch.nn.functional.cross_entropy(product + (bias + empty), target, reduction="none")
        return (losses * share).sum() + scale / 2 * (weights**2).sum()

    minimise([weights, bias], loss, steps, tolerance_grad=1e-6, tolerance_change=1e-9)
    return weights.detach().double().numpy(), (bias + empty).detach().double().numpy()
