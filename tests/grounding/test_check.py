"""The grounding check on planted claims, on what a base model really writes, and on sizes in other words."""

import json
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from shopbatch.grounding.check import KINDS
from shopbatch.grounding.check import listed_claims as check
from tests.grounding.planted import cases

CASES = cases()
NATURAL = json.loads(Path(__file__).with_name("natural.json").read_text("utf-8"))
PICKLES = {"category": "PICKLES", "brand": "Private", "package_size": "24 OZ"}


def meets(found, spans):
    return any(f.start < b and a < f.end for f in found for a, b in spans)


def places(text, span):
    return [(i, i + len(span)) for i in range(len(text)) if text.startswith(span, i)]


def test_planted_claims_are_found_and_faithful_copy_is_left_alone():
    missed, alarmed, all_ = Counter(), Counter(), Counter()
    for case in CASES:
        found = check(case.attributes, case.text, case.language)
        group = (case.language, case.kind, case.planted is not None)
        all_[group] += 1
        if case.planted is None:
            alarmed[group] += bool(found)
        else:
            missed[group] += not meets(found, places(case.text, case.planted))
    planted = sum(n for g, n in all_.items() if g[2])
    faithful = sum(n for g, n in all_.items() if not g[2])
    assert planted >= 300 and faithful >= 300
    assert sum(missed.values()) <= 0.05 * planted, missed
    assert sum(alarmed.values()) <= 0.05 * faithful, alarmed
    for group, n in all_.items():  # no class is paid for by the others
        assert missed[group] + alarmed[group] <= 0.15 * n, group


@pytest.mark.slow
def test_planted_and_natural_claims_together():
    """Raw output of a base model is mostly no copy at all, and refused before this check; here it is read too."""
    missed = sum(
        not meets(check(c.attributes, c.text, c.language), places(c.text, c.planted)) for c in CASES if c.planted
    )
    alarmed = sum(bool(check(c.attributes, c.text, c.language)) for c in CASES if not c.planted)
    claims = sum(c.planted is not None for c in CASES)
    clean = len(CASES) - claims
    for row in NATURAL:
        found = check(row["attributes"], row["text"], row["language"])
        claims += len(row["claims"])
        missed += sum(not meets(found, places(row["text"], c["span"])) for c in row["claims"])
        if not row["claims"]:
            clean += 1
            alarmed += bool(found)
    assert len(NATURAL) == 50
    assert missed <= 0.05 * claims, (missed, claims)
    assert alarmed <= 0.05 * clean, (alarmed, clean)


def test_a_finding_says_what_and_where():
    text = "Crunchy and organic, in a 26-ounce jar by Heinz for $3."
    found = check(PICKLES, text, "en")
    assert [(f.kind, f.span) for f in found] == [
        ("certification", "organic"),
        ("size", "26-ounce"),
        ("brand", "Heinz"),
        ("price", "$3"),
    ]
    assert all(text[f.start : f.end] == f.span and f.kind in KINDS for f in found)
    assert check({**PICKLES, "title": "Heinz Organic Pickles 26 oz, $3"}, text, "en") == []


def test_attributes_back_claims_only_with_what_they_say():
    assert not check({"title": "Cotton Socks"}, "Soft cotton socks.", "en")
    assert [f.span for f in check({"title": "Cotton Socks"}, "Soft pure cotton socks.", "en")] == ["pure cotton"]
    assert not check(
        {"product_type": "PLSTC CUPS"}, "Plastic cups for the party.", "en"
    )  # abbreviations are written out
    assert check({"product_type": "CUPS"}, "Plastic cups for the party.", "en")
    assert not check({"title": "有机棉T恤"}, "An organic cotton shirt.", "en")
    assert check(PICKLES, "A national brand of pickles.", "en")
    assert not check(PICKLES, "Pickles of our own label.", "en")


