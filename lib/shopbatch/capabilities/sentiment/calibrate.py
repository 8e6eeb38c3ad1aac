"""Calibration: finds the shift and the temperature of a head's logits that make its probabilities reliable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from shopbatch.capabilities.sentiment.head import LABELS, NEUTRAL
from shopbatch.evaluation.calibration import log_loss, softmax, temperature
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


@dataclass(frozen=True)
class Known:
    """What is known of the examples that a head is calibrated on.

    Attributes:
        stated: The labels that their source states, int64 [n].
        taught: The labels with the weak neutral ones, int64 [n].
        group: The number of each example's language; -1: none of its own. [n]
        use: Which examples calibrate, bool [n].
    """

    stated: np.ndarray
    taught: np.ndarray
    group: np.ndarray
    use: np.ndarray


def calibrate(
    weights: np.ndarray, bias: np.ndarray, vectors: np.ndarray, known: Known
) -> tuple[np.ndarray, np.ndarray, float]:
    """Calibrate the classifiers of a pooled head on examples that it was not fitted to.

    A language gets shifts and a temperature by its own examples (all examples if it has too few). If its neutral labels
    are weak, the stated ones calibrate negative against positive, and neutral gets the share that the weak labels have.
    The shared classifier gets a temperature alone, by the languages that have all classes: how frequent the classes are
    in a language without examples is not known.

    Args:
        weights: [1 + languages, dim, 3], the shared ones first.
        bias: [1 + languages, 3].
        vectors: float32 [n, dim].
        known: What is known of the examples.

    Returns:
        Biases [1 + languages, 3], temperatures [1 + languages], and the mean log loss.
    """
    biases, temperatures, losses = bias.copy(), np.ones(len(bias)), []
    for code in range(-1, len(bias) - 1):
        own = np.flatnonzero(known.use & (known.group == code))
        enough = len(own) >= FEW and len(np.unique(known.stated[own])) > 1
        rows = own if enough else _with_all_classes(known)
        logits = vectors[rows] @ weights[code + 1] + bias[code + 1]
        stated, taught = known.stated[rows], known.taught[rows]
        if code < 0 and not enough:
            temperatures[0] = temperature(logits, stated)
            continue
        is_weak = NEUTRAL not in stated and NEUTRAL in taught
        shift, heat = _weakly(logits, stated, taught) if is_weak else recalibrate(logits, stated)
        biases[code + 1] += shift
        temperatures[code + 1] = heat
        losses += [log_loss((logits + shift) / heat, taught)] * len(own)
    return biases, temperatures, float(np.mean(losses)) if losses else 0.0


def _with_all_classes(known: Known) -> np.ndarray:
    """Return the examples of the languages in which the source states every class; all examples if there are none."""
    whole = [
        g for g in np.unique(known.group) if len(np.unique(known.stated[known.use & (known.group == g)])) == len(LABELS)
    ]
    rows = np.flatnonzero(known.use & np.isin(known.group, whole))
    return rows if len(rows) else np.flatnonzero(known.use)


def _weakly(logits: np.ndarray, stated: np.ndarray, taught: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the shift and the temperature of a language with weak neutral labels."""
    blocked = logits.copy()
    blocked[:, NEUTRAL] = -1e4
    shift, heat = recalibrate(blocked, stated)
    share, low, high = float((taught == NEUTRAL).mean()), -50.0, 50.0
    for _ in range(60):  # the mean probability grows with the shift
        shift[NEUTRAL] = (low + high) / 2
        if softmax((logits + shift) / heat)[:, NEUTRAL].mean() < share:
            low = shift[NEUTRAL]
        else:
            high = shift[NEUTRAL]
    return shift, heat
