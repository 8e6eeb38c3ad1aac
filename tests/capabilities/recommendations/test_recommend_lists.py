"""Lists made with arrays are those of `rules.listed`, and no list holds what it must not: products, repeats, lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.capabilities.recommendations.recommend.candidates import OUTPUTS, CandidateScorer
from shopbatch.capabilities.recommendations.recommend.catalogue import ANYWHERE, ELSEWHERE, Catalogue, Markets
from shopbatch.capabilities.recommendations.recommend.histories import Numbers, broken
from shopbatch.capabilities.recommendations.recommend.lists import Entries, Rules, chosen
from shopbatch.capabilities.recommendations.recommend.stage import RecommendStage, Shop
from shopbatch.capabilities.recommendations.recommender import LISTS, Recommender
from shopbatch.core.hashing import hash128
from shopbatch.tables.user_sequences import CART, PURCHASE, RETURN, VIEW
from tests.capabilities.recommendations import rules as reference
from tests.capabilities.recommendations import shelf

IDS = [p["product_id"] for p in shelf.catalogue()]
TODAY = 400


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    return shelf.fit(shelf.drawn(60), IDS)


# --- arrays against the reference -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """A catalogue of ten products and the candidates of one user, as both implementations take them."""

    kind: list[int]  # product type of each product, -1 for none
    listed: list[bool]
    market: list[int]
    seldom: list[bool]
    # candidates: item -> score, days since the purchase, days since it was returned
    candidates: dict[int, tuple[float, int | None, int | None]]
    own_market: int


ten = 10
ago = st.none() | st.sampled_from([0, 179, 180, 250])  # the rules below say 180 and 365 days
back = st.none() | st.sampled_from([0, 364, 365, 400])
drawn_users = st.builds(
    Drawn,
    st.lists(st.integers(-1, 2), min_size=ten, max_size=ten),
    st.lists(st.sampled_from([True, True, True, False]), min_size=ten, max_size=ten),
    st.lists(st.sampled_from([ANYWHERE, ANYWHERE, 0, 1]), min_size=ten, max_size=ten),
    st.lists(st.booleans(), min_size=ten, max_size=ten),
    st.dictionaries(
        st.integers(0, ten - 1),
        st.tuples(st.integers(0, 5).map(lambda n: n / 4), ago, back),
        max_size=ten,
    ),
    st.sampled_from([ANYWHERE, ELSEWHERE, 0, 1]),
)
made = st.tuples(st.integers(1, 6), st.sampled_from([1.0, 0.7, 0.3, 0.0]), st.sampled_from([{}, {"product_type": 2}]))


def by_reference(one: Drawn, rules: tuple[int, float, dict[str, int]]) -> list[str]:
    size, mmr, most = rules
    markets = {ANYWHERE: None, ELSEWHERE: "elsewhere", 0: "m0", 1: "m1"}
    products = {}
    for n in range(ten):
        groups = {"category": "SELDOM" if one.seldom[n] else "OFTEN"}
        groups |= {"product_type": f"t{one.kind[n]}"} if one.kind[n] >= 0 else {}
        products[f"p{n}"] = reference.Product(f"p{n}", one.listed[n], markets[one.market[n]], groups)
    far = 10**5
    owned = {
        f"p{n}": reference.Owned(far if ago is None else ago, back)
        for n, (_, ago, back) in one.candidates.items()
        if ago is not None or back is not None
    }
    shop = reference.Rules(
        size=size, returned_days=365, repeatable={"SELDOM": 0.0}, repeatable_days=180, mmr=mmr, most_per_group=most
    )
    some = [reference.Candidate(f"p{n}", score, "new", "habit") for n, (score, _, _) in one.candidates.items()]
    return [c.product_id for c in reference.listed(some, products, owned, shop, markets[one.own_market])]


def by_arrays(users: Sequence[Drawn], rules: tuple[int, float, dict[str, int]]) -> list[list[str]]:
    one, (size, mmr, most) = users[0], rules
    column = [
        [
            {
                "item": n,
                "score": score,
                "source": 0,
                "because": [],
                "days": None if ago is None else 1,
                "last": None if ago is None else TODAY - ago,
                "returned": None if back is None else TODAY - back,
            }
            for n, (score, ago, back) in user.candidates.items()
        ]
        for user in users
    ]
    some = Entries.of(pa.array(column, OUTPUTS.field(0).type))
    ids = pa.array([f"p{n}" for n in range(ten)])
    groups = {"product_type": np.array(one.kind)}
    catalogue = Catalogue(
        ids, ids, np.array(one.listed), np.ones(ten, bool), np.array(one.market), ("m0", "m1"), groups, {}
    )
    shop = Rules(size, mmr, most, 365, np.array(one.seldom), 180, TODAY)
    picked = chosen(some, catalogue, shop, np.array([user.own_market for user in users]))
    return [[f"p{n}" for n in some.item[rows]] for rows in picked]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(drawn_users, min_size=1, max_size=4), made)
def test_arrays_give_what_the_rules_say(users: list[Drawn], rules: tuple[int, float, dict[str, int]]) -> None:
    shop = [
        Drawn(users[0].kind, users[0].listed, users[0].market, users[0].seldom, u.candidates, u.own_market)
        for u in users
    ]
    assert by_arrays(shop, rules) == [by_reference(user, rules) for user in shop]


# --- the stage --------------------------------------------------------------------------------------------------------


def raw_of(recommender: Recommender, histories: Mapping[str, Sequence[shelf.Entry]], size: int = 15) -> pa.Table:
    scorer = CandidateScorer(recommender, Numbers.of(IDS), size, entries=40)
    content = shelf.content(histories)
    batches = scorer.plan(content)
    assert np.concatenate(batches).tolist() == list(range(len(histories)))
    parts = [scorer.run(content.take(pa.array(b)), np.ones(len(b), np.int8)) for b in batches]
    return pa.concat_tables(parts)


def published(raw: pa.Table, users: Sequence[str], name: str, shop: Shop) -> list[dict[str, Any]]:
    stage = RecommendStage("", "", name, 15, 40, "", shop)
    columns = stage.publish(
        pa.table({"user_id": pa.array(users, pa.string())}), raw.select(OUTPUTS.names).cast(OUTPUTS)
    )
    return pa.table(columns).to_pylist()


entries = st.lists(
    st.tuples(
        st.sampled_from([*IDS, "unheard of"]),
        st.integers(0, 200),
        st.sampled_from([PURCHASE, PURCHASE, VIEW, CART, RETURN]),
    ),
    max_size=25,
)
bits = st.lists(st.sampled_from([True, True, False]), min_size=len(IDS), max_size=len(IDS)).map(np.array)


@settings(max_examples=100, deadline=None)
@given(st.lists(entries, min_size=1, max_size=4), bits, bits, st.sampled_from(["US", "GB", None]))
def test_no_list_holds_what_it_must_not(
    recommender: Recommender, many: list[list[shelf.Entry]], listed: np.ndarray, seldom: np.ndarray, market: str | None
) -> None:
    histories = {f"u{n}": rows for n, rows in enumerate(many)}
    key, _ = hash128([pa.array(["u0"])])
    markets = None if market is None else Markets(key, np.array([0 if market == "US" else ELSEWHERE]))
    shop, raw = shelf.shop_of(listed, seldom, markets=markets), raw_of(recommender, histories)
    for name in LISTS:
        for (user, rows), row in zip(histories.items(), published(raw, list(histories), name, shop), strict=True):
            items = row["items"]
            ids = [item["product_id"] for item in items]
            assert len(set(ids)) == len(ids) <= 6
            kinds = [shelf.catalogue()[IDS.index(i)]["product_type"] for i in ids]
            assert all(kinds.count(kind) <= 2 for kind in kinds)
            assert row["top_source"] == (items[0]["source"] if items else "none")
            for item in items:
                _check(item, name, rows, shop, in_gb=user == "u0" and market == "GB")


def _check(item: dict[str, Any], name: str, rows: Sequence[shelf.Entry], shop: Shop, in_gb: bool) -> None:
    """A product that the list may hold, and a reason that the history backs: derived from the rows by hand."""
    n = IDS.index(item["product_id"])
    assert shop.catalogue.listed[n] and not (in_gb and n % 5 == 0)
    days = sorted({day for product, day, action in rows if product == item["product_id"] and action == PURCHASE})
    assert not any(p == item["product_id"] and a == RETURN and 200 - d < 100 for p, d, a in rows)
    owned = {product for product, _, action in rows if action == PURCHASE}
    if name == "buy_again":
        assert days and item["kind"] == "repeat" and item["source"] == "habit"
        assert not (shop.rules.seldom[n] and 200 - days[-1] < 60)
        many = "s" if len(days) > 1 else ""
        assert item["reason"] == f"bought on {len(days)} day{many}, last on {shelf.START + timedelta(days[-1])}"
        assert item["because"] == [item["product_id"]]
        return
    assert not days
    assert set(item["because"]) <= owned - {IDS[shelf.UNTOLD]} and len(item["because"]) <= 3
    if item["kind"] == "popular":
        assert item["source"] == "popular" and item["because"] == [] and item["reason"] is None
        return
    assert item["kind"] == "new" and item["source"] == "neighbours"
    assert item["because"] or IDS[shelf.UNTOLD] in owned
    titles = [shelf.catalogue()[IDS.index(p)]["title"] for p in item["because"]]
    assert item["reason"] == (f"goes with what you bought: {', '.join(titles)}" if titles else None)


def test_reasons_are_the_greatest_shares_that_may_be_told(recommender: Recommender) -> None:
    histories = shelf.drawn(40, seed=9)
    raw = raw_of(recommender, histories)
    shop = shelf.shop_of(np.ones(len(IDS), bool), np.zeros(len(IDS), bool), size=15, mmr=1.0, most_per_group={})
    hidden = 0
    for candidates, row in zip(
        raw["discover"].to_pylist(), published(raw, list(histories), "discover", shop), strict=True
    ):
        wanted = {IDS[c["item"]]: [IDS[n] for n in c["because"]] for c in candidates}
        for item in row["items"]:
            own = wanted[item["product_id"]]
            assert item["because"] == [p for p in own if p != IDS[shelf.UNTOLD]][:3]
            hidden += IDS[shelf.UNTOLD] in own[:3]
    assert hidden > 10


def test_a_user_gets_the_same_in_every_batch(recommender: Recommender) -> None:
    histories = shelf.drawn(30, seed=5)
    whole = raw_of(recommender, histories)
    backwards = raw_of(recommender, dict(reversed(histories.items())))
    alone = pa.concat_tables([raw_of(recommender, {user: rows}) for user, rows in histories.items()])
    assert whole.equals(alone) and whole.to_pylist() == backwards.to_pylist()[::-1]
    assert whole["discover"][0] != whole["discover"][1]  # users do differ


def test_a_user_without_news_keeps_the_candidates_whatever_others_do(recommender: Recommender) -> None:
    histories = shelf.drawn(10, seed=5)
    before = raw_of(recommender, histories)
    histories["u003"] = [*histories["u003"], ("p01", 199, PURCHASE)]
    after = raw_of(recommender, histories)
    same = [a == b for a, b in zip(before.to_pylist(), after.to_pylist(), strict=True)]
    assert same == [user != "u003" for user in histories]


def test_products_never_bought_and_views_alone_give_what_is_popular(recommender: Recommender) -> None:
    histories = {"looked": [("p00", 3, VIEW), ("p01", 4, CART)], "elsewhere": [("unheard of", 3, PURCHASE)]}
    shop = shelf.shop_of(np.ones(len(IDS), bool), np.zeros(len(IDS), bool), size=10, mmr=1.0, most_per_group={})
    raw = raw_of(recommender, histories)
    assert [row["items"] for row in published(raw, list(histories), "buy_again", shop)] == [[], []]
    popularity = recommender.habit.popularity
    order = sorted(np.flatnonzero(popularity > 0), key=lambda n: (-popularity[n], n))
    wanted = [n for n in order if n != shelf.UNTOLD][:10]
    for row in published(raw, list(histories), "discover", shop):
        assert [item["product_id"] for item in row["items"]] == [IDS[n] for n in wanted]
        assert row["top_source"] == "popular" and {"p22", "p23"}.isdisjoint(i["product_id"] for i in row["items"])


def test_a_model_of_views_reads_views_and_claims_no_purchase(recommender: Recommender) -> None:
    histories = {"u": [("p00", 3, VIEW), ("p01", 4, PURCHASE)]}
    of_views = replace(recommender, actions=(PURCHASE, VIEW))
    shop = shelf.shop_of(np.ones(len(IDS), bool), np.zeros(len(IDS), bool), size=10, mmr=1.0, most_per_group={})
    raw = raw_of(of_views, histories)
    (again,) = published(raw, ["u"], "buy_again", replace(shop, only_bought=False))
    assert {item["product_id"]: item["reason"] for item in again["items"]} == {
        "p00": "you looked at it",
        "p01": f"bought on 1 day, last on {shelf.day(4)}",
    }
    (new,) = published(raw, ["u"], "discover", replace(shop, only_bought=False))
    reasons = [item["reason"] for item in new["items"] if item["because"]]
    assert reasons and all(reason.startswith("goes with what you bought or looked at: ") for reason in reasons)


def test_few_neighbours_are_filled_up_with_what_is_popular(recommender: Recommender) -> None:
    histories = {"u": [("p00", 3, PURCHASE)]}
    raw = raw_of(recommender, histories, size=23)
    candidates = raw["discover"][0].as_py()
    sources = [c["source"] for c in candidates]
    scores = [c["score"] for c in candidates]
    assert sources == sorted(sources) and len(set(sources)) == 2 and scores == sorted(scores, reverse=True)
    items = [c["item"] for c in candidates]
    assert len(set(items)) == len(items) and 0 not in items


def test_a_history_of_100_000_entries(recommender: Recommender) -> None:
    draw = np.random.default_rng(1)
    rows = [
        (IDS[p], int(d), PURCHASE)
        for p, d in zip(draw.integers(0, 22, 100_000), draw.integers(0, 20_000, 100_000), strict=True)
    ]
    raw = raw_of(recommender, {"many": rows, "few": rows[:3]}).to_pylist()
    days = {c["item"]: c["days"] for c in raw[0]["buy_again"]}
    assert len(days) == 15 and all(n == len({d for p, d, _ in rows if p == IDS[item]}) for item, n in days.items())
    assert raw[1] == raw_of(recommender, {"few": rows[:3]}).to_pylist()[0]


def test_a_product_id_that_nobody_can_read(recommender: Recommender) -> None:
    table = shelf.content({"u": [("p00", 1, PURCHASE)], "v": [("p01", 1, PURCHASE)]})
    raw = b"p00caf\xe9"
    values = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, 3, 7], np.int32)), pa.py_buffer(raw)]
    )
    products = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), values)
    broken_table = table.set_column(0, "products", products)
    assert broken(broken_table).to_pylist() == [None, "invalid_utf8"] and broken(table).null_count == 2
    good = broken_table.slice(0, 1)
    assert broken(good).to_pylist() == [None] and raw_of(recommender, {"u": [("p00", 1, PURCHASE)]}).num_rows == 1


@pytest.mark.parametrize(
    ("row", "want"),
    [
        ({"products": ["a"], "days": [date(2024, 1, 1)], "actions": [1]}, None),
        ({"products": [], "days": [], "actions": []}, "empty"),
        ({"products": ["a"], "days": [], "actions": [1]}, "broken_lists"),
        ({"products": ["a"], "days": [date(2024, 1, 1)], "actions": [1, 1]}, "broken_lists"),
        ({"products": ["a"], "days": [None], "actions": [1]}, "broken_lists"),
        ({"products": [None], "days": [date(2024, 1, 1)], "actions": [None]}, None),
    ],
    ids=["whole", "empty", "no days", "more actions", "a day missing", "product and action missing"],
)
def test_what_is_no_history(recommender: Recommender, row: dict[str, list[Any]], want: str | None) -> None:
    schema = shelf.content({}).schema
    good = {"products": ["p00"], "days": [date(2024, 1, 1)], "actions": [1]}
    table = pa.table({n: pa.array([row[n], good[n]], schema.field(n).type) for n in schema.names})
    assert broken(table).to_pylist() == [want, None]
    if want is None:
        CandidateScorer(recommender, Numbers.of(IDS), 5, 10).run(table, np.ones(2, np.int8))
