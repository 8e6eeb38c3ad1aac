"""write_ads as a user runs it: tables in; exit code, last line and tables out, judged by a checker of its own."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from shopbatch.sample import boutique
from shopbatch.tables.offers import OFFERS
from shopbatch.warehouse.store import Store
from tests.capabilities.copywriting import writer
from tests.capabilities.copywriting.ads import checker, workshop
from tests.engines.openai_server import OpenAiServer
from tests.jobs.command_line import run_job
from tests.jobs.test_embed_products import killed

pytestmark = pytest.mark.usefixtures("ray_local")
SEGMENTS = "segments=[new_customers,at_risk]"
PRODUCTS = [row for row in boutique.products(66).to_pylist() if int(row["product_id"][2:]) % 6 == 0]
OFFERED = workshop.offers_of(workshop.table(PRODUCTS), every=2)


def run(store: Store, *arguments: str, day: dt.date = workshop.DAY) -> tuple[int, dict[str, Any], str]:
    return run_job(store, "write_ads", SEGMENTS, f"send_on={day}", "workers=1", "gates.drift=1", *arguments)


def ads_of(store: Store, version: int | None = None) -> list[dict[str, Any]]:
    return pl.read_delta(store.uri("ads"), version=version).sort("ad_id").to_dicts()


def texts_of(ads: list[dict[str, Any]]) -> dict[str, set[str]]:
    return {ad["ad_id"]: {v["text"] for v in ad["variants"]} for ad in ads}


def test_every_product_gets_ads_that_hold_and_only_what_changes_is_written_again(store: Store) -> None:
    writer.put(store, PRODUCTS)
    offers = [dict(row) for row in OFFERED]
    writer.put(store, offers, OFFERS)
    code, report, _ = run(store)
    ads = ads_of(store)
    assert (code, report["outcome"], report["rejects"]) == (0, "published", {})
    assert checker.problems(ads, PRODUCTS, offers, workshop.DAY) == []
    sold = [row["product_id"] for row in PRODUCTS if row["availability"] != "out_of_stock"]
    pairs = {(ad["product_id"], ad["channel"], ad["segment"]) for ad in ads}
    assert len(pairs) == len(ads) == len(sold) * 5 * 2 and {p for p, *_ in pairs} == set(sold)
    assert {len(ad["variants"]) for ad in ads} == {2}
    assert any("offer" in name for name in report["tables"]) and report["metrics"]["ads"]["ads"] == len(ads)

    code, again, _ = run(store)
    assert (code, again["outcome"], again["rows"]["computed"]) == (0, "nothing to do", 0)
    assert again["tables"]["ads"] == {"read": report["tables"]["ads"]["written"]}

    told = [row for row in offers if row["product_id"] in sold]
    ended, changed = told[0], next(row for row in told[1:] if row["price"])
    ended["ends_at"], changed["price"] = workshop.at(10, 11), changed["price"] - 1
    writer.put(store, offers, OFFERS)
    code, report, _ = run(store)
    now = ads_of(store)
    assert checker.problems(now, PRODUCTS, offers, workshop.DAY) == []
    before, after = texts_of(ads), texts_of(now)
    touched = {name for name in after if name.rsplit(":", 1)[1] in (ended["product_id"], changed["product_id"])}
    assert report["rows"]["computed"] == len(touched) == 20
    assert all(after[name] == before[name] for name in after if name not in touched)
    assert not any(after[name] & before[name] for name in touched)  # nobody reads an old text again
    assert {ad["offer_id"] for ad in now if ad["product_id"] == ended["product_id"]} == {None}

    ended["ends_at"] = workshop.at(6)  # the offer is back, and then it ends once more
    writer.put(store, offers, OFFERS)
    assert run(store)[0] == 0
    back = texts_of(ads_of(store))
    assert run(store, day=dt.date(2024, 12, 6))[0] == 0
    last = ads_of(store)
    assert checker.problems(last, PRODUCTS, offers, dt.date(2024, 12, 6)) == []
    mine = [name for name in touched if name.endswith(f":{ended['product_id']}")]
    assert not any(texts_of(last)[name] & (back[name] | after[name] | before[name]) for name in mine)


def test_a_run_that_dies_between_its_tables_is_taken_up(store: Store) -> None:
    writer.put(store, PRODUCTS[:3])
    assert killed(store, "wordings_written", "write_ads", (SEGMENTS, f"send_on={workshop.DAY}"))
    assert store.exists("ad_wordings") and not store.exists("ads_with_facts")
    assert run(store)[0] == 0
    wordings = pl.read_delta(store.uri("ad_wordings"))
    assert wordings["wording"].max() == 0 and wordings["live"].all()


LIES = (
    "Only 2 left!", "It is free.", "Now $1.", "It is half price.", "Hurry!", "It is the best in the world.",
    "It cures headaches.", "It is made of gold.", "For mothers over 40.", "{offer} {offer}", "Ends tonight.",
    "20% off.", "It has 900 pages.", "It was $99 before.", "Delivered tomorrow.", "x" * 300,
)  # fmt: skip


def answer(body: dict[str, Any]) -> tuple[str, str, int, int]:
    """A model that lies about every product but those called honest, and repeats itself about mugs."""
    asked = next(m["content"] for m in body["messages"] if m["role"] == "user")
    name = re.search(r"exactly so: (.*?)\. A text", asked)
    assert name and "new_customers" not in asked and "at_risk" not in asked
    number = re.search(r"Kind (\d+)", name[1])
    lie = LIES[int(number[1])] if number else ""
    offer = " {offer}." if "holds {offer}" in asked else ""
    named = "blue mug" if name[1].lower() in ("mug", "blue mug") else name[1]
    titled, verbs = ({"title": "For you"}, ("See", "Discover")) if "has a title" in asked else ({}, ("Meet", "Find"))
    ads = [titled | {"text": f"{verb} the {named}.{offer} {lie}".strip()} for verb in verbs]
    return json.dumps({"ads": ads}), "stop", 100, 40


@pytest.fixture
def server() -> Iterator[OpenAiServer]:
    with OpenAiServer(answer) as running:
        yield running


def test_no_lie_of_a_model_is_published_and_no_text_twice(store: Store, server: OpenAiServer) -> None:
    rows = [workshop.product(f"p{n}", f"Mug Kind {n}", price=Decimal(20), currency="USD") for n in range(len(LIES))]
    rows += [
        workshop.product("honest", "Bread Knife"),
        workshop.product("m1", "blue mug"),
        workshop.product("m2", "mug", attributes=[("colour", "blue")]),
    ]
    offers = [
        workshop.offer(f"o{n}", row["product_id"], price=Decimal(15), former_price=Decimal(20), currency="USD")
        for n, row in enumerate(rows)
        if n % 2 and n < len(LIES)
    ]
    writer.put(store, rows)
    writer.put(store, offers, OFFERS)
    engine = [f"engine.{k}" for k in ("kind=http", f"url={server.url}", "model=writer", "key=", "pause=0")]
    code, report, _ = run(store, *engine, "attempts=1", "channels=[push,email_subject]")
    assert code == 0, report
    ads = ads_of(store)
    assert checker.problems(ads, rows, offers, workshop.DAY) == []
    writers = {(ad["product_id"], ad["writer"]) for ad in ads}
    assert {("honest", "model"), ("m1", "model"), ("m2", "plan")} <= writers
    assert not {p for p, by in writers if by != "plan"} & {f"p{n}" for n in range(len(LIES))}
    assert report["metrics"]["repeated"]["ads"] == 4
    requests = len(server.requests)
    code, again, _ = run(store, *engine, "attempts=1", "channels=[push,email_subject]")
    assert (code, again["outcome"], len(server.requests)) == (0, "nothing to do", requests)
