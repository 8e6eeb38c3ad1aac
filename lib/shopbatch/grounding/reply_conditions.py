"""Whether a reply keeps the conditions of what it promises: unless, if, except, only, must; 除非, 如果, 仅限."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shopbatch.grounding.reply_facts import Known, Sentence
from shopbatch.grounding.reply_words import Words, words

_STATED = 0.6  # share of a promise's words from which it counts as stated
_KEPT = 0.3  # share of a condition's words from which it counts as kept
_ASKED = 0.34  # share of a limit's words that the question must hold


@dataclass(frozen=True)
class Conditional:
    """A sentence with a condition: the words of its promise and those of its condition."""

    sentence: Sentence
    promise: frozenset[str]
    condition: frozenset[str]


def is_conditional(text: str, language: str = "") -> bool:
    """Tell whether a sentence states a condition or excludes something; without a language, in any known one."""
    codes = (language,) if language else ("en", "zh")
    return any(
        re.search(pattern, text, re.I)
        for code in codes
        for pattern in (*words(code).file.conditions.values(), words(code).file.limits)
    )


def dropped(reply: list[Sentence], question: str, known: Known) -> Iterator[tuple[Sentence, Sentence]]:
    """Yield the sentences of a reply that state a promise without its condition, with the sentence of the fact."""
    said = frozenset(word for sentence in reply for word in sentence.words)
    for conditional in _conditionals(known):
        if _share(conditional.condition, said, known) >= _KEPT:
            continue
        for sentence in reply:
            if _states(sentence, conditional, known):
                yield sentence, conditional.sentence
                break
    asked = known.words.telling(question)
    for fact in known.sentences:
        if reply and _is_asked_limit(fact, asked, said, known):
            yield reply[0], fact


def _conditionals(known: Known) -> Iterator[Conditional]:
    for sentence in known.sentences:
        for promise, condition in _cut(sentence.text, known.words):
            first, last = known.words.telling(promise), known.words.telling(condition)
            if first and last - first:
                yield Conditional(sentence, first, last - first)


def _cut(text: str, known: Words) -> Iterator[tuple[str, str]]:
    """The promise and the condition of a sentence, for each marker in it."""
    for m in re.finditer(known.file.conditions["after"], text, re.I):
        before, after = text[: m.start()], text[m.end() :]
        if before.strip():
            yield before, after
        elif re.search(r"[,，]", after):  # If the item is sold out, the price is paid back
            condition, _, promise = after.replace("，", ",").partition(",")
            yield promise, condition
    for m in re.finditer(known.file.conditions["subject"], text, re.I):
        if text[: m.start()].strip():
            yield text[: m.start()], text[m.end() :]


def _states(sentence: Sentence, conditional: Conditional, known: Known) -> bool:
    """Whether a sentence states a promise: it has most of its words, and its numbers if it has any."""
    return _share(conditional.promise, sentence.words, known) >= _STATED


def _share(wanted: frozenset[str], there: frozenset[str], known: Known) -> float:
    total = sum(known.rarity.get(word, 1.0) for word in wanted)
    return sum(known.rarity.get(word, 1.0) for word in wanted & there) / total if total else 1.0


def _is_asked_limit(fact: Sentence, asked: frozenset[str], said: frozenset[str], known: Known) -> bool:
    """Whether a fact excludes what the question is about, and the reply says nothing of it."""
    if not re.search(known.words.file.limits, fact.text, re.I):
        return False
    common = {word for word in asked & fact.words if sum(word in s.words for s in known.sentences) == 1}
    return bool(common) and not common & said and _share(fact.words, asked, known) >= _ASKED
