"""Planned ads hold what they must: judged by a checker that was written from the tables and the channels' rules."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from itertools import permutations
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.capabilities.copywriting.ads.ad import Ad, AdFacts, Frame, finished
from shopbatch.capabilities.copywriting.ads.channels import channels
from shopbatch.capabilities.copywriting.ads.config import CHANNELS, WriteAdsConfig
from shopbatch.capabilities.copywriting.ads.joining import segment_names
from shopbatch.capabilities.copywriting.ads.market_rules import banned_claims
from shopbatch.capabilities.copywriting.ads.offers import Offer, chosen, ways_to_say
from shopbatch.capabilities.copywriting.ads.plan import capacity
from shopbatch.capabilities.copywriting.ads.rules import Judge
from shopbatch.capabilities.copywriting.ads.wordings import Wording, numbered
from shopbatch.capabilities.copywriting.ads.words import OCCASIONS, ad_words, occasion_of
from shopbatch.capabilities.copywriting.patterns import fill
from shopbatch.grounding.check import Facts
from shopbatch.sample import boutique
from shopbatch.tables.ads import AD_CHANNELS
from shopbatch.tables.schema import Column, Table
from shopbatch.tables.user_profiles import SEGMENTS
from shopbatch.text.lengths import columns as width
from shopbatch.text.lengths import sms
from shopbatch.warehouse.store import Store
from tests.capabilities.copywriting.ads import checker, workshop

pytestmark = pytest.mark.slow

LANGUAGES = ("en", "zh")
UTC = ZoneInfo("UTC")


@pytest.mark.parametrize("language", LANGUAGES)
def test_ads_of_a_hand_written_catalogue_hold(language: str) -> None:
    products = workshop.catalogue(language).slice(0, 30)
    offers = workshop.offers_of(products)
    shop = {"en": "Maple Shop", "zh": "枫叶小店"}[language]
    ads, rejected, _ = workshop.written(products, offers, shop=shop)
    assert checker.problems(ads, products.to_pylist(), offers, workshop.DAY) == []
    assert len(ads) == 30 * 5 * 2 and not rejected, Counter(row["reason"] for row in rejected)
    stated = [v["text"] for ad in ads if ad["offer_id"] for v in ad["variants"] if ad["channel"] != "email_subject"]
    told = ("now ", "Now ", "% off") if language == "en" else ("现价", "折", "优惠")
    assert sum(any(word in text for word in told) for text in stated) >= 0.95 * len(stated)


def test_the_checker_sees_what_is_wrong() -> None:
    products = boutique.products(3).to_pylist()
    own = products[0]["product_id"]
    offers = [
        workshop.offer("o", own, price=Decimal(15), former_price=Decimal(20), currency="USD", ends_at=workshop.at(6))
    ]
    variant = {"variant_id": "a", "title": None, "length": 1, "encoding": None, "parts": None}
    ad = {"ad_id": "x", "segment": "s", "product_id": own, "channel": "social", "market": "US", "offer_id": "o",
          "valid_until": dt.date(2024, 12, 5)}  # fmt: skip
    for text, wrong in {
        "Now $15 instead of $20 until Dec 5.": 0, "Now $14.": 2, "Now $20 instead of $15.": 2, "20% off.": 1,
        "Now €15.": 1, "Until Dec 6.": 1, "It has 977 pages.": 1, "It is free.": 1, "x" * 281: 1,
    }.items():  # fmt: skip
        found = checker.problems([ad | {"variants": [variant | {"text": text}]}], products, offers, workshop.DAY)
        assert len(found) == wrong, (text, found)
    good = ad | {"variants": [variant | {"text": "Now $15."}]}
    assert len(checker.problems([good, good | {"ad_id": "y"}], products, offers, workshop.DAY)) == 1
    assert checker.problems([good], products, offers, dt.date(2024, 12, 6))


def test_products_of_one_name_get_texts_of_their_own_as_long_as_there_are_any() -> None:
    twins = workshop.table([workshop.product(f"p{n:03}", "Blue Mug") for n in range(40)])
    ads, rejected, wordings = workshop.written(twins, channels=("banner", "social"))
    assert checker.problems(ads, twins.to_pylist(), (), workshop.DAY) == []
    assert Counter(ad["channel"] for ad in ads) == {"social": 80, "banner": 2 * capacity("banner", "en", 2)}
    without = [row for row in wordings.values() if row.wording is None]
    assert not rejected and {row.channel for row in without} == {"banner"}
    assert len(without) == 40 - capacity("banner", "en", 2)


def test_the_configuration_names_the_channels_of_the_table() -> None:
    assert CHANNELS == AD_CHANNELS == tuple(channels())


def test_segments_give_their_name_alone() -> None:
    products = workshop.table([workshop.product("p", "Bread Knife")])
    ads, _, _ = workshop.written(products, segments=SEGMENTS)
    by_occasion: dict[tuple[str, str], set[str]] = {}
    for ad in ads:
        texts = "|".join(v["text"] + str(v["title"]) for v in ad["variants"])
        by_occasion.setdefault((occasion_of(ad["segment"]), ad["channel"]), set()).add(texts)
        assert ad["segment"].replace("_", " ") not in texts
    assert set(map(len, by_occasion.values())) == {1} and len(by_occasion) == 20
    assert occasion_of("a segment that nobody listed") == "browse"


def test_names_of_segments_come_from_the_configuration_a_table_or_the_profiles(store: Store) -> None:
    config = WriteAdsConfig()
    assert set(segment_names(config, store)) == set(SEGMENTS)
    columns = [Column("user_id", pa.string(), "Whose.", nullable=False), Column("segment", pa.string(), "Its name.")]
    segments = Table("user_segments", "Segments of users.", ("user_id",), tuple(columns))
    rows = pa.table({"user_id": ["a", "b", "c"], "segment": ["loyal", "b2b", "loyal"]}, segments.schema())
    store.commit(segments, [store.write_file(segments, rows, "first", 0)], "replace", "first")
    assert segment_names(config, store) == ("b2b", "loyal")
    assert segment_names(WriteAdsConfig(segments=("vip",)), store) == ("vip",)


def test_who_is_advertised_and_in_which_language() -> None:
    products = workshop.table([
        workshop.product("en", "Bread Knife"), workshop.product("zh", "面包刀", language="zh", market="SG"),
        workshop.product("de", "Brotmesser", language="de"), workshop.product("none", None, brand="Acme"),
        workshop.product("out", "Bread Knife", availability="out_of_stock"),
        workshop.product("order", "Salad Bowl", availability="preorder"),
    ])  # fmt: skip
    ads, rejected, _ = workshop.written(products, channels=("push",))
    assert {(ad["product_id"], ad["language"], ad["market"]) for ad in ads} == {
        ("en", "en", "US"), ("zh", "zh", "SG"), ("order", "en", "US"),
    }  # fmt: skip
    assert not rejected
    ads, _, _ = workshop.written(products, [workshop.offer("o", "out")], with_offer_only=True, available_only=False)
    assert {ad["product_id"] for ad in ads} == {"out"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_longest_words_leave_room_for_a_name_and_no_words_begin_others(language: str) -> None:
    words = ad_words(language)
    shop = Frame("M" * 12 if language == "en" else "店" * 6)
    for occasion in OCCASIONS:
        begins: list[str] = []
        for channel in AD_CHANNELS:
            own, room = words.channel(channel), channels()[channel]
            name = ("n" if language == "en" else "名") * (room.name_room[language] // (1 if language == "en" else 2))
            for sentence in own.sentences:
                said = fill(sentence, {"name": name, "Name": name})
                for opener in own.openers[occasion]:
                    text = said if room.title else f"{opener}{' ' if language == 'en' else ''}{said}"
                    call = max(own.calls, key=width)
                    facts = AdFacts(occasion, channel, language, "US", name, 0, "{}")
                    ad = Ad(f"{text} {call}".strip(), opener if room.title else "")
                    assert finished(ad, facts, shop), (channel, width(ad.text), sms(ad.text), ad)
                    begins.append(text.replace(name, "N").casefold())
        different = sorted(set(begins))
        assert not [p for p in permutations(different, 2) if p[1].startswith(p[0])]
        assert all(len(set(own.calls)) == len(own.calls) for own in map(words.channel, AD_CHANNELS))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.dictionaries(st.integers(0, 5), st.sampled_from(["a", "b", "c"]), max_size=6), min_size=2, max_size=5),
    st.integers(2, 8),
)
def test_wordings_are_kept_unless_facts_change_and_never_shared(days: list[dict[int, str]], room: int) -> None:
    before: dict[tuple[str, str, str], Wording] = {}
    for facts in days:
        wanted = [Wording(f"p{n}", "en", "sms", "Mug", said) for n, said in facts.items()]
        rows = {row.key: row for row in numbered(wanted, before, lambda *_: room)}
        live = [row.wording for row in rows.values() if row.live and row.wording is not None]
        assert len(set(live)) == len(live) and all(0 <= number < room for number in live)
        assert {row.key for row in rows.values() if row.live} == {row.key for row in wanted}
        assert len(live) == len(wanted) or len(wanted) >= room
        for row in wanted:
            old, new = before.get(row.key), rows[row.key]
            if old and old.wording is not None and new.wording is not None and old.live:
                assert (old.wording == new.wording) == (old.facts_hash == row.facts_hash)
        before = rows


def test_an_offer_counts_on_days_that_it_holds_throughout() -> None:
    row = workshop.offer(
        "o", "p", price=Decimal(5), currency="USD", starts_at=workshop.at(2, hour=9), ends_at=workshop.at(5, hour=17)
    )

    def on(day: int, zone: ZoneInfo = UTC, **changes: object) -> Offer | None:
        return chosen([row | changes], "US", dt.date(2024, 12, day), zone)

    assert [day for day in range(1, 8) if on(day)] == [3, 4]
    assert [day for day in range(1, 8) if on(day, ends_at=dt.datetime(2024, 12, 5, 23, 59, 59, tzinfo=dt.UTC))] == [
        3,
        4,
        5,
    ]
    assert [day for day in range(1, 8) if on(day, ZoneInfo("Asia/Shanghai"))] == [3, 4, 5]  # 17:00 is one o'clock there
    assert on(3, market="US") and not on(3, market="CN") and on(3, ends_at=None).until is None  # type: ignore[union-attr]
    cheap = row | {"offer_id": "cheap", "price": Decimal(4)}
    assert chosen([row, cheap], "US", dt.date(2024, 12, 3), UTC).offer_id == "cheap"  # type: ignore[union-attr]


def test_an_offer_says_nothing_that_its_columns_contradict() -> None:
    def said(**values: object) -> list[str]:
        row = workshop.offer("o", "p", **{"currency": "USD", **values})
        return ways_to_say(chosen([row], "US", workshop.DAY, UTC), "en")  # type: ignore[arg-type]

    assert said(price=Decimal("19.90"), former_price=Decimal(25))[0] == "now $19.90 instead of $25"
    assert said(price=Decimal(25), former_price=Decimal(20)) == ["now $25"]
    assert said(price=Decimal(15), former_price=Decimal(20), percent=Decimal(40))[0] == "now $15 instead of $20"
    assert said(price=Decimal(15), former_price=Decimal(20), percent=Decimal(25))[0].startswith("25% off: now $15")
    assert said(price=Decimal(15), currency=None) == ["on offer"] == said()
    assert all("terms apply" in way.lower() for way in said(price=Decimal(15), terms="每人限一件"))
    assert all("AB1" in way for way in said(percent=Decimal(5), code="AB1"))
    assert ways_to_say(Offer("o", "CNY", "15", percent="25"), "zh")[0] == "7.5折，现价15元"


@pytest.mark.parametrize(
    ("text", "market", "language", "rule"),
    [
        ("The best mug", "CN", "en", "superlative"), ("最好的杯子", "CN", "zh", "superlative"),
        ("最近好吗", "CN", "zh", ""), ("国家级品质", "CN", "zh", "superlative"), ("The best mug", "US", "en", ""),
        ("The best mug in the world", "US", "en", "superlative"), ("Only 2 left", "US", "en", "urgency"),
        ("仅剩2件", "CN", "zh", "urgency"), ("A free gift", "DE", "en", "free"), ("Sugar-free gum", "DE", "en", ""),
        ("Free range eggs", "US", "en", ""), ("was $20", "GB", "en", "reference_price"), ("100元", "CN", "zh", ""),
        ("原价20元", "CN", "zh", "reference_price"), ("It cures headaches", "US", "en", "health"),
        ("carbon neutral", "FR", "en", "environment"), ("carbon neutral", "US", "en", ""),
    ],
)  # fmt: skip
def test_markets_ban_claims(text: str, market: str, language: str, rule: str) -> None:
    found = [broken.rule for broken in banned_claims(text, market, language, Facts({"title": "mug"}), None)]
    assert found == ([rule] if rule else [])


def test_what_the_tables_hold_is_not_banned() -> None:
    offer = Offer("o", "USD", "15", "20", terms="New customers")
    assert not list(banned_claims("Free delivery, was $20", "US", "en", Facts({}), offer))
    assert not list(banned_claims("Slimming tea", "US", "en", Facts({"title": "Slimming tea"}), None))


def test_a_model_writes_no_price_and_keeps_to_the_channel() -> None:
    offer = Offer("o", "USD", "15", "20").text()
    facts = AdFacts("browse", "email_subject", "en", "US", "Bread Knife", 0, '{"title": "Bread Knife"}', offer)
    judge = Judge(1, Frame())

    def reason(text: str) -> str | None:
        return judge.answer(f'{{"ads": [{{"text": "{text}"}}]}}', "stop", facts).reason

    assert reason("See the Bread Knife, {offer}") is None
    assert judge.answer('{"ads": [{"text": "Bread Knife: {offer}"}]}', "stop", facts).ads[0] == Ad(
        "Bread Knife: now $15 instead of $20"
    )
    assert reason("See the Bread Knife") == "offer_slot" == reason("Bread Knife {offer} {offer}")
    assert reason("Bread Knife for $15 {offer}") in ("ungrounded_offer", "ungrounded_price")
    assert reason("Bread Knife, half price, {offer}") == "ungrounded_offer"
    assert reason("See the knife, {offer}") == "unnamed"
    assert reason(f"Bread Knife {'see ' * 20} {{offer}}") == "too_long"
    assert reason("Golden Bread Knife, {offer}") == "ungrounded_unbacked"
    assert judge.answer("Here you are", "length", facts).reason == "cut_off"