@pytest.mark.parametrize(
    ("said", "claim"),
    [
        ("CHICKEN BREAST BONELESS", "joint health"), ("CHICKEN BREAST BONELESS", "heart health"),
        ("CHICKEN BREAST BONELESS", "immune support"), ("HAMS-WHOLE BONE-IN", "bone health"),
        ("HAIR CARE PRODUCTS", "heart health"), ("SALTINE CRACKERS", "low-sodium"), ("SALTY SNACKS", "low-sodium"),
        ("TABLE SALT", "low-sodium"), ("DIETARY AID PRODUCTS", "sugar-free"), ("SFT DRNK 2 LITER BTL", "diet"),
        ("LIGHTERS", "lite"), ("OUTDOOR LIGHTS", "lite"), ("COMPACT FLUORESCENT LIGHT BULB", "lite"),
        ("PINEAPPLE CHUNKS", "wooden"), ("PINE NUTS", "wooden"), ("SOLID/STK DEODORANTS", "solid oak"),
        ("Solid Oak Chair", "solid pine"), ("LEAN BEEF", "fat-free"), ("LOW FAT YOGURT", "fat-free"),
        ("NUTRITION", "vitamins and minerals"), ("VITAMIN C", "minerals"), ("FREEZER BAGS", "BPA-free"),
        ("POWER TOOTHBRUSH/REFILLS", "free-range"), ("MISC SALES TRANS", "discount"),
    ],
)  # fmt: skip
def test_a_longer_or_another_word_backs_no_claim(said, claim):
    assert check({"product_type": said}, f"This one is {claim} for you.", "en")


@pytest.mark.parametrize(
    ("said", "claim"),
    [
        ("NUT SUPP-JOINT HEALTH", "joint support"), ("Immunity Drops", "immune support"),
        ("NON FAT DRY MILK", "fat-free"), ("NON FAT DRY MILK", "low-fat"), ("LEAN", "lean"),
        ("INSTANT COFFEE FLAVORED NO SWE", "unsweetened"),
        ("TEA UNSWEETENED", "sugar-free"), ("GROUND DECAFFINATED", "caffeine-free"), ("DIET/LIGHT BREAD", "lite"),
        ("VITAMINS - MINERALS", "vitamins and minerals"), ("Solid Oak Chair", "solid wood"), ("Pine Shelf", "wooden"),
        ("FILTER REFILLS", "refillable"), ("DOLLAR VALUE ECONOM", "economical"), ("IMPORTED WINE", "imported"),
        ("PAPERBACK BEST SELLERS", "best-selling"), ("COUPONS", "a coupon"), ("实木PET再生餐桌", "recycled"),
    ],
)  # fmt: skip
def test_plurals_stems_and_short_forms_back_claims(said, claim):
    assert check({"product_type": said}, f"This one is {claim} for you.", "en") == []


