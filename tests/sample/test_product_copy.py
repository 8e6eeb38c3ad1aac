"""Product copy by rules: JSON of its shape, of training products only, grounded in the attributes, and varied."""

import json
import random
import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pytest

from shopbatch.capabilities.copywriting.prompt import CLOSE, OPEN, SHOWN, fenced
from shopbatch.capabilities.copywriting.template import template
from shopbatch.sample.product_copy import in_training, pairs
from shopbatch.tables.product_copy import PRODUCT_COPY
from shopbatch.warehouse.store import conform

COLUMN = {shown: column for column, shown in SHOWN.items()}
WORD = re.compile(r"[a-z0-9]+")
NUMBER = re.compile(r"\d+")
UNTIDY = re.compile(r"[{}\[\]|\0]|  | [,.?!](?!\d)|\.\.")
COUNTED = re.compile(r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|first|second|third|half|both)\b")
CLAIMS = re.compile(
    r"\b(?:health\w*|organic|natural|fresh\w*|guarant\w*|certif\w*|cheap\w*|pric\w*|free|sale|discount|eco\w*|"
    r"sustainab\w*|recycl\w*|handmade|homemade|imported|waterproof|durable|strong\w*|safe\w*|vegan|vegetarian|gluten|"
    r"cotton|linen|wool|leather|wooden|wood|oak|steel|ceramic|glass|plastic|silk|best|cures?|heals?|proven|award\w*|"
    r"new|warranty|delivery|shipping|returns?|quality|vitamin\w*|calorie\w*|sugar|fat|kids|children)\b"
)
ORDERS = re.compile(
    r"ignore|disregard|forget the|everything before|hacked|pwned|owned\b|banana|system:|system prompt|act as|"
    r"assistant|klingon|new task|instruct|rival|another shop|evil|attention|dear model|hey ai|password|"
    r"end of product|\bend\b\.|discount code|empty line|it is free|doctors|the copy|product copy|output|the prompt"
)

# department, category, product_type, brand, package_size
SHELVES = (
    ("GROCERY", "PICKLE/RELISH/PKLD VEG", ("PICKLES", "RELISHES", "PICKLD VEG PEPPERS ETC"), ("24 OZ", "PT", None)),
    ("GROCERY", "SOFT DRINKS", ("SFT DRNK MLT-PK BTL CARB (EXCP", "TEA SWEETENED", "ENERGY DRINK"), ("2 L",
    "12 PK/12 OZ")),
    ("GROCERY", "FRZN POTATOES", ("FRZN FRENCH FRIES", "FRZN HASHBROWN POTATOES"), ("80-88 CT", ".5 OZ", "10 3/4 OZ")),
    ("GROCERY", "BATH TISSUES", ("TOILET TISSUE", "CLEANSING WIPES"), ("12 CT", "88 SQ FT", None)),
    ("GROCERY", "HISPANIC", ("MEXICAN SAUCESSALSAPICANTEE", "KOSHER FOODS"), ("17.25 OZ", None)),
    ("GROCERY", "CHEESE", ("STRING CHEESE", "CREAM CHEESE", "GRATED CHEESE", "LOAF CHEESE"), ("8 OZ", "AB    8 OZ")),
    ("DRUG GM", "HARDWARE SUPPLIES", ("TAPE", "HANGERS", "TOOL SETS", "ROPE AND CHAIN"), ("3 PC", "18 IN", None)),
    ("DRUG GM", "VITAMINS", ("VITAMIN - MINERALS", "VITAMIN MISC"), ("60 CT",)),
    ("DRUG GM", "HAIR CARE PRODUCTS", ("SHAMPOO", "PROFESSIONAL HAIR CARE", "HAIR SETS AND GELS"), ("13.5 OZ",
    "750 ML")),
    ("PASTRY", "BREAD", ("BREAD:ITALIAN/FRENCH", "BREAD:LOAF/SNACK", "BREAD:SWEET/BREAKFAST"), ("1 LB", "LARGE")),
    ("PRODUCE", "APPLES", ("APPLES GALA (BULK&BAG)", "APPLES OTHER (BULK&BAG)"), ("3 LB", None)),
    ("FLORAL", "FLORAL-FRESH CUT", ("TULIPS", "CARNATIONS", "DAFFODILS", "STANDARD 10-15 STEMS"), ("10 STEM",)),
    ("SPIRITS", "LIQUOR", ("BRANDY", "COGNAC", "TRADITIONAL GIN", "BLENDED SCOTCH"), ("1.75 L",)),
    ("Tops", "Fine gauge", (None,), (None,)),
    ("Dresses", "Dresses", (None,), (None,)),
    ("Jackets", "Outerwear", (None,), (None,)),
    ("MISCELLANEOUS", None, (None,), (None,)),
)  # fmt: skip


def catalogue() -> list[dict[str, str | None]]:
    return [
        {
            **dict.fromkeys(SHOWN),
            "division": "General Petite" if kind is None and category else None,
            "department": department,
            "category": category,
            "product_type": kind,
            "brand": brand,
            "package_size": size,
        }
        for department, category, kinds, sizes in SHELVES
        for kind in kinds
        for brand in ("National", "Private", None)
        for size in sizes
    ]


