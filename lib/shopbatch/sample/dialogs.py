"""Generates `support_dialogs`: questions of customers, and replies that follow the shop's policies.

The real and the generated sample use it. Row i is a function of (seed, i), so rows can be generated in any order. A
reply states only policies, and numbers, orders or products that the question names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from shopbatch.sample.dialog_words import LANGUAGES, Case, Intent, intents, phrases, policies
from shopbatch.sample.templates import Dice, choose, fill, pieces, slots
from shopbatch.tables.support_dialogs import SUPPORT_DIALOGS

VERSION = 1  # version of the generator; raise it with every change of the generated rows
ROWS = 6_000  # number of dialogs; a sample with fewer reviews has as many dialogs as reviews
USERS = 1_500
_START, _SECONDS = 1_672_531_200, 2 * 365 * 86_400  # from 2023-01-01 on, for two years
_MOODS = ("plain", "plain", "plain", "polite", "polite", "brief")
_MOODS_ABOUT_ORDERS = (*_MOODS, "upset", "upset")


@dataclass(frozen=True)
class Asked:
    """A generated question.

    Attributes:
        text: The question.
        mood: plain, polite, brief or upset.
        named: {placeholder: value that the text names}, such as order, item or n.
    """

    text: str
    mood: str
    named: Mapping[str, str]


def count(reviews: int | None) -> int:
    """Return the number of dialogs for a sample of `reviews` reviews: one per review, at most `ROWS`.

    `ROWS` if `reviews` is None (a sample with all reviews).
    """
    return ROWS if reviews is None else min(ROWS, reviews)


def note() -> str:
    """Return the note about the generated dialogs that the report of `shopbatch sample` prints."""
    return f"invented questions and replies, {len(intents('en'))} intents, half are Chinese; users u-... of their own"


def dialogs(rows: int, seed: int, first: int = 0) -> pa.Table:
    """Return rows [first, first + rows) of `support_dialogs`, half English and half Chinese; about 5,000 per second."""
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
    """Write a random question of a customer, with the noise of real questions.

    Args:
        dice: Source of all random draws.
        language: en or zh.
        intent: The topic that the question is about.
        case: One of the intent's cases, from whose templates the question is written.
        named: {placeholder: value} (order, item, ...) to be used instead of random values.
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
        # no date beside a number of days, which it could contradict, and no second product
        left_out = ({"date"} if case.limit else set()) | ({"item"} if "item" in slots(core) else set())
        context = choose(dice, words.contexts[about], {k: v for k, v in nameable.items() if k not in left_out})
        first = dice.chance(65) and not opener.endswith((":", "："))
        parts = [context, core] if first or context.endswith("，") else [core, context]
    text = _joined([opener, *parts, choose(dice, words.closers[mood], {})], words.glue)
    text = _careless_en(dice, text) if language == "en" else _careless_zh(dice, text)
    return Asked(fill(text, nameable), mood, {k: v for k, v in nameable.items() if k in slots(text)})


def _nameable(dice: Dice, language: str, intent: Intent, case: Case) -> dict[str, str]:
    """Return {placeholder: random value} for a question: order, item, date and, if the case has a limit, n.

    The number `n` lies within or beyond the policy's limit, as the case requires.
    """
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
    """Write the reply to a question.

    It always contains the answer. Greeting, mention of the order, next step, addition and ending are optional;
    additions and endings are dropped if the reply is longer than the language allows (`Phrases.span`, in words or
    characters).
    """
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
    """Return the length of a text in words (en) or characters (zh)."""
    return len(text.split()) if language == "en" else len(text)


def _joined(parts: list[str], glue: str) -> str:
    """Join sentences; a sentence that follows a comma or colon begins with a small letter.

    Args:
        parts: The sentences; empty ones are left out.
        glue: The text between sentences: " " in English, "" in Chinese.
    """
    text = ""
    for part in filter(None, (p.strip() for p in parts)):
        continues = text.endswith((",", ":")) and not part.startswith(("I ", "I'"))
        sentence = part[0].lower() + part[1:] if continues else part
        text = f"{text}{glue}{sentence}" if text else sentence
    return text


def _careless_en(dice: Dice, text: str) -> str:
    """Make English questions careless: 12 % in small letters without a final mark, 10 % with two letters swapped."""
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
    """Make some Chinese questions careless: 16 % without a final mark, 6 % with spaces instead of commas."""
    if dice.chance(16):
        text = text.rstrip("。！？")
    return text.replace("，", " ") if dice.chance(6) else text
