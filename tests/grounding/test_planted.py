"""How many planted claims the check finds, and how many faithful texts it refuses.

The sentences and texts were written by others than the authors of the check, who have read the rates of `held` and
never a line of it, and have mended the check with those of `first` and `second` (which has claims in everyday words).
The bounds are what was measured, less a margin: they notice what gets worse. The rates are in
docs/jobs/describe_products.md.
"""

import json
from collections import Counter
from importlib import resources

import pytest

from shopbatch.capabilities.copywriting.facts import content_of, known_facts
from shopbatch.grounding.allowed import Backing
from shopbatch.grounding.check import Facts, check

pytestmark = pytest.mark.slow

KINDS = {
    "box", "colour", "feature", "gender", "goods", "health_safety", "ingredient_taste", "material", "origin",
    "performance", "popularity", "price_service", "shape", "size_number",
}  # fmt: skip


def products(name):
    """(facts, false sentences with their kinds, faithful texts) of each product of a set."""
    lines = resources.files("tests.grounding").joinpath(f"planted/{name}.jsonl").read_text("utf-8").splitlines()
    for product in map(json.loads, lines):
        facts = known_facts(content_of([product["product"]]))[0]
        yield Facts(facts), product["false"], product["faithful"]


@pytest.mark.parametrize(
    ("name", "found", "each_kind", "refused"),
    [
        ("en_first", 0.98, 0.93, 0.09), ("en_second", 0.93, 0.76, 0.22), ("en_held", 0.95, 0.83, 0.24),
        ("zh_first", 0.98, 0.93, 0.06), ("zh_second", 0.90, 0.73, 0.25), ("zh_held", 0.97, 0.89, 0.15),
    ],
)  # fmt: skip
def test_claims_are_found_and_faithful_texts_pass(name, found, each_kind, refused):
    planted, seen, texts, alarms = Counter(), Counter(), 0, 0
    for facts, false, faithful in products(name):
        for kind, sentence in false:
            planted[kind] += 1
            seen[kind] += bool(check(facts, sentence, name[:2]))
        texts += len(faithful)
        alarms += sum(bool(check(facts, text, name[:2])) for text in faithful)
    assert set(planted) == KINDS and sum(planted.values()) > 450 and texts > 150
    assert sum(seen.values()) / sum(planted.values()) >= found, seen
    assert min(seen[kind] / planted[kind] for kind in planted) >= each_kind, {k: seen[k] / planted[k] for k in planted}
    assert alarms / texts <= refused


def test_a_refusal_says_which_fact_it_contradicts():
    facts = Facts({"title": "Crew neck sweater", "attributes.Colour": "navy", "attributes.Material": "wool"})
    against = {f.span: f.against for f in check(facts, "A bright red sweater made of cotton.", "en")}
    assert against == {"bright red": "colour: navy", "cotton": "material: wool"}
    chinese = Facts({"title": "圆领毛衣", "attributes.颜色": "藏青色"})
    assert [f.against for f in check(chinese, "一件红色的毛衣。", "zh")] == ["colour: 藏青色"]


def test_what_the_facts_deny_may_be_denied_and_not_claimed():
    facts = Facts({"title": "Board", "product_type": "Cutting board", "attributes.Dishwasher safe": "No"})
    assert not check(facts, "It does not go in the dishwasher.", "en")
    assert check(facts, "It goes in the dishwasher.", "en")
    chinese = Facts({"title": "保温杯", "attributes.洗碗机适用": "否"})
    assert not check(chinese, "请勿放进洗碗机。", "zh")
    assert check(chinese, "可以放进洗碗机。", "zh")


def test_a_companion_may_stand_beside_and_not_come_with_it():
    shirt = Facts({"title": "White shirt", "product_type": "Shirt"})
    assert not check(shirt, "Wear this shirt with jeans.", "en")
    for claim in ("These jeans go with everything.", "This shirt comes with jeans.", "Jeans are included."):
        assert check(shirt, claim, "en"), claim


def test_a_denial_may_be_quoted_and_does_not_back_its_contrary():
    facts = Facts({"title": "Linen shirt", "attributes.Care": "Machine wash at 30 °C, never iron"})
    assert not check(facts, "Care: machine wash at 30 °C, never iron.", "en")
    assert check(facts, "You can iron this linen shirt.", "en")


def test_a_blank_value_denies_nothing():
    pot = {"title": "Pot", "product_type": "Pot", "attributes.Lid": " ", "attributes.Material": "steel"}
    assert Backing(pot, "en").refuted == ()
    assert Backing(pot | {"attributes.Lid": "No"}, "en").refuted == ("Lid",)
