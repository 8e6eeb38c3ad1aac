"""A language's own share of each class is learnt from its validation examples."""

import numpy as np
import pytest

from shopbatch.capabilities.sentiment.calibrate import recalibrate
from shopbatch.evaluation.calibration import log_loss, softmax, temperature


def test_shift_and_temperature_come_back() -> None:
    draw = np.random.default_rng(0)
    true = draw.normal(0, 2, (20_000, 3)) + np.log([0.1, 0.1, 0.8])
    label = np.array([draw.choice(3, p=p) for p in softmax(true)])
    given = 2.5 * true - np.array([1.0, -2.0, 0.5])
    shift, scale = recalibrate(given, label)
    assert scale == pytest.approx(2.5, rel=0.05)
    assert shift - shift.mean() == pytest.approx(np.array([1.0, -2.0, 0.5]) - (-0.5 / 3), abs=0.15)
    assert log_loss((given + shift) / scale, label) < log_loss(given / temperature(given, label), label)


@pytest.mark.parametrize("rows", [5, 29, 500])
def test_examples_that_are_all_told_right_do_not_make_it_sure_of_everything(rows: int) -> None:
    draw = np.random.default_rng(0)
    logits, label = draw.normal(0, 1, (rows, 3)), np.arange(rows) % 3
    _, separable = recalibrate(np.where(np.eye(3)[label] > 0, logits.max() + 0.1, logits), label)
    _, one = recalibrate(np.add(logits, [1.0, 0.0, 0.0]), np.zeros(rows, int))
    assert min(separable, one) >= 0.05


def test_a_class_that_never_occurs_is_left_alone() -> None:
    draw = np.random.default_rng(1)
    logits, label = draw.normal(0, 1, (500, 3)), draw.choice([0, 2], 500)
    shift, scale = recalibrate(logits, label)
    assert shift[1] == 0 and np.isfinite(shift).all() and scale > 0
