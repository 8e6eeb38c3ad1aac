"""The sequence and text parts: lists are the best of all products by the sum of the parts, and reasons back them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from shopbatch.capabilities.recommendations.cold import TextVectors
from shopbatch.capabilities.recommendations.discover import Mixture
from shopbatch.capabilities.recommendations.fit import Choice, fitted
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import NextSettings
from shopbatch.capabilities.recommendations.recommender import (
    HABIT,
    NEIGHBOURS,
    POPULAR,
    SEQUENCE,
    TEXT,
    Recommender,
)
from shopbatch.capabilities.recommendations.sequence import NextProducts
from shopbatch.capabilities.recommendations.sequence_config import SequenceConfig
from shopbatch.capabilities.recommendations.sequence_model import SequenceModel
from shopbatch.capabilities.recommendations.sequence_part import SequencePart
from shopbatch.capabilities.recommendations.text_part import TextPart
from shopbatch.models.folder import ModelError

USERS, ITEMS, KNOWN, SIZE = 30, 40, 30, 12  # products from KNOWN on are found by text alone
WORDS = ("coat red", "coat blue", "shoe red", "shoe blue", "hat red")


def drawn(seed: int, rows: int = 500) -> History:
    """Purchases of the known products and, rarely, of the others; the last user has none."""
    draw = np.random.default_rng(seed)
    item = np.where(draw.random(rows) < 0.985, draw.integers(0, KNOWN, rows), draw.integers(KNOWN, ITEMS, rows))
    return History.of(draw.integers(0, USERS - 1, rows), item, draw.integers(0, 90, rows), USERS, ITEMS)


@pytest.fixture(scope="module")
def whole() -> tuple[Recommender, History]:
    history = drawn(0)
    torch.manual_seed(3)
    model = NextProducts(KNOWN, SequenceConfig(max_items=9, hidden=8))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    part = SequencePart(SequenceModel(model), np.arange(KNOWN), discover=0.6, again=0.5)
    text = TextPart(
        TextVectors.tf_idf(WORDS),
        np.arange(ITEMS) % 5,
        np.arange(KNOWN, ITEMS)[np.argsort(np.arange(KNOWN, ITEMS) % 5, kind="stable")],
        0.3,
    )
    counting = fitted(
        history, [f"p{n:02}" for n in range(ITEMS)], Choice(90.0, NextSettings(keep=5), Mixture(0, 0.5), {}), 5
    )
    return replace(counting, sequence=part, text=text), history


def test_new_products_are_the_best_by_the_sum_of_both_scores(whole: tuple[Recommender, History]) -> None:
    """Against a matrix of all users and products: standard scores by NumPy, and every product compared."""
    recommender, history = replace(whole[0], text=None), whole[1]
    part, got = recommender.sequence, recommender.to_discover(history, SIZE)
    assert part is not None
    counted = recommender.discover.neighbours.score(history).dense(ITEMS) + recommender.discover.base
    learnt = np.zeros((USERS, ITEMS))
    rows = [history.user == user for user in range(USERS)]
    known = [(history.item[r & (history.item < KNOWN)], history.day[r & (history.item < KNOWN)]) for r in rows]
    raw = part.model.score(known) @ part.model.products.T
    raw -= raw.mean(1, keepdims=True)
    learnt[:, :KNOWN] = raw / np.where(raw.std(1, keepdims=True) > 0, raw.std(1, keepdims=True), 1)
    spread = counted.std(1, keepdims=True)
    total = 0.4 * counted / np.where(spread > 0, spread, 1) + 0.6 * learnt
    seen = 0
    for user in range(USERS):
        entries = slice(got.starts[user], got.starts[user + 1])
        own = set(history.item[rows[user]].tolist())
        order = [i for i in np.argsort(-total[user], kind="stable").tolist() if i not in own and i < KNOWN]
        scores = got.score[entries]
        assert not own & set(got.item[entries].tolist()) and (np.diff(scores) <= 0).all() and (scores > 0).all()
        np.testing.assert_allclose(scores, np.logaddexp(0, total[user, order[: len(scores)]]), atol=1e-4)
        assert len(scores) == min(SIZE, len(order))
        seen += len(scores)
    assert seen > USERS * SIZE / 2


def test_what_is_bought_again_is_ordered_by_both_scores(whole: tuple[Recommender, History]) -> None:
    recommender, history = whole
    got, habit = recommender.buy_again(history, ITEMS), replace(recommender, sequence=None).buy_again(history, ITEMS)
    part = recommender.sequence
    assert part is not None and set(got.source.tolist()) == {HABIT}
    vectors = part.users(history)
    differ = 0
    for user in range(USERS - 1):
        a, b = (slice(c.starts[user], c.starts[user + 1]) for c in (got, habit))
        items = habit.item[b]
        assert set(got.item[a].tolist()) == set(items.tolist())
        z = habit.score[b] / habit.score[b].std()
        total = 0.5 * z + 0.5 * part.scores(vectors, np.full(len(items), user), items)
        assert got.item[a].tolist() == items[np.lexsort((items, -total))].tolist()
        differ += got.item[a].tolist() != items.tolist()
    assert differ > USERS / 2


@pytest.mark.slow
def test_reasons_are_own_products_of_the_source_that_made_the_score(whole: tuple[Recommender, History]) -> None:
    recommender, history = whole
    got = recommender.candidates("discover", history, SIZE)
    reasons = recommender.because(history, got)
    owned = [set(history.item[history.user == user].tolist()) for user in range(USERS)]
    part, text = recommender.sequence, recommender.text
    assert part is not None and text is not None and {NEIGHBOURS, SEQUENCE, TEXT} <= set(got.source.tolist())
    cosine = text.texts.rows(text.text) @ text.texts.rows(text.text).T
    for user, item, source, own in zip(got.user.tolist(), got.item.tolist(), got.source, reasons, strict=True):
        assert item not in owned[user] and set(own) <= owned[user]
        assert bool(own) or source in (POPULAR, SEQUENCE)
        assert (item >= KNOWN) == (source == TEXT)
        if source == TEXT:
            assert all(cosine[item, o] > 0 for o in own) and len(own) <= 3
        if source == SEQUENCE and own:
            assert len(own) == 1
            falls = {o: fall(part, history, user, item, o) for o in owned[user] if o < KNOWN}
            assert falls[own[0]] == pytest.approx(max(falls.values()), abs=1e-5) and falls[own[0]] > 0


def fall(part: SequencePart, history: History, user: int, item: int, without: int) -> float:
    """How much the score of a product falls, against the mean, without an own product among the newest 9 rows."""
    rows = (history.user == user) & (history.item < KNOWN)
    products, days = history.item[rows][-9:], history.day[rows][-9:]
    left = products != without
    with_, less = part.model.score([(products, days), (products[left], days[left])])
    vectors = part.model.products - part.model.products.mean(0)
    return float((with_ - less) @ vectors[item])


def test_a_user_gets_the_same_alone_and_texts_keep_their_places(whole: tuple[Recommender, History]) -> None:
    recommender, history = whole
    got = recommender.candidates("discover", history, 20)
    for user in range(USERS):
        alone = recommender.candidates("discover", history.of_users(np.array([user])), 20)
        entries = slice(got.starts[user], got.starts[user + 1])
        assert alone.item.tolist() == got.item[entries].tolist()
        assert alone.source.tolist() == got.source[entries].tolist()
        np.testing.assert_allclose(alone.score, got.score[entries], atol=1e-4)
        assert user == USERS - 1 or (alone.source == TEXT).sum() >= 2  # a tenth of 20
    last = got.source[got.starts[USERS - 1] :]
    assert len(last) and (last == POPULAR).all()  # the user without purchases


def test_the_files_hold_every_part(whole: tuple[Recommender, History], tmp_path: Path) -> None:
    recommender, history = whole
    recommender.save(tmp_path)
    loaded = Recommender.load(tmp_path)
    assert loaded.product_ids == recommender.product_ids and all("pickle" not in p.suffix for p in tmp_path.iterdir())
    for name in ("buy_again", "discover"):
        first, second = (r.candidates(name, history, SIZE) for r in (recommender, loaded))
        assert np.array_equal(first.item, second.item) and np.array_equal(first.score, second.score)
        assert recommender.because(history, first) == loaded.because(history, second)
    (tmp_path / "recommender.json").write_text('{"half_life": 3}')
    with pytest.raises(ModelError, match="do not fit together"):
        Recommender.load(tmp_path)


def test_nothing_is_proposed_that_nothing_led_to(whole: tuple[Recommender, History]) -> None:
    """Without popularity, a user without purchases has an empty list, and no list holds what both parts rate low."""
    recommender, history = whole
    bare = replace(recommender, text=None, discover=replace(recommender.discover, base=np.zeros(ITEMS)))
    got = bare.to_discover(history, ITEMS)
    assert got.starts[USERS] == got.starts[USERS - 1] > 0 and set(got.source.tolist()) == {NEIGHBOURS, SEQUENCE}
