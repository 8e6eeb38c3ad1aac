"""Whether a reply keeps the conditions of what it promises: unless, if, except, only, must; 除非, 如果, 仅限."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.grounding.reply_facts import Known, Sentence
from shopbatch.grounding.reply_words import Words, words

_STATED = 0.65  # share of a promise's words from which it counts as stated
_KEPT = 0.3  # share of a condition's words from which it counts as kept
_WORDS = 2  # telling words of a promise, at least


@dataclass(frozen=True)
class Conditional:
    """A sentence with a condition: the words of its promise and those of its condition."""

    sentence: Sentence
    promise: frozenset[str]
    condition: frozenset[str]


@lru_cache(maxsize=16_384)
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
        if reply and _is_asked_limit(fact, asked, reply, known):
            yield reply[0], fact


def _conditionals(known: Known) -> Iterator[Conditional]:
    for sentence in known.sentences:
        for promise, condition in _cut(sentence.text, known.words):
            first, last = known.words.telling(promise), known.words.telling(condition)
            if len(first) >= _WORDS and last - first:
                yield Conditional(sentence, first, last - first)


def _cut(text: str, known: Words) -> Iterator[tuple[str, str]]:
    """The promise and the condition of a sentence, for each marker in it.

    A pattern names them (`p` and `q`, `c`), or else stands between them.
    """
    for pattern in known.file.conditions.values():
        for m in re.finditer(pattern, text, re.I):
            said = m.groupdict()
            if "c" in said:
                yield f"{said.get('q') or ''} {said['p'] or ''}", said["c"] or ""
            elif text[: m.start()].strip():
                yield text[: m.start()], text[m.end() :]


def _states(sentence: Sentence, conditional: Conditional, known: Known) -> bool:
    """Whether a sentence states a promise: it has most of its words, excludes nothing, and takes up no condition."""
    file = known.words.file
    if any(re.search(pattern, sentence.text, re.I) for pattern in (file.limits, file.then, file.marks, file.declines)):
        return False
    return _share(conditional.promise, sentence.words, known) >= _STATED


def _share(wanted: frozenset[str], there: frozenset[str], known: Known) -> float:
    total = sum(known.rarity.get(word, 1.0) for word in wanted)
    return sum(known.rarity.get(word, 1.0) for word in wanted & there) / total if total else 1.0


def _is_asked_limit(fact: Sentence, asked: frozenset[str], reply: list[Sentence], known: Known) -> bool:
    """Whether a fact limits what the question is about, and the reply says nothing of it.

    The question is about it if both share a word that hardly another fact has. The reply says something of it if it has
    a limit of its own about the same, or the words of the condition.
    """
    file = known.words.file
    limits = file.limits
    if not re.search(limits, fact.text, re.I):
        return False
    grants = re.search(known.words.file.affirms, reply[0].text, re.I) and re.search(file.only, fact.text, re.I)
    often = len(known.sentences) if grants else max(1, len(known.sentences) // 3)
    if not any(sum(word in s.words for s in known.sentences) <= often for word in asked & fact.words):
        return False
    if re.search(file.declines, reply[0].text, re.I):
        return False
    marks = f"{limits}|{file.marks}"
    if any(re.search(marks, said.text, re.I) and said.words & fact.words for said in reply):
        return False
    said = frozenset(word for sentence in reply for word in sentence.words)
    cut = (map(known.words.telling, pair) for pair in _cut(fact.text, known.words))
    conditions = [condition - promise for promise, condition in cut]
    return not any(condition and _share(condition, said, known) >= _KEPT for condition in conditions)
