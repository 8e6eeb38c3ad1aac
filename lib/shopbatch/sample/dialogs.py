"""Generated customer service: questions, and replies that keep to the shop's policies. Both samples use it.

Row i is a function of (seed, i), so rows can be made in any order. What a reply states is a policy, or a number, an
order or a product that the question has named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from shopbatch.sample.dialog_words import LANGUAGES, Case, Intent, intents, phrases, policies
from shopbatch.sample.templates import Dice, choose, fill, pieces, slots
from shopbatch.tables.support_dialogs import SUPPORT_DIALOGS

VERSION = 1  # of what is generated; raise it with every change of the result
ROWS = 6_000  # of a sample that has at least as many reviews
USERS = 1_500
_START, _SECONDS = 1_672_531_200, 2 * 365 * 86_400  # from 2023-01-01 on, for two years
_MOODS = ("plain", "plain", "plain", "polite", "polite", "brief")
_MOODS_ABOUT_ORDERS = (*_MOODS, "upset", "upset")


@dataclass(frozen=True)
class Asked:
    """A question: its text, its mood, and what it has named (order, item, n, ...)."""

    text: str
    mood: str
    named: Mapping[str, str]


def count(reviews: int | None) -> int:
    """How many dialogs a sample with this number of reviews has; None means all reviews."""
    return ROWS if reviews is None else min(ROWS, reviews)


def note() -> str:
    """What is special about the table, for the report of a sample."""
    return f"invented questions and replies, {len(intents('en'))} intents, half are Chinese; users u-... of their own"


def dialogs(rows: int, seed: int, first: int = 0) -> pa.Table:
    """Make rows [first, first + rows) of a seed, half English and half Chinese; about 5,000 per second."""
    records = [_dialog(seed, row) for row in range(first, first + rows)]
    columns = {name: [record[name] for record in records] for name in SUPPORT_DIALOGS.names}
    schema = SUPPORT_DIALOGS.schema()
    return pa.table({f.name: pa.array(columns[f.name]).cast(f.type) for f in schema}, schema=schema)


def _dialog(seed: int, row: int) -> dict[str, str | int | None]:
    dice = Dice(seed, "dialog", row)
    language = LANGUAGES[row % 2]
    name = dice.one(tuple(intents(language)))
    intent = intents(language)[name]
    case = dice.one(intent.cases)
    asked = question(dice, language, intent, case)
    return {
        "dialog_id": f"d-{row}",
        "question": asked.text,
        "reply": _reply(dice, language, intent, case, asked),
        "intent": name,
        "language": language,
        "user_id": f"u-{dice.below(USERS)}" if dice.chance(70) else None,
        "created_at": (_START + dice.below(_SECONDS)) * 1_000_000,
    }


def question(dice: Dice, language: str, intent: Intent, case: Case, named: Mapping[str, str] | None = None) -> Asked:
    """Write a question.

    Args:
        dice: Of all draws.
        language: en or zh.
        intent: What it is about.
        case: One of the intent's cases.
        named: What it may name (order, item, ...) instead of what is drawn.
    """
    words, about = phrases(language), intent.about
    mood = dice.one(_MOODS_ABOUT_ORDERS if about == "order" else _MOODS)
    nameable = {**_nameable(dice, language, intent, case), **(named or {})}
    core = choose(dice, case.ask, nameable)
    opener = choose(dice, words.openers[mood], {})
    asks = core.endswith(("?", "？"))
    if opener.endswith((":", "：")) and not asks:
        opener = ""
    parts = [core]
    if dice.chance(60):
        # a date could contradict the number of days, and one product is enough
        left_out = ({"date"} if case.limit else set()) | ({"item"} if "item" in slots(core) else set())
        context = choose(dice, words.contexts[about], {k: v for k, v in nameable.items() if k not in left_out})
        first = dice.chance(65) and not opener.endswith((":", "："))
        parts = [context, core] if first or context.endswith("，") else [core, context]
    text = _joined([opener, *parts, choose(dice, words.closers[mood], {})], words.glue)
    text = _careless_en(dice, text) if language == "en" else _careless_zh(dice, text)
    return Asked(fill(text, nameable), mood, {k: v for k, v in nameable.items() if k in slots(text)})


def _nameable(dice: Dice, language: str, intent: Intent, case: Case) -> dict[str, str]:
    """Return what the question may name. {n} lies within or beyond the policy's limit, as the case requires."""
    words = phrases(language)
    order = dice.one(words.orders).format(dice.between(100_000, 999_999))
    item = dice.one(words.goods[intent.goods])
    if dice.chance(50):
        item = f"{dice.one(words.colours)}{words.glue or '的'}{item}"
    day, month = str(dice.between(1, 28)), dice.one(words.months)
    named = {
        "order": order,
        "item": item,
        "date": fill(words.date, {"day": day, "month": month}),
    }
    if case.limit:
        limit = int(policies(language)[case.limit])
        low, high = (limit + limit // 10 + 1, limit * 5 // 2) if case.beyond else (limit // 5, limit * 9 // 10)
        named["n"] = str(dice.between(low, high))
    return named


def _reply(dice: Dice, language: str, intent: Intent, case: Case, asked: Asked) -> str:
    """Write a reply: always the fact; greeting, order, step, an addition and an ending as far as they fit."""
    words = phrases(language)
    known = {**policies(language), **asked.named}
    greeting = choose(dice, words.greetings[asked.mood], known)
    fact, step = choose(dice, case.fact, known), choose(dice, case.step, known)
    order = ""
    if "order" in asked.named:
        order = choose(dice, words.noted, known) if dice.chance(90) else ""
    elif intent.about == "order" and dice.chance(35):
        order = choose(dice, words.wanted, known)
    more, ending = choose(dice, case.more, known), choose(dice, words.endings, known)
    first_more = more if dice.chance(45) else ""
    first_ending = "" if dice.chance(25) else ending
    noted = "order" in asked.named and dice.chance(60)
    start, end = (order, "") if noted else ("", order)
    least, most = words.span
    text = ""
    attempts = ((first_more, first_ending), (first_more, ending), (more, ending), ("", first_ending), ("", ""))
    for extra, last in attempts:
        text = fill(_joined([greeting, start, fact, step, extra, end, last], words.glue), known)
        if least <= length(language, text) <= most:
            break
    return text


def length(language: str, text: str) -> int:
    """Words of an English text, characters of a Chinese one."""
    return len(text.split()) if language == "en" else len(text)


def _joined(parts: list[str], glue: str) -> str:
    """Join sentences; after a comma or colon none begins with a capital letter."""
    text = ""
    for part in filter(None, (p.strip() for p in parts)):
        continues = text.endswith((",", ":")) and not part.startswith(("I ", "I'"))
        sentence = part[0].lower() + part[1:] if continues else part
        text = f"{text}{glue}{sentence}" if text else sentence
    return text


def _careless_en(dice: Dice, text: str) -> str:
    """One in eight questions is in small letters without a final mark; one in ten has two letters swapped."""
    small, typo = dice.chance(12), dice.chance(10)
    cut = pieces(text)
    if small:
        cut[::2] = [part.lower() for part in cut[::2]]
        cut[-1] = cut[-1].rstrip(".!?")
    if typo:
        words = cut[0].split(" ")
        long = [i for i, word in enumerate(words) if len(word) > 4 and word.isalpha()]
        if long:
            place = dice.one(long)
            word, at = words[place], dice.between(1, len(words[place]) - 3)
            words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
            cut[0] = " ".join(words)
    return "".join(cut)


def _careless_zh(dice: Dice, text: str) -> str:
    """One in six questions lacks its final mark; a few have spaces instead of commas."""
    if dice.chance(16):
        text = text.rstrip("。！？")
    return text.replace("，", " ") if dice.chance(6) else text