UNITS = {"g": 1, "kg": 1000, "oz": 28.349523125, "lb": 453.59237, "mg": 0.001}
FLUID = {"ml": 1, "cl": 10, "l": 1000, "gal": 3785.411784, "qt": 946.352946, "pt": 473.176473}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([UNITS, FLUID]), st.data())
def test_a_size_in_another_unit_holds_within_rounding(units, data):
    first, second = data.draw(st.lists(st.sampled_from(sorted(units)), min_size=2, max_size=2, unique=True))
    value = data.draw(st.integers(2, 400))
    same = value * units[first] / units[second]
    attributes = {"product_type": "STUFF", "package_size": f"{value} {first.upper()}"}
    assert not check(attributes, f"There is {same:.12f} {second} of it.", "en")
    wrong = same * data.draw(st.sampled_from([0.5, 0.9, 0.95, 1.05, 1.1, 2]))
    assert [f.kind for f in check(attributes, f"There is {wrong:.12f} {second} of it.", "en")] == ["size"]
    again = data.draw(st.integers(2, 400))
    found = check(attributes, f"There is {again} {first} of it.", "en")  # in the same unit it is exact or wrong
    assert bool(found) == (again != value)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ("22 LB", "22-pound"), ("22 LB", "twenty-two pounds"), ("22 LB", "22 lbs."), ("12 CT", "a dozen"),
        ("12 CT", "a pack of twelve"), ("PT", "one pint"), ("PT", "a pint"), ("750 ML", "three quarters of a litre"),
        ("80-88 CT", "80 to 88 pieces"), ("64 OZ", "half a gallon"), ("24 OZ", "a pound and a half"),
        (".5 L", "0.5 liter"), (".5 L", "half a liter"), (".5 L", "500 ml"), (".75 OZ", "three quarters of an ounce"),
        ("4/187 ML", "187 ml"), ("4/187 ML", "four bottles"), ("24/16.9 OZ", "24 bottles"), ("24/16.9 OZ", "16.9 oz"),
        ("12/12 OZ", "twelve 12-ounce cans"), ("12/12 OZ", "12/12 oz"), ("6/3.5 OZ", "six of 3.5 ounces"),
        ("6/.5 L", "6 of 0.5 liters"), ("4/16 OZ", "four of 16 ounces"), ("1/2 GAL", "half a gallon"),
        ("1 3/4 OZ", "1.75 ounces"), ("7/8 OZ", "0.875 oz"),
        ("1.5 L", "one and a half liters"), ("57 SQ FT", "fifty-seven square feet"), ("18IN", "18 inches"),
    ],
)  # fmt: skip
def test_a_size_in_other_words(size, said):
    attributes = {"product_type": "STUFF", "package_size": size}
    assert check(attributes, f"It comes as {said} for you.", "en") == []
    assert check({"product_type": "STUFF"}, f"It comes as {said} for you.", "en")


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ("1 L", ".75 liter"), ("5 L", ".5 L"), (".5 L", "5 liters"), ("12/12 OZ", "1 oz"), ("12/12 OZ", "144 oz"),
        ("4/187 ML", "4 ml"), ("4/187 ML", "187 bottles"), ("24/16.9 OZ", "24 oz"), ("24/16.9 OZ", "1.5 oz"),
        ("4/16 OZ", "0.25 oz"), ("6/3.5 OZ", "2 oz"), ("1/2 GAL", "2 gallons"),
    ],
)  # fmt: skip
def test_a_size_that_is_not_the_products(size, said):
    assert [f.kind for f in check({"product_type": "COLA", "package_size": size}, f"There is {said} of cola.", "en")]


def test_chinese_sizes_without_a_leading_zero():
    assert check({"package_size": ".5 L"}, "一瓶.5升，也就是500毫升。", "zh") == []
    assert [f.span for f in check({"package_size": "5 L"}, "一瓶.5升。", "zh")] == [".5升"]


@pytest.mark.parametrize(
    ("language", "text", "claim"),
    [
        ("en", "A handcrafted board.", "handcrafted"), ("en", "With handpicked fruit.", "handpicked"),
        ("en", "A handwoven basket.", "handwoven"), ("en", "Product of Mexico.", "Product of Mexico"),
        ("en", "A product of the Philippines.", "product of the Philippines"),
        ("en", "Grown in Florida.", "Grown in Florida"), ("en", "Grown in sunny Spain.", "Grown in sunny Spain"),
        ("en", "A no-sugar treat.", "no-sugar"), ("en", "A no-salt treat.", "no-salt"),
        ("zh", "天天吃能防癌。", "防癌"),
        ("zh", "每袋一点五公斤。", "一点五公斤"), ("zh", "共十一点五公斤。", "十一点五公斤"),
    ],
)  # fmt: skip
def test_claims_in_other_forms(language, text, claim):
    assert [f.span for f in check({"title": "Fruit Board", "package_size": "5公斤"}, text, language)] == [claim]


@pytest.mark.parametrize(
    ("known", "language", "text"),
    [
        ("Board", "en", "Our product of the week, a product of care, grown in your own garden."),
        ("Board", "en", "The product of many ideas, and a hand for the cook."),
        ("Hand-Crafted Board", "en", "A handcrafted board."), ("Handcrafted Board", "en", "A hand-crafted board."),
        ("Avocado, Product of Mexico", "en", "Grown in Mexico."), ("Rice 1.5公斤", "zh", "每袋一点五公斤。"),
        ("Board", "zh", "早一点出门，多带一点，一点也不麻烦。"),
    ],
)  # fmt: skip
def test_what_looks_like_those_forms_is_left_alone(known, language, text):
    assert check({"title": known}, text, language) == []
