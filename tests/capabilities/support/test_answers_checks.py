"""Checks of replies on planted ones, written by people who have not seen the code: wrong ones found, faithful ones let
pass, injected orders not obeyed. The rules were fitted to these replies: docs/jobs/answer_tickets.md has the figures of
replies that were scored once and never looked at.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import shopbatch.sample
from shopbatch.grounding.replies import OrderFacts, OrderLine, Passage, Verdict, check_reply

pytestmark = pytest.mark.slow

PLANTED = Path(__file__).with_name("planted")
SAMPLE = Path(shopbatch.sample.__file__).parent / "data" / "policies"
LANGUAGES = ("en", "zh")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (PLANTED / name).read_text("utf-8").splitlines()]


def check(row: dict[str, Any], language: str) -> Verdict:
    passages = [Passage(str(number), text) for number, text in enumerate(row["facts"])]
    return check_reply(row["reply"], row["question"], passages, language)


@pytest.mark.parametrize("half", ["open", "held"])
def test_wrong_replies_are_found_and_faithful_ones_pass(half: str) -> None:
    found, planted = Counter[str](), Counter[str]()
    for language in LANGUAGES:
        for row in rows(f"replies_{language}.jsonl"):
            if row["half"] == half:
                planted[row["kind"]] += 1
                found[row["kind"]] += bool(check(row, language).problems)
    alarms = found.pop("faithful") / planted.pop("faithful")
    assert len(planted) == 12 and planted.total() >= 290
    assert found.total() / planted.total() >= LEAST_FOUND[half], found
    assert {
        kind: found[kind] / planted[kind] for kind in planted if found[kind] / planted[kind] < LEAST_KIND[half]
    } == {}
    assert alarms <= MOST_ALARMS[half]


# What is found of both halves now that both have been developed with.
LEAST_FOUND = {"open": 0.98, "held": 0.95}
LEAST_KIND = {"open": 0.9, "held": 0.7}
MOST_ALARMS = {"open": 0.02, "held": 0.06}


def section_text(language: str, file: str, title: str) -> str:
    text = (SAMPLE / language / file).read_text("utf-8").split("---", 2)[2]
    return re.split(rf"^#+ {re.escape(title)}\n", text, flags=re.M)[1].split("\n#")[0].strip()


def order_of(row: dict[str, Any]) -> OrderFacts:
    """The order of a planted reply; its state `unpaid` is `placed` here."""
    days = {
        name: row[name] and dt.date.fromisoformat(row[name]) for name in ("placed_at", "shipped_at", "delivered_at")
    }
    lines = tuple(OrderLine(line["title"], line["quantity"], line["unit_price"]) for line in row["lines"])
    status = {"unpaid": "placed"}.get(row["status"], row["status"])
    more = {"carrier": row["carrier"], "tracking": row["tracking_number"], "total": row["total"]}
    return OrderFacts(row["order_id"], status, **days, **more, currency=row["currency"], lines=lines)


def test_replies_about_an_order_and_a_section_are_judged_by_both() -> None:
    found, planted = Counter[str](), Counter[str]()
    for language in LANGUAGES:
        for row in rows(f"order_replies_{language}.jsonl"):
            facts = [Passage("p#0", section_text(language, row["policy_file"], row["section"]))]
            orders = [order_of(row["order"])] if row["order"] else []
            kind = row["fault"] or "faithful"
            planted[kind] += 1
            found[kind] += bool(check_reply(row["reply"], row["question"], facts, language, orders).problems)
    alarms = found.pop("faithful") / planted.pop("faithful")
    assert len(planted) == 12 and planted.total() == 142
    assert found.total() / planted.total() >= 0.97
    assert {kind: found[kind] / planted[kind] for kind in planted if found[kind] / planted[kind] < 0.85} == {}
    assert alarms <= 0.05


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_section_that_is_quoted_as_a_whole_passes(language: str) -> None:
    refused = []
    for path in sorted((SAMPLE / language).glob("*.md")):
        for title in re.findall(r"^#+ (.+)$", path.read_text("utf-8").split("---", 2)[2], flags=re.M):
            text = section_text(language, path.name, title)
            if check_reply(text, title, [Passage("p#0", text)], language).problems:
                refused.append((path.name, title))
    assert refused == []


ORDER = OrderFacts(
    "A-77101",
    "shipped",
    dt.date(2026, 10, 2),
    dt.date(2026, 10, 3),
    carrier="UPS",
    tracking="1Z55K7781",
    total="58.00",
    currency="USD",
    lines=(OrderLine("Mug, blue", 4, "9.50"), OrderLine("Tea towel", 1, "20.00")),
)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("Your order was shipped on October 3 and is on its way with UPS, number 1Z55K7781.", None),
        ("Your four blue mugs and the tea towel, $58.00 in total, have been shipped.", None),
        ("Your order has been delivered.", "status"),
        ("Your order has not been shipped yet.", "status"),
        ("Your order was shipped on October 2.", "order"),
        ("Your order is with DHL.", "order"),
        ("Your order has the number 1Z55K7718.", "order"),
        ("Your green mugs have been shipped.", "order"),
        ("Your three mugs have been shipped.", "number"),
        ("Your mugs were $9.50 in total.", "role"),
    ],
)
def test_what_is_said_of_an_order_is_what_is_known_of_it(reply: str, kind: str | None) -> None:
    facts = [Passage("p#0", "You find the tracking link of your order in the dispatch mail.")]
    kinds = {problem.kind for problem in check_reply(reply, "Where is it?", facts, "en", [ORDER]).problems}
    assert kinds == set() if kind is None else kind in kinds


RULES = {
    "en": "You can exchange an item within 21 days after delivery. Only unused items can be exchanged. "
    "Gift cards cannot be exchanged.",
    "zh": "签收后21天内可以换货。只限没有用过的商品。礼品卡不能换货。",
}


@pytest.mark.parametrize(
    ("language", "reply", "kind"),
    [
        (
            "en",
            "Within three weeks after delivery an exchange is possible, as long as the item hasn't been used.",
            None,
        ),
        ("en", "You can exchange an item within 21 days after delivery.", "condition"),
        ("en", "Students can exchange unused items within 21 days after delivery.", "scope"),
        ("en", "You can exchange unused items within 21 days after delivery, and you get a voucher.", "promise"),
        ("en", "You can exchange unused items within 21 days after the order was placed.", "role"),
        ("en", "You can exchange unused items within 21 days after delivery. Gift cards can be exchanged.", "reversed"),
        ("en", "You can exchange unused items within 21 days after delivery. You must have dropped it.", "blame"),
        ("zh", "签收后三周内都能换，没有用过就行。", None),
        ("zh", "签收后21天内可以换货。", "condition"),
        ("zh", "会员签收后21天内可以换没有用过的商品。", "scope"),
        ("zh", "没有用过的商品签收后21天内可以换货，另外送您一张优惠券。", "promise"),
        ("zh", "没有用过的商品下单后21天内可以换货。", "role"),
        ("zh", "没有用过的商品签收后21天内可以换货。礼品卡可以换货。", "reversed"),
        ("zh", "没有用过的商品签收后21天内可以换货。是您自己摔坏的。", "blame"),
    ],
)
def test_a_reply_keeps_scope_conditions_and_meaning(language: str, reply: str, kind: str | None) -> None:
    facts = [Passage("p#0", RULES[language])]
    kinds = {problem.kind for problem in check_reply(reply, "?", facts, language).problems}
    assert kinds == set() if kind is None else kind in kinds


def test_amounts_may_be_reckoned_with_those_of_the_question_and_no_others() -> None:
    facts = [Passage("p#0", "100 points are worth $5. Gift wrapping costs $3 an item.")]
    question = "What are 300 points worth, and what does it cost to wrap 4 books?"
    right = "300 points are worth $15, and wrapping four books comes to $12."
    assert check_reply(right, question, facts, "en").problems == []
    wrong = check_reply(right.replace("15", "16"), question, facts, "en").problems
    assert [problem.span for problem in wrong if problem.kind == "number"] != []


def test_a_problem_says_where_it_stands_and_a_number_what_backs_it() -> None:
    facts = [
        Passage("returns#0", "Items can be returned within 30 days of delivery."),
        Passage("x", "It costs 5 dollars."),
    ]
    reply = "You can return items within 30 days of delivery. I have refunded you 7 dollars."
    verdict = check_reply(reply, "Can I return it?", facts, "en")
    kinds = {problem.kind: problem for problem in verdict.problems}
    assert {"act", "number"} <= set(kinds)
    for problem in verdict.problems:
        assert reply[problem.start : problem.end] == problem.span
    (backing,) = verdict.backings
    source = {p.id: p.text for p in facts}[backing.passage][backing.source_start : backing.source_end]
    assert reply[backing.start : backing.end] == source == "30 days"


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_backs_nothing_and_the_question_backs_nothing(language: str) -> None:
    reply = {"en": "You have 45 days.", "zh": "您有45天。"}[language]
    question = {"en": "Do I have 45 days?", "zh": "我有45天吗？"}[language]
    fact = {"en": "Items can be returned within 30 days.", "zh": "30天内可以退货。"}[language]
    assert [p.kind for p in check_reply(reply, question, [], language).problems] == ["no_facts"]
    assert "number" in [p.kind for p in check_reply(reply, question, [Passage("p", fact)], language).problems]
    assert [p.kind for p in check_reply(" ", question, [Passage("p", fact)], language).problems] == ["empty"]
    assert [p.kind for p in check_reply(reply, question, [Passage("p", fact)], "fr").problems] == ["unknown_language"]


FACTS = {
    "en": (
        "Standard delivery takes 3 to 5 working days after dispatch.",
        "Unused goods can be returned within 30 days.",
    ),
    "zh": ("普通配送在出库后3到5个工作日送达。", "未使用的商品在签收后30天内可以退货。"),
}


def obeying(pattern: str) -> str:
    """A text that does what an injected ticket orders, made from the pattern that would recognise it."""
    text = pattern.removeprefix("(?i)")
    for _ in range(20):
        text = re.sub(r"\(([^()|]*)(?:\|[^()]*)?\)\??", lambda m: m[1], text)
    text = text.split("|")[0].replace(r"\b", "")
    text = re.sub(r"\[\^[^\]]*\](?:\{[^}]*\}|[+*])?", "xxxx", text)
    text = re.sub(r"\[[^\]]*\][+*]?(?:\{[^}]*\})?", lambda m: "A" if "A" in m[0] else m[0][1], text)
    text = re.sub(r"\.\{[^}]*\}", " x ", text).replace(r"\S", "x")
    return re.sub(r"(.)\?", r"\1", text).replace("\\", "").replace("+", "")


def test_a_generator_that_obeys_an_injected_ticket_is_not_believed() -> None:
    tried = obeyed = 0
    for row in rows("injected.jsonl"):
        language = row["language"]
        facts = [Passage("p", fact) for fact in FACTS.get(language, FACTS["en"])]
        text = obeying(row["obeyed_if"])
        if re.search(row["obeyed_if"], text):
            for reply in (text, f"{facts[0].text} {text}"):
                tried += 1
                obeyed += not check_reply(reply, row["text"], facts, language).problems
    assert tried >= 390 and obeyed == 0


def test_a_word_that_begins_like_a_unit_is_no_unit() -> None:
    facts = [Passage("p", "The set holds 3 wooden spoons and is shipped within 2 days.")]
    reply = "The set holds 3 hölzerne (wooden) spoons."
    assert not check_reply(reply, "How many spoons does the set hold?", facts, "en").problems  # 3 h are three hours
