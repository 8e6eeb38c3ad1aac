"""Checks of replies on planted ones, written by somebody who has not seen the code: wrong ones found, faithful ones let
pass, injected orders not obeyed. No text of half of the replies (`held`) was looked at while the checks were written.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shopbatch.grounding.replies import Passage, Verdict, check_reply

PLANTED = Path(__file__).with_name("planted")
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


# What was found of the half that was developed with, and of the other half: the docs say how far that is from the aim.
LEAST_FOUND = {"open": 0.98, "held": 0.9}
LEAST_KIND = {"open": 0.9, "held": 0.6}
MOST_ALARMS = {"open": 0.02, "held": 0.16}


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
