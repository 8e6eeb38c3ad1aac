"""Constraints as filters, against a look-up of its own in generated catalogues."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.capabilities.search.filters import Facts, facts_of, mask
from shopbatch.capabilities.search.understanding.need import Constraint
from shopbatch.capabilities.search.understanding.vocabulary import Vocabulary
from shopbatch.tables.products import PRODUCTS

# canonical value -> how a catalogue writes it, English and Chinese
COLOURS = {"black": ("Black", "黑色"), "blue": ("navy", "藏青色"), "red": ("RED", "红色"), "white": ("white", "纯白色")}
MATERIALS = {"wool": ("merino wool", "羊毛"), "cotton": ("100% cotton", "纯棉"), "leather": ("real leather", "真皮")}
SEASONS = {"winter": ("winter", "冬季"), "summer": ("summer", "夏天")}
GENDERS = {"women": ("women", "女士"), "men": ("male", "男")}
NAMES = {
    "colour": ("Color", "颜色"),
    "material": ("Fabric", "材质"),
    "season": ("season", "季节"),
    "gender": ("sex", "性别"),
}
KINDS = {"colour": COLOURS, "material": MATERIALS, "season": SEASONS, "gender": GENDERS}
VOCABULARY = Vocabulary(types={"scarf": ("scarf", "围巾"), "boots": ("boots", "靴子")}, brands=("Norrvik", "云栖"))


def maybe(values: Any) -> st.SearchStrategy[Any]:
    return st.none() | st.sampled_from(sorted(values))


STATED = st.fixed_dictionaries(
    {kind: maybe(values) for kind, values in KINDS.items()}
    | {
        "type": maybe(["scarf", "boots"]),
        "brand": maybe(["Norrvik", "云栖"]),
        "sizes": maybe(["S, M", "M,L", "XL", "36/37"]),
        "amount": maybe([250, 500, 1000]),
        "feature": maybe(["hood", "no hood", "zip"]),
        "price": st.none() | st.integers(1, 200),
        "sale_price": st.none() | st.integers(1, 200),
        "currency": st.sampled_from(["USD", "CNY"]),
        "chinese": st.booleans(),
    }
)
CONSTRAINT = st.one_of(
    *(st.tuples(st.just(k), st.sampled_from(["=", "!="]), st.sampled_from(sorted(v))) for k, v in KINDS.items()),
    st.tuples(st.just("type"), st.sampled_from(["=", "!="]), st.sampled_from(["scarf", "boots"])),
    st.tuples(st.just("brand"), st.sampled_from(["=", "!="]), st.sampled_from(["Norrvik", "云栖"])),
    st.tuples(st.just("size"), st.just("="), st.sampled_from(["M", "XL", "37", "40"])),
    st.tuples(st.just("amount"), st.sampled_from(["=", "<=", ">="]), st.sampled_from(["500 ml", "300 ml"])),
    st.tuples(st.just("contains"), st.sampled_from(["=", "!="]), st.sampled_from(["hood", "zip"])),
    st.tuples(st.just("price"), st.sampled_from(["<=", ">="]), st.integers(1, 200).map(float)),
)


def product(number: int, s: dict[str, Any]) -> dict[str, Any]:
    """A row of the catalogue that states these things."""
    side = int(s["chinese"])
    attributes = [(NAMES[kind][side], values[s[kind]][side]) for kind, values in KINDS.items() if s[kind]]
    attributes += [("size", s["sizes"])] if s["sizes"] else []
    attributes += [("capacity", f"{s['amount']} ml")] if s["amount"] else []
    names = {"scarf": ("Soft scarf", "围巾"), "boots": ("Boots", "靴子"), None: ("Thing", "物品")}
    return dict.fromkeys(PRODUCTS.names) | {
        "product_id": f"p{number}",
        "title": names[s["type"]][side],
        "brand": s["brand"],
        "attributes": attributes,
        "description": f"With {s['feature']}." if s["feature"] else None,
        "price": None if s["price"] is None else Decimal(s["price"]),
        "sale_price": None if s["sale_price"] is None else Decimal(s["sale_price"]),
        "currency": s["currency"],
    }


def catalogue(stated: list[dict[str, Any]]) -> pa.Table:
    rows = [product(number, s) for number, s in enumerate(stated)]
    return pa.Table.from_pylist(rows, pa.schema([pa.field(f.name, f.type) for f in PRODUCTS.schema()]))


def oracle(stated: list[dict[str, Any]], kind: str, op: str, value: Any, currency: str | None) -> list[bool] | None:
    """Which products meet a constraint, from what was stated and not from the rows; None if nothing of it is stated."""
    frame = pl.DataFrame(stated, schema_overrides={"price": pl.Float64, "sale_price": pl.Float64, "amount": pl.Float64})
    column = pl.col({"size": "sizes", "contains": "feature"}.get(kind, kind))
    if kind == "price":
        price = pl.coalesce("sale_price", "price")
        known = frame.select(price.is_not_null().any()).item()
        meets = price <= value if op == "<=" else price >= value
        meets = meets & (pl.col("currency") == currency) if currency else meets
    elif kind == "amount":
        known, number = frame.select(column.is_not_null().any()).item(), float(value.split()[0])
        meets = {"=": column == number, "<=": column <= number, ">=": column >= number}[op]
    elif kind == "size":
        known = frame.select(column.is_not_null().any()).item()
        meets = column.str.split(",").list.eval(pl.element().str.split("/")).list.eval(pl.element().list.explode()).list
        meets = pl.Series([value in (s or "").replace("/", ",").replace(" ", "").split(",") for s in frame["sizes"]])
    elif kind == "contains":
        known = frame.select((column == value).any()).item()
        meets = column == value if op == "=" else (column != value) | column.is_null()
    else:
        known = frame.select(column.is_not_null().any()).item()
        meets = column == value if op == "=" else (column != value) | column.is_null()
    if not known:
        return None
    return (
        meets.to_list() if isinstance(meets, pl.Series) else frame.select(meets.fill_null(False)).to_series().to_list()
    )


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(st.lists(STATED, min_size=1, max_size=12), st.lists(CONSTRAINT, min_size=1, max_size=3), st.booleans())
def test_a_filter_keeps_what_the_oracle_keeps(
    stated: list[dict[str, Any]], asked: list[tuple[str, str, Any]], dollars: bool
) -> None:
    currency = "USD" if dollars else None
    constraints = [Constraint(k, op, v, currency=currency if k == "price" else None) for k, op, v in asked]
    filtered = mask(catalogue(stated), constraints, VOCABULARY)
    expected, unknown = [True] * len(stated), []
    for c in constraints:
        kept = oracle(stated, c.kind, c.op, c.value, c.currency)
        if kept is None:
            unknown.append(c)
        else:
            expected = [a and b for a, b in zip(expected, kept, strict=True)]
    assert filtered.keep.tolist() == expected
    assert list(filtered.unknown) == unknown


def facts(*rows: dict[str, Any]) -> Facts:
    blank = dict.fromkeys(PRODUCTS.names)
    schema = pa.schema([pa.field(f.name, f.type) for f in PRODUCTS.schema()])
    numbered = [blank | {"product_id": str(i)} | row for i, row in enumerate(rows)]
    return facts_of(pa.Table.from_pylist(numbered, schema), VOCABULARY)


def kept(of: Facts, kind: str, op: str, value: Any) -> list[int]:
    return mask(of, [Constraint(kind, op, value)], VOCABULARY).keep.nonzero()[0].tolist()


def test_what_a_text_mentions_leaves_out_but_does_not_show() -> None:
    of = facts(
        {"title": "Scarf", "attributes": [("material", "cotton"), ("lining", "wool")]},
        {"title": "Scarf", "description": "Looks good with wool."},
        {"title": "Wool scarf"},
        {"title": "Scarf without wool", "attributes": [("material", "silk")]},
    )
    assert kept(of, "material", "=", "wool") == [2]
    assert kept(of, "material", "!=", "wool") == [3]


def test_a_denied_feature_is_not_had() -> None:
    of = facts(
        {"title": "Cream", "description": "Alcohol-free."},
        {"title": "Cream", "description": "Contains alcohol."},
        {"title": "不含酒精的面霜"},
        {"title": "Hoodie with hoods"},
    )
    assert kept(of, "contains", "!=", "alcohol") == [0, 2, 3]
    assert kept(of, "contains", "=", "hood") == [3]


def test_unisex_is_for_both_and_all_seasons_are_each() -> None:
    of = facts(
        {"title": "Scarf", "attributes": [("gender", "unisex"), ("season", "all seasons")]}, {"title": "女士围巾"}
    )
    assert kept(of, "gender", "=", "men") == [0]
    assert kept(of, "gender", "=", "women") == [0, 1]
    assert kept(of, "season", "=", "winter") == [0]


def test_every_side_keeps_a_bound_and_one_side_is_the_amount() -> None:
    of = facts({"title": "Rug 40 x 60 cm"}, {"title": "Rug 50cm"})
    assert kept(of, "amount", "<=", "50 cm") == [1]
    assert kept(of, "amount", "=", "60 cm") == [0]


def test_another_currency_and_no_price_do_not_satisfy() -> None:
    of = facts({"price": Decimal(5), "currency": "USD"}, {"price": Decimal(5), "currency": "CNY"}, {"title": "Scarf"})
    dollars = Constraint("price", "<=", 10.0, currency="USD")
    assert mask(of, [dollars], VOCABULARY).keep.tolist() == [True, False, False]
    assert kept(of, "price", "<=", 10.0) == [0, 1]
