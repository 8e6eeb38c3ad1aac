"""K, cycle time and system factor of processes whose truth is known; delays against a likelihood of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import gamma

from shopbatch.capabilities.growth.cells import grid
from shopbatch.capabilities.growth.delays import Seen, fit_delays
from shopbatch.capabilities.growth.factors import Factors, estimate
from shopbatch.capabilities.growth.forecast import forecast
from shopbatch.capabilities.growth.resamples import weights
from shopbatch.sample.referrals import Truth, grow
from tests.capabilities.growth.seen import counts_of

pytestmark = pytest.mark.slow

TRUTH, DAYS, SEEDS, DRAWS = Truth(), 60.0, 2_000, 24


@pytest.fixture(scope="module")
def found() -> list[Factors]:
    """Estimates of 24 draws. The bench has hundreds: `python -m bench.growth estimates`."""
    grown = (grow(TRUTH, seed, SEEDS, DAYS, np.arange(SEEDS) % 3) for seed in range(100, 100 + DRAWS))
    return [estimate(counts_of(g, DAYS, 60)) for g in grown]


def test_factors_are_not_biased_by_what_has_not_been_seen_yet(found: list[Factors]) -> None:
    k = np.array([f.channels.value[:3] for f in found]) - TRUTH.factors[:3]
    assert np.abs(k.mean(axis=0)).max() < 0.02
    naive = np.array([f.naive[:3] for f in found]) - TRUTH.factors[:3]
    assert naive.mean(axis=0).max() < -0.03, "the plain count is biased, or the test is too easy"
    cycle = np.array([f.cycle.value for f in found]).mean(axis=0)
    assert cycle == pytest.approx(TRUTH.delays, rel=0.05)
    system = np.array([f.system.value[0] for f in found])
    assert np.abs(system.mean() - TRUTH.system) < 0.02 and np.abs(system - TRUTH.system).max() < 0.08
    whole = np.mean([f.whole.value[0] for f in found])
    assert whole < TRUTH.system - 0.05, "the mean over users is another number"


def test_intervals_hold_the_truth_about_as_often_as_they_say(found: list[Factors]) -> None:
    inside = []
    for f in found:
        for e, truth in ((f.channels, TRUTH.factors), (f.system, [TRUTH.system]), (f.cycle, TRUTH.delays)):
            inside += [low <= t <= high for low, high, t in zip(e.low[:3], e.high[:3], truth[:3], strict=False)]
    assert 0.88 <= np.mean(inside) <= 0.99
    width = np.mean([(f.channels.high - f.channels.low)[:3] for f in found], axis=0)
    assert width.max() < 0.15


def test_cohorts_add_up_and_young_ones_are_less_certain(found: list[Factors]) -> None:
    grown = grow(TRUTH, 7, SEEDS, DAYS, np.arange(SEEDS) % 3)
    counts = counts_of(grown, DAYS, 60)
    f = estimate(counts)
    everyone = f.cohorts.value[-1]
    assert counts.children[0].sum() == (grown.parent >= 0).sum() and counts.users[0].sum() == len(grown.parent)
    widths = (f.cohorts.high - f.cohorts.low)[-1]
    assert widths[-1] > 1.3 * np.median(widths[2:-3])
    assert np.all(f.cohorts.low <= f.cohorts.value) and np.all(f.cohorts.value <= f.cohorts.high)
    assert f.whole.value[0] == pytest.approx(np.average(everyone[1:-3]), abs=0.12)


def test_a_rare_channel_has_the_interval_of_a_count_and_the_delay_of_all() -> None:
    rare = replace(TRUTH, matrix=tuple((*row[:2], 0.002) for row in TRUTH.matrix))
    f = estimate(counts_of(grow(rare, 3, 400, DAYS, np.arange(400) % 3), DAYS, 60))
    assert f.shared_delay.tolist() == [False, False, True]
    assert f.channels.low[2] >= 0.0 and np.isfinite(f.channels.high[:3]).all()
    assert f.cycle.value[2] != pytest.approx(10.0, abs=0.01)
    nobody = estimate(counts_of(grow(replace(TRUTH, matrix=((0.0,) * 3,) * 4), 1, 50, DAYS), DAYS, 40))
    assert nobody.system.value[0] == 0 and nobody.channels.value.tolist() == [0] * 4
    assert nobody.channels.low[3] == 0 < nobody.channels.high[3]


def test_parts_of_the_data_can_be_counted_apart() -> None:
    grown = grow(TRUTH, 5, 300, DAYS)
    whole = counts_of(grown, DAYS, 40)
    cut = 20.0  # counted on two machines: children in either part belong to parents in either
    early = [replace_joined(grown, keep) for keep in (grown.joined < cut, grown.joined >= cut)]
    users = sum(counts_of(part, DAYS, 40).users for part in early)
    assert np.allclose(users, whole.users)


def replace_joined(grown, keep):  # type: ignore[no-untyped-def]
    names = ("root", "channel", "joined", "invited")
    return replace(grown, parent=np.full(int(keep.sum()), -1), **{n: getattr(grown, n)[keep] for n in names})


def test_delays_are_those_of_a_likelihood_written_down_once_more() -> None:
    draw = np.random.default_rng(1)
    ages = draw.uniform(0, 30, 3_000)
    kept = [
        (a, d) for a, d in zip(ages, gamma.rvs(1.7, scale=5 / 1.7, size=3_000, random_state=draw), strict=True) if d < a
    ]
    delays = np.array([d for _, d in kept])
    cells = np.linspace(0, 30, 301)
    users = np.histogram(ages, cells)[0][None, None, :].astype(float)
    middle = (cells[1:] + cells[:-1]) / 2
    seen = Seen(
        np.array([[float(len(delays))]]), delays[None].sum(axis=1), np.log(delays)[None].sum(axis=1), users, middle
    )
    mean, shape = fit_delays(seen)

    def loss(point: np.ndarray) -> float:
        m, s = np.exp(point)
        seen_by_now = gamma.cdf(ages, s, scale=m / s).sum()
        return float(-(gamma.logpdf(delays, s, scale=m / s).sum() - len(delays) * np.log(seen_by_now)))

    best = np.exp(minimize(loss, np.log([4.0, 1.0]), method="Nelder-Mead").x)
    assert [mean[0], shape[0]] == pytest.approx(best.tolist(), rel=0.02)
    assert delays.mean() < 0.92 * mean[0], "what was seen is shorter than what is"


def test_weights_are_poisson_and_the_same_everywhere() -> None:
    roots = np.arange(20_000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    w = weights(roots, 50)
    assert w.shape == (20_000, 51) and (w[:, 0] == 1).all()
    assert w[:, 1:].mean() == pytest.approx(1, abs=0.01) and w[:, 1:].var() == pytest.approx(1, abs=0.02)
    assert np.array_equal(weights(roots[5:6], 50), w[5:6])
    assert np.abs(np.corrcoef(w[:, 1:].T) - np.eye(50)).max() < 0.05


def test_cells_lie_within_one_cohort() -> None:
    as_of = datetime(2026, 3, 5, 7, tzinfo=UTC)
    cells = grid(as_of, 5)
    assert [c.weekday() for c in cells.cohorts] == [0] * 5 and cells.cohorts[-1].isoformat() == "2026-03-02"
    for age, cohort in ((0.1, 4), (3.2, 4), (3.4, 3), (31.2, 0)):
        assert cells.weeks[cells.cell(np.array([age]))[0]] == cohort
    assert cells.cell(np.array([-0.1, 0.0, 31.4])).tolist() == [-1, -1, -1]
    midnight = grid(datetime(2026, 3, 5, tzinfo=UTC), 5)
    assert midnight.weeks[midnight.cell(np.array([3.0, 10.0, 31.0]))].tolist() == [4, 3, 0], "joined as a week began"


def test_a_forecast_holds_what_comes() -> None:
    ahead, inside, gap = 28, [], []
    for seed in range(12):
        seeds = int(SEEDS * (DAYS + ahead) / DAYS)
        grown = grow(TRUTH, 500 + seed, seeds, DAYS + ahead, np.arange(seeds) % 3)
        counts = counts_of(grown, DAYS, 60)
        own = (grown.parent < 0) & (grown.joined < DAYS) & (grown.joined >= DAYS - 28)
        alone = np.zeros((28, 4))
        np.add.at(alone, (np.floor(grown.joined[own] - DAYS + 28).astype(int), grown.channel[own]), 1)
        fan = forecast(counts, estimate(counts), alone, ahead, seed)
        came = ((grown.joined >= DAYS) & (grown.joined < DAYS + ahead)).sum()
        inside.append(fan.totals[0, -1] <= came <= fan.totals[3, -1])
        gap.append(fan.total[-1] / came - 1)
        assert np.all(np.diff(fan.totals, axis=0) >= 0) and np.all(fan.invited <= fan.joins)
    assert np.sum(inside) >= 9 and abs(np.mean(gap)) < 0.06
