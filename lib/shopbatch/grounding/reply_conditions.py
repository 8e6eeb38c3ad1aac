"""Finds promises of a reply whose condition in the facts is left out, for `replies.check_reply`.

Words such as unless, if, except, must, 除非 and 如果 mark a condition. It limits the promise in its own sentence. A
requirement or an exclusion ("must be", "is not included", "does not count") also limits the amounts and periods of the
sentence before it, if both sentences are about the same subject. If the customer asks about an exclusion, the reply
must mention it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.grounding.reply_facts import Known, Sentence
from shopbatch.grounding.reply_numbers import DATE, ORDER, Stated, equal
from shopbatch.grounding.reply_rules import cut, rules
from shopbatch.grounding.reply_words import Words, words

_STATED = 0.65  # share of a promise's words that a sentence must have to state it
_NUMBERED, _UNNUMBERED = 0.35, 0.8  # the same if it also states a number of the promise, or omits it
_KEPT = 0.3  # share of a condition's words that a reply must have to keep it
_WORDS = 2  # least number of content words of a promise


@dataclass(frozen=True)
class Conditional:
    """A promise and its condition, from the sentences of the facts.

    Attributes:
        sentence: The sentence that states the condition.
        promise: Content words of the promise.
        condition: Content words of the condition that are not in the promise.
        numbers: Numbers of the promise; if the condition limits the preceding sentence, the amounts and periods there.
    """

    sentence: Sentence
    promise: frozenset[str]
    condition: frozenset[str]
    numbers: tuple[Stated, ...] = ()


@lru_cache(maxsize=16_384)
def is_conditional(text: str, language: str = "") -> bool:
    """Return True if a sentence states a condition or an exclusion.

    Args:
        text: The sentence.
        language: "en" or "zh"; "" tries both.
    """
    codes = (language,) if language else ("en", "zh")
    return any(
        re.search(pattern, text, re.I)
        for code in codes
        for pattern in (*words(code).file.conditions.values(), words(code).file.limits)
    )


def dropped(reply: list[Sentence], question: str, known: Known) -> Iterator[tuple[Sentence, Sentence]]:
    """Yield (sentence of the reply, sentence of the facts) where the reply states a promise without its condition.

    Args:
        reply: The sentences of the reply.
        question: The customer's message.
        known: The facts.
    """
    said = frozenset(word for sentence in reply for word in sentence.words)
    for conditional in _conditionals(known):
        if not _is_kept(conditional, said, known) and not _says_number(conditional, reply, known):
            yield from ((s, conditional.sentence) for s in reply if _states(s, conditional, known))
    for binding in _bindings(known):
        if not _is_kept(binding, said, known):
            yield from ((s, binding.sentence) for s in reply if _grants_number(s, binding, known))
    yield from _overridden(reply, known)
    asked = known.words.telling(question)
    for fact in known.sentences:
        if reply and _is_asked_limit(fact, asked, reply, known):
            yield reply[0], fact


def _overridden(reply: list[Sentence], known: Known) -> Iterator[tuple[Sentence, Sentence]]:
    """Yield (sentence of the reply, sentence of the facts) where the reply says that a condition does not matter.

    An example is "also after the 30 days" where the fact says "within 30 days".
    """
    despite = rules(known.language).despite
    for sentence in reply:
        said = frozenset(w for m in re.finditer(despite, sentence.text, re.I) for w in _around(sentence, m, known))
        for conditional in _conditionals(known) if said else ():
            if _share(conditional.condition, said, known) >= _STATED and not _holds(sentence, conditional, known):
                yield sentence, conditional.sentence


def _around(sentence: Sentence, m: re.Match[str], known: Known) -> frozenset[str]:
    """Return the content words of the clause of `sentence` in which the match `m` lies."""
    start = max(sentence.text.rfind(mark, 0, m.start()) for mark in ",，;；:：") + 1
    end = min((place for mark in ",，;；.。" if (place := sentence.text.find(mark, m.end())) >= 0), default=None)
    return known.words.telling(sentence.text[start:end])


def _holds(sentence: Sentence, conditional: Conditional, known: Known) -> bool:
    """Return True if a sentence of the reply denies something, or is identical to the sentence with the condition."""
    return (
        bool(re.search(rules(known.language).denies, sentence.text, re.I)) or sentence.text == conditional.sentence.text
    )


def _is_kept(conditional: Conditional, said: frozenset[str], known: Known) -> bool:
    """Return True if a reply contains at least the share `_KEPT` of the words of a condition.

    Words that other facts contain too are not counted, unless the condition has no other words.

    Args:
        conditional: The promise with its condition.
        said: All content words of the reply.
        known: The facts.
    """
    others = {word for s in known.sentences if s is not conditional.sentence for word in s.words}
    return _share(conditional.condition - others or conditional.condition, said, known) >= _KEPT


def _says_number(conditional: Conditional, reply: list[Sentence], known: Known) -> bool:
    """Return True if the reply states a number of the conditional sentence that is not part of the promise."""
    numbers = [n for n in conditional.sentence.numbers if n not in conditional.numbers]
    return any(equal(said, n, known.language) for s in reply for said in s.numbers for n in numbers)


def _conditionals(known: Known) -> Iterator[Conditional]:
    """Yield the promises that have a condition in the same sentence of the facts."""
    for sentence in known.sentences:
        for promise, condition in _cut(sentence.text, known.words):
            first, last = known.words.telling(promise), known.words.telling(condition)
            if len(first) >= _WORDS and last - first and not _is_subject(promise, condition, sentence.text, known):
                place = sentence.text.find(promise.strip())
                its = (n for n in sentence.numbers if place <= n.start < place + len(promise))
                yield Conditional(sentence, first, last - first, tuple(its) if place >= 0 else ())


def _is_subject(promise: str, condition: str, text: str, known: Known) -> bool:
    """Return True if a condition states a property of the sentence's subject ("the item must be unused").

    Such a condition limits numbers and answers to questions, but need not be repeated wherever the subject is
    mentioned.

    Args:
        promise: The part of the sentence before the condition's marker.
        condition: The part behind the marker.
        text: The sentence.
        known: The facts, for their language.
    """
    subject = known.words.file.conditions.get("subject")
    return bool(subject) and bool(re.search(str(subject), text.removeprefix(promise).removesuffix(condition), re.I))


def _bindings(known: Known) -> Iterator[Conditional]:
    """Yield the conditions that limit amounts or periods of an earlier sentence of the facts.

    `Conditional.numbers` of each has these amounts and periods.
    """
    file, before = known.words.file, None
    for sentence in known.sentences:
        if re.search(file.binds, sentence.text, re.I) and before is not None:
            money = bool(re.search(file.binds_amounts, sentence.text, re.I))
            bound = tuple(n for n in before.numbers if n.kind == "money" or (n.kind == "time" and not money))
            pairs = [tuple(map(known.words.telling, pair)) for pair in _cut(sentence.text, known.words)]
            others = {w for s in known.sentences if s is not sentence for w in s.words}
            for subject, condition in pairs or [(frozenset(), sentence.words)]:
                taken_up = re.search(file.anaphora, sentence.text, re.I) or len(subject & others) * 2 > len(subject)
                if bound and (money or taken_up) and condition - before.words:
                    yield Conditional(sentence, subject, condition - before.words, bound)
        if any(n.kind in ("money", "time") for n in sentence.numbers):
            before = sentence


def _cut(text: str, known: Words) -> Iterator[tuple[str, str]]:
    """Split a sentence into (promise, condition), once for each word in it that marks a condition ("unless").

    A pattern of the word lists either names the parts (groups `p` and `q`: the promise, `c`: the condition), or matches
    the marker between promise and condition.
    """
    for pattern in known.file.conditions.values():
        for m in re.finditer(pattern, text, re.I):
            said = m.groupdict()
            if "c" in said:
                yield f"{said.get('q') or ''} {said['p'] or ''}", said["c"] or ""
            elif text[: m.start()].strip():
                yield text[: m.start()], text[m.end() :]


def _states(sentence: Sentence, conditional: Conditional, known: Known) -> bool:
    """Return True if a sentence of the reply states a promise of the facts as if it had no condition.

    It must contain most of the promise's words, and no exclusion, condition or refusal.
    """
    if any(number.kind in (DATE, ORDER) for number in sentence.numbers):
        return False  # it is about one order, not about the general rule
    numbered = _has_number(sentence, conditional, known)
    if not (_grants_number(sentence, conditional, known) if numbered else _grants(sentence.text, known)):
        return False
    least = _NUMBERED if numbered else _UNNUMBERED if conditional.numbers else _STATED
    return _share(conditional.promise, sentence.words, known) >= least


def _grants(text: str, known: Known) -> bool:
    """Return True if a text contains no exclusion, no condition and no refusal."""
    file = known.words.file
    patterns = (file.limits, file.then, file.marks, file.declines)
    return not any(re.search(pattern, text, re.I) for pattern in patterns)


def _grants_number(sentence: Sentence, binding: Conditional, known: Known) -> bool:
    """Return True if a sentence states a number that `binding` limits, in a part without any limit or refusal."""
    bound = [n for n in sentence.numbers if any(equal(n, fact, known.language) for fact in binding.numbers)]
    parts = [(start, text) for start, text in cut(sentence.text, known.language)]
    return any(start <= n.start < start + len(text) and _grants(text, known) for n in bound for start, text in parts)


def _has_number(sentence: Sentence, conditional: Conditional, known: Known) -> bool:
    """Return True if a sentence of the reply states one of `conditional.numbers`."""
    return any(equal(said, fact, known.language) for said in sentence.numbers for fact in conditional.numbers)


def _share(wanted: frozenset[str], there: frozenset[str], known: Known) -> float:
    """Return the share of the words in `wanted` that are also in `there`, weighted by rarity, 0 to 1.

    It is 1 if `wanted` is empty.
    """
    total = sum(known.rarity.get(word, 1.0) for word in wanted)
    return sum(known.rarity.get(word, 1.0) for word in wanted & there) / total if total else 1.0


def _is_asked_limit(fact: Sentence, asked: frozenset[str], reply: list[Sentence], known: Known) -> bool:
    """Return True if the question is about a limit that a fact states, and the reply does not mention it.

    The question is about the limit if it has a word of the limit that no other fact has. The reply mentions the limit
    if it refuses, or if it has words of the limit.

    Args:
        fact: The sentence of the facts.
        asked: Content words of the question.
        reply: The sentences of the reply, at least one.
        known: The facts.
    """
    file = known.words.file
    if not re.search(file.limits, fact.text, re.I) or re.search(file.declines, reply[0].text, re.I):
        return False
    others = {word for s in known.sentences if s is not fact for word in s.words}
    pairs = [tuple(map(known.words.telling, pair)) for pair in _cut(fact.text, known.words)]
    limit = frozenset(w for _, condition in pairs for w in condition) or fact.words
    limit = limit - others or limit
    only = re.search(f"{file.only}|{rules(known.language).denies}", fact.text, re.I)
    subject = frozenset(w for promise, _ in pairs for w in promise) - others if only else frozenset[str]()
    granted = re.search(file.affirms, reply[0].text, re.I) and re.search(file.only, fact.text, re.I) and not subject
    if not any(len(word) > 1 for word in asked & (fact.words if granted else (limit - others) | subject)):
        return False
    said = frozenset(word for sentence in reply for word in sentence.words)
    marks = f"{file.limits}|{file.marks}"
    marked = any(re.search(marks, s.text, re.I) and s.words & (limit | subject) for s in reply)
    limits = [n for n in fact.numbers if n.kind in ("money", "time")]
    if any(equal(n, m, known.language) for s in reply for n in s.numbers for m in limits) and not subject:
        return False
    return not marked and (_share(limit, said, known) < _KEPT or not pairs)
