"""Calibration: finds the shift and the temperature of a head's logits that make its probabilities reliable."""

from __future__ import annotations

import numpy as np
import torch

from shopbatch.training.one_thread import minimise

FEW = 30  # a language with fewer validation examples is calibrated on other examples as well
_COLDEST, _HOTTEST = 0.05, 20.0  # limits of a temperature


def recalibrate(logits: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the (shift [classes], temperature) that minimise the log loss of (logits + shift) / temperature.

    A head that was trained on all languages together has learnt their common class shares, but the shares of each
    language differ, which the shift corrects. This is vector scaling with a single scale (Guo et al. 2017, section
    4.2). A class that does not occur among the labels is not shifted. The temperature is limited to 0.05 to 20: a few
    examples that are all classified correctly would drive it to 0.
    """
    target = torch.from_numpy(label.astype(np.int64))
    occurs = torch.from_numpy(np.isin(np.arange(logits.shape[1]), label))
    inputs = torch.from_numpy(logits.astype(float))
    shift = torch.zeros(logits.shape[1], dtype=torch.float64, requires_grad=True)
    cooling = torch.zeros((), dtype=torch.float64, requires_grad=True)  # -log of the temperature

    def scale() -> torch.Tensor:
        return torch.exp(-cooling).clamp(_COLDEST, _HOTTEST)

    def loss() -> torch.Tensor:
        moved = (inputs + torch.where(occurs, shift, 0.0)) / scale()
        return torch.nn.functional.cross_entropy(moved, target) + 1e-4 * (shift**2).sum()

    minimise([shift, cooling], loss, 200)
    return torch.where(occurs, shift, 0.0).detach().numpy(), float(scale().detach())
