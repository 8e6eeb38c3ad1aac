"""Calibrate sentiment heads: find the shift and temperature of the logits that make the probabilities reliable."""

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

    A head that was trained on all languages together has learnt the class shares of all of them. The shift corrects
    these to the shares of one language. This is vector scaling with a single scale (Guo et al. 2017, section 4.2). A
    class that does not occur among the labels is not shifted. The temperature is limited to 0.05 to 20, because a few
    examples that are all classified correctly would drive it to 0.

    Args:
        logits: Logits of the examples, [n, classes].
        label: Their labels, int [n].
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
    """Labels and languages of the examples on which a head is calibrated.

    Attributes:
        stated: The labels that the source of the reviews gives, int64 [n].
        taught: The labels used for training, int64 [n]. They equal `stated`, except for the texts that `weak` labels
            neutral because their source has no neutral label.
        group: Index of each example's language among the languages with a classifier of their own, int64 [n]; -1 for
            any other language.
        use: Mask of the examples that are used for calibration, bool [n].
    """

    stated: np.ndarray
    taught: np.ndarray
    group: np.ndarray
    use: np.ndarray


def calibrate(
    weights: np.ndarray, bias: np.ndarray, vectors: np.ndarray, known: Known
) -> tuple[np.ndarray, np.ndarray, float]:
    """Calibrate all classifiers of a head (a shared one and one per language), on examples not used for the fit.

    Each language gets shifts and a temperature from its own examples, or from all examples if it has too few. A
    language can lack neutral labels in its source and have only weak ones (see `weak`). Then the labels of the source
    calibrate negative against positive, and neutral is shifted until its mean probability is its share among the
    training labels. The shared classifier gets only a temperature, fitted on the languages that have all classes,
    because the class shares of a language without examples are unknown.

    Args:
        weights: [1 + languages, dim, 3], the shared classifier first.
        bias: [1 + languages, 3].
        vectors: Vectors of the examples, float32 [n, dim].
        known: Labels and languages of the examples.

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
    """Return the row numbers of the examples whose language has every class among its stated labels.

    If no language has, the rows of all examples used for calibration are returned.
    """
    whole = [
        g for g in np.unique(known.group) if len(np.unique(known.stated[known.use & (known.group == g)])) == len(LABELS)
    ]
    rows = np.flatnonzero(known.use & np.isin(known.group, whole))
    return rows if len(rows) else np.flatnonzero(known.use)


def _weakly(logits: np.ndarray, stated: np.ndarray, taught: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the shift [3] and temperature for a language whose source has no neutral labels, only weak ones.

    Negative against positive is calibrated on the labels of the source. Then the shift of neutral is searched at which
    its mean probability equals its share among the training labels. See `weak` for weak labels.

    Args:
        logits: Logits of the examples, [n, 3].
        stated: Labels of the source, int [n].
        taught: Labels used for training, which include the weak neutral ones, int [n].
    """
    blocked = logits.copy()
    blocked[:, NEUTRAL] = -1e4
    shift, heat = recalibrate(blocked, stated)
    share, low, high = float((taught == NEUTRAL).mean()), -50.0, 50.0
    for _ in range(60):  # bisection, as the mean probability grows with the shift
        shift[NEUTRAL] = (low + high) / 2
        if softmax((logits + shift) / heat)[:, NEUTRAL].mean() < share:
            low = shift[NEUTRAL]
        else:
            high = shift[NEUTRAL]
    return shift, heat
