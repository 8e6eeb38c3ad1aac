"""Plans keep their promises, whatever the shop: budget, consent, caps and the share of the hold-out."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopbatch.capabilities.marketing.plan.audience import REASONS, Cap, Offer, plan_day
from shopbatch.capabilities.marketing.plan.quiet import open_hours, span, zones_of, zones_of_markets
from shopbatch.capabilities.marketing.plan.reading import messages_before
from shopbatch.tables.campaign_plan import CHANNELS
from shopbatch.warehouse.store import Store
from tests.capabilities.marketing import shop

pytestmark = pytest.mark.slow

MONEY = st.decimals("0", "3", places=4)
GAIN = st.floats(-2, 5) | st.just(float("nan"))


@st.composite
def days(draw: st.DrawFn) -> tuple[list[str], list[Offer], dict[str, np.ndarray], list[Cap], list[np.ndarray]]:
    size = draw(st.integers(0, 40))
    ids = draw(st.lists(st.text(max_size=4), min_size=size, max_size=size, unique=True))

    def column(values: st.SearchStrategy[object]) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=size, max_size=size)))

    def mask() -> np.ndarray:
        return column(st.booleans()).astype(bool)

    consent = {channel: mask() for channel in CHANNELS}
    caps = [
        Cap(draw(st.integers(0, 3)), 7, draw(st.sampled_from([None, *CHANNELS])))
        for _ in range(draw(st.integers(0, 3)))
    ]
    before = [column(st.integers(0, 4)).astype(np.int64) for _ in caps]
    offers = [
        Offer(
            f"campaign-{number}",
            draw(st.sampled_from(CHANNELS)),
            draw(MONEY),
            draw(MONEY) * 10,
            draw(st.floats(0, 0.9)),
            column(GAIN).astype(float),
            draw(st.floats(-1, 1)),
            mask(),
            mask(),
        )
        for number in range(draw(st.integers(1, 4)))
    ]
    return ids, offers, consent, caps, before


@given(days())
def test_a_plan_keeps_every_promise(day) -> None:
    ids, offers, consent, caps, before = day
    audiences = plan_day(ids, offers, consent, caps, before)
    got = [count.copy() for count in before]
    for offer, audience in zip(offers, audiences, strict=True):
        sent = audience.sent
        mine = [number for number, cap in enumerate(caps) if cap.channel in (None, offer.channel)]
        able = offer.allowed & consent[offer.channel] & offer.reachable & (offer.gain > offer.min_gain)
        for number in mine:
            able &= got[number] < caps[number].messages
        assert len(set(audience.users.tolist())) == len(audience.users)
        assert offer.cost * len(sent) <= offer.budget
        assert able[audience.users].all()
        assert abs(int(audience.held.sum()) - offer.holdout * len(audience.users)) <= 0.5 + 1e-9
        assert sum(audience.left.values()) + len(audience.users) == len(ids) and set(audience.left) == set(REASONS)
        outside = np.flatnonzero(able & ~np.isin(np.arange(len(ids)), audience.users))
        assert audience.left["budget"] == len(outside)
        if len(outside):  # the budget is used up, by those who bring most
            more = len(audience.users) + 1
            assert offer.cost * (more - int(offer.holdout * more + 0.5)) > offer.budget
            assert offer.gain[outside].max() <= offer.gain[audience.users].min(initial=np.inf)
        for number in mine:
            got[number][sent] += 1
            assert (got[number][sent] <= caps[number].messages).all()


def test_the_best_come_first_and_the_hold_out_is_drawn_from_them() -> None:
    ids = [f"u{n:03}" for n in range(200)]
    yes = np.ones(200, bool)
    offer = Offer("c", "email", Decimal("0.5"), Decimal("45"), 0.1, np.arange(200.0), 0.0, yes, yes)
    [audience] = plan_day(ids, [offer], {"email": yes}, [], [])
    assert audience.users.tolist() == list(range(199, 99, -1))
    assert audience.held.sum() == 10 and len(audience.sent) == 90 and audience.left["budget"] == 99


@pytest.mark.parametrize(
    ("hours", "quiet", "expected"),
    [
        ((9, 20), None, (9, 20)),
        ((6, 23), (20, 8), (8, 20)),
        ((0, 24), (12, 14), (0, 12)),
        ((13, 24), (12, 14), (14, 24)),
        ((21, 23), (20, 8), None),
        ((9, 20), (8, 8), None),
    ],
)
def test_quiet_hours_are_left_out(hours, quiet, expected) -> None:
    assert open_hours(hours, quiet) == expected


def test_hours_are_those_of_every_place_where_the_user_may_be() -> None:
    day = date(2026, 3, 2)
    berlin = span(day, (9, 20), zones_of("Europe/Berlin", "US"))
    assert berlin is not None and berlin.begin == datetime(2026, 3, 2, 8, tzinfo=UTC)
    america = span(day, (9, 20), zones_of(None, "us"))  # from nine in Hawaii to eight in the evening in New York
    assert america is not None
    assert (america.begin, america.end) == (datetime(2026, 3, 2, 19, tzinfo=UTC), datetime(2026, 3, 3, 1, tzinfo=UTC))
    assert span(day, (9, 12), zones_of(None, "US")) is None
    assert zones_of("no/such", None) == () and zones_of("../etc", "XX") == ()
    assert zones_of("no/such", "CN")[0].key == "Asia/Shanghai"
    summer = span(date(2026, 7, 1), (0, 24), zones_of("Europe/Berlin", None))
    assert summer is not None and summer.begin.hour == 22
    for market, names in zones_of_markets().items():
        assert len(zones_of(None, market)) == len(names), market


@given(st.sampled_from(sorted(zones_of_markets())), st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(0, 23))
def test_no_message_falls_into_quiet_hours(market: str, day: date, first: int) -> None:
    quiet = (20, 8)
    wanted = open_hours((first, 24), quiet)
    if wanted is None:
        return
    zones = zones_of(None, market)
    found = span(day, wanted, zones)
    for zone in zones if found is not None else ():
        begin, end = found.begin.astimezone(zone), found.end.astimezone(zone)
        assert begin.hour >= 8 and begin.hour >= first and begin.date() == end.date() == day
        assert end.hour < 20 or (end.hour, end.minute) == (20, 0)


@pytest.mark.parametrize(("timezone", "count"), [("UTC", 0), ("Asia/Shanghai", 1)])
def test_a_campaign_begins_on_a_day_of_the_shop(store: Store, timezone: str, count: int) -> None:
    begins = datetime(2026, 5, 1, 20, tzinfo=UTC)  # in Shanghai it is the second of May
    shop.put(store, "campaigns", [{"campaign_id": "c", "user_id": "u", "starts_at": begins}])
    on = date(2026, 5, 2)
    counts = messages_before(["u", "v"], [Cap(1, 1, None)], on, timezone, store.find("campaigns"), None)
    assert counts[0].tolist() == [count, 0]