def table_of(rows: Iterable[dict[str, str | None]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=pa.schema([(name, pa.string()) for name in SHOWN]))


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return pairs(table_of(catalogue()), 1_500, 3)


@pytest.fixture(scope="module")
def rows(table: pa.Table) -> list[dict[str, Any]]:
    return list(table.to_pylist())


def attributes(block: str) -> dict[str, str]:
    lines = block.split("\n")
    assert (lines[0], lines[-1]) == (OPEN, CLOSE)
    return {COLUMN[name]: value for name, value in (line.split(": ", 1) for line in lines[1:-1])}


def text(copy: str) -> str:
    said = json.loads(copy)
    return " ".join([said["headline"], said["description"], *said["bullets"]])


def distinct(texts: Iterable[str]) -> float:
    """Share of different ones among all runs of four words."""
    words = [text.lower().split() for text in texts]
    runs = [tuple(w[i : i + 4]) for w in words for i in range(len(w) - 3)]
    return len(set(runs)) / len(runs)


def gives_orders(known: dict[str, str]) -> bool:
    return ORDERS.search(known.get("title", "").lower()) is not None


def test_the_table_is_as_declared_and_every_copy_has_its_shape(table: pa.Table, rows: list[dict[str, Any]]) -> None:
    assert conform(PRODUCT_COPY, table).num_rows == 1_500
    assert len({row["copy_id"] for row in rows}) == 1_500
    for row in rows:
        said = json.loads(row["copy"])
        assert list(said) == ["headline", "description", "bullets"]
        assert "\n" not in row["copy"] and 2 <= len(said["bullets"]) <= 4
        parts = [said["headline"], said["description"], *said["bullets"]]
        assert all(p and p == p.strip() and not UNTIDY.search(p) for p in parts), parts
        assert len(said["headline"].split()) <= 12 and len(text(row["copy"]).split()) <= 90
        assert len(re.findall(r"[.?!](?= [A-Z0-9.]|$)", said["description"])) >= 2, said


def test_the_order_of_the_products_does_not_matter_and_the_seed_does(table: pa.Table) -> None:
    turned = catalogue()
    random.Random(1).shuffle(turned)
    assert pairs(table_of(turned + turned[:50]), 1_500, 3).equals(table)
    assert not pairs(table_of(turned), 100, 4)["copy"].equals(table["copy"].slice(0, 100))


def test_only_products_in_training_are_seen(rows: list[dict[str, Any]]) -> None:
    kinds = [kind for *_, kinds, _ in SHELVES for kind in kinds if kind]
    assert 0 < sum(in_training(kind, None) for kind in kinds) < len(kinds) / 2
    assert in_training("PICKLES", "A") == in_training("PICKLES", None)
    real = {fenced(product) for product in catalogue()}
    found = {source: [r for r in rows if r["source"] == source] for source in ("catalogue", "invented")}
    assert len(found["catalogue"]) == 1_000 and len(found["invented"]) == 500
    for row in found["catalogue"]:
        known = attributes(row["attributes"])
        assert row["attributes"] in real
        assert in_training(known.get("product_type"), known.get("category"))
    for row in found["invented"]:
        assert row["attributes"] not in real and "title" in attributes(row["attributes"])


def test_what_is_shown_is_said(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        known, said = attributes(row["attributes"]), text(row["copy"])
        words = set(WORD.findall(said.lower()))
        assert set(NUMBER.findall(known.get("package_size", ""))) <= set(NUMBER.findall(said)), row
        if known.get("brand") == "Private":
            assert re.search(r"(?:own|private|store)[ -](?:label|brand)", said.lower()), row
        elif known.get("brand") == "National":
            assert re.search(r"national[ -]brand", said.lower()), row
        elif "brand" in known:
            assert known["brand"] in said, row
        if "title" in known and not gives_orders(known):
            assert set(WORD.findall(known["title"].lower())) <= words, row
        assert not {"frzn", "drnk", "btl", "pkld", "pickld", "excp", "gm"} & words, row


def test_nothing_is_said_that_is_not_shown(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        shown, said = row["attributes"].lower(), text(row["copy"]).lower()
        assert set(NUMBER.findall(said)) <= set(NUMBER.findall(shown)), row
        for claim in [*CLAIMS.findall(said), *COUNTED.findall(said)]:
            assert claim in shown, (claim, row)


def test_orders_in_a_title_are_not_followed(rows: list[dict[str, Any]]) -> None:
    orders = [row for row in rows if gives_orders(attributes(row["attributes"]))]
    assert 0.01 < len(orders) / len(rows) < 0.04
    for row in orders:
        assert not ORDERS.search(text(row["copy"]).lower()), row
        assert not ORDERS.search(template({**attributes(row["attributes"]), "title": None}).lower())


def test_copy_is_varied_and_the_template_is_not(rows: list[dict[str, Any]]) -> None:
    varied = distinct(text(row["copy"]) for row in rows[:500])
    fixed = [template(attributes(row["attributes"])) for row in rows[:500]]
    assert fixed == [template(attributes(row["attributes"])) for row in rows[:500]]
    assert all(2 <= len(json.loads(copy)["bullets"]) <= 4 for copy in fixed)
    assert varied >= 0.6
    assert varied >= 2 * distinct(text(copy) for copy in fixed)


@pytest.mark.parametrize("column", SHOWN)
def test_a_single_attribute_is_enough(column: str) -> None:
    kind = next(f"LAMPS {n}" for n in range(100) if in_training(f"LAMPS {n}", None))
    value = {"title": "Velmora Lamp XJ-200 & Shade", "package_size": "EU 38", "brand": "Nordvik"}.get(column, kind)
    word = value.split()[0].lower()
    made = pairs(table_of([{**dict.fromkeys(SHOWN), column: value}]), 6, 1).to_pylist()
    real = [text(row["copy"]).lower() for row in made if row["source"] == "catalogue"]
    assert len(real) == 4 and all(word in copy for copy in real)
    assert word in template({column: value}).lower()
