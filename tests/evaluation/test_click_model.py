"""The click model on simulated clicks of known parameters, and where it must say that it cannot know."""

import numpy as np
import pytest

from shopbatch.evaluation.click_model import Clicks, attraction, examination, log_likelihood, rates

EXAMINED = np.array([1.0, 0.7, 0.5, 0.35, 0.25, 0.18])
PAIRS, PLACES = 300, len(EXAMINED)


def simulated(seed, shown=400, moved=0.3, biased=True):
    """Lists of six of a query's six products, the better ones mostly above; some lists are shuffled."""
    rng = np.random.default_rng(seed)
    attractive = rng.beta(1.2, 4, PAIRS)
    counts, clicks = np.zeros((PAIRS, PLACES)), np.zeros((PAIRS, PLACES))
    for query in range(PAIRS // PLACES):
        pairs = np.arange(query * PLACES, (query + 1) * PLACES)
        order = pairs[np.argsort(-attractive[pairs])] if biased else pairs
        for _ in range(shown):
            shuffled = rng.random() < moved
            listed = rng.permutation(order) if shuffled else order
            places = np.arange(PLACES)
            counts[listed, places] += 1
            clicks[listed, places] += rng.random(PLACES) < EXAMINED * attractive[listed]
    return table(counts, clicks), attractive


def table(counts, clicks):
    pair, place = np.nonzero(counts)
    return Clicks(pair, place, counts[pair, place], clicks[pair, place], *counts.shape)


@pytest.fixture(scope="module")
def clicks():
    return simulated(0)


def test_the_places_are_recovered_and_click_rates_are_not_the_places(clicks):
    data, _ = clicks
    found = examination(data)
    np.testing.assert_allclose(found, EXAMINED, atol=0.05)
    naive = rates(data, data.place, PLACES, 0)
    assert np.abs(naive / naive[0] - EXAMINED).max() > 0.1  # good products stand in good places


def test_attraction_is_recovered_where_click_rates_are_far_off(clicks):
    data, attractive = clicks
    found, looks = attraction(data, examination(data), prior=5)
    naive = rates(data, data.pair, PAIRS, 5)
    wrong, naive_wrong = (np.abs(f - attractive).mean() for f in (found, naive))
    assert wrong < 0.03 < naive_wrong / 2
    expected = np.bincount(data.pair, data.shown * EXAMINED[data.place], PAIRS)
    np.testing.assert_allclose(looks, expected, rtol=0.1)


def test_the_model_forecasts_other_clicks_better_than_either_rate(clicks):
    data, _ = clicks
    other, _ = simulated(0, shown=401)  # the same products, other visits
    examined = examination(data)
    model = examined[other.place] * attraction(data, examined, 5)[0][other.pair]
    by_pair, by_place = rates(data, data.pair, PAIRS, 5)[other.pair], rates(data, data.place, PLACES, 5)[other.place]
    ours, pair, place = (log_likelihood(other, chance).sum() for chance in (model, by_pair, by_place))
    assert ours > pair > place


def test_few_looks_are_drawn_to_the_mean_of_all():
    counts = np.array([[1000.0, 1000.0], [1000.0, 1000.0], [1.0, 0.0]])
    clicked = np.array([[300.0, 150.0], [100.0, 50.0], [1.0, 0.0]])
    found, looks = attraction(table(counts, clicked), np.array([1.0, 0.5]), prior=20)
    mean = clicked.sum() / (counts * [1.0, 0.5]).sum()
    assert found[2] == pytest.approx((1 + 20 * mean) / 21, abs=1e-4)
    assert found[:2] == pytest.approx([0.3, 0.1], abs=0.01) and looks[2] == 1


def test_products_that_never_move_say_nothing_about_places():
    counts = np.diag([500.0, 500.0, 500.0])
    assert np.isnan(examination(table(counts, counts / 5))).all()


def test_places_that_no_product_links_with_the_others_are_left_out():
    counts, clicked = np.zeros((4, 4)), np.zeros((4, 4))
    counts[0, :2], counts[1, :2], counts[2, 2:], counts[3, 2:] = 900, 900, 50, 50
    clicked[0, :2], clicked[1, :2], clicked[2, 2:], clicked[3, 2:] = (450, 225), (90, 45), (10, 5), (10, 5)
    found = examination(table(counts, clicked))
    assert found[:2] == pytest.approx([1, 0.5], abs=0.01) and np.isnan(found[2:]).all()
    _, looks = attraction(table(counts, clicked), found, 1)
    assert looks[2:].tolist() == [0, 0]


def test_a_place_may_be_looked_at_more_than_the_first():
    counts = np.full((3, 2), 2000.0)
    clicked = counts * np.outer([0.1, 0.2, 0.4], [0.5, 1.0])  # an advert stands in the first place
    data = table(counts, clicked)
    examined = examination(data)
    assert examined == pytest.approx([0.5, 1], abs=0.01)
    assert attraction(data, examined, 0)[0] == pytest.approx([0.1, 0.2, 0.4], abs=0.01)
