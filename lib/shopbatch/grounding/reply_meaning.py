"""Checks that a reply does not change the meaning of the facts, for `replies.check_reply`.

It finds restrictions ("in Germany only") and promises that no fact makes, statements that say the opposite of a fact,
periods that start with another event than in the facts, and blame of the customer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from shopbatch.grounding.reply_facts import Known, Sentence
from shopbatch.grounding.reply_numbers import DATE, equal
from shopbatch.grounding.reply_rules import Clause, clauses, cut, found, is_denied, rules

_STRANGE = 0.5  # an offer is made up if a greater share of its words is in no fact
_ALIKE, _SAME = 0.6, 0.8  # Dice coefficient of parts on the same subject; with two shared words or fewer
_NEAR = 0.15  # how far below the best coefficient other parts on the same subject may be
_LEAST = 2  # least number of unknown words of an offer, and of denied words that a clause affirms

Span = tuple[str, int, int]


def meaning(sentence: Sentence, question: str, known: Known) -> Iterator[Span]:
    """Yield (kind, start, end) of the parts of a sentence that contradict the facts or go beyond them.

    Args:
        sentence: A sentence of the reply.
        question: The customer's message.
        known: The facts.
    """
    parts = list(cut(sentence.text, known.language))
    for clause in clauses(sentence.text, known.language):
        part = next((text for start, text in parts if start <= clause.start < start + len(text)), clause.text)
        denied = clause.denies or bool(re.search(rules(known.language).denies, part, re.I))
        for kind, first, last in _of_clause(clause, denied, question, known):
            yield kind, clause.start + first, clause.start + last
    yield from _of_segments(sentence, known)
    yield from _beginnings(sentence, known)


def _of_clause(clause: Clause, denied: bool, question: str, known: Known) -> Iterator[Span]:
    """Yield (kind, start, end) of the problems in one clause: unknown restrictions, opposites of facts, and blame.

    Blame is a statement such as "your card was declined" that neither the facts nor the question make.

    Args:
        clause: The clause; the positions are relative to it.
        denied: Whether the part of the sentence around the clause denies something.
        question: The customer's message.
        known: The facts.
    """
    yield from _scopes(clause, denied, question, known)
    if clause.asserts:
        yield from _opposites(clause, known)
        for m in found(rules(known.language).blames, clause.text):
            if m[0].lower() not in known.lower and m[0].lower() not in question.lower():
                yield "blame", *m.span()


def _of_segments(sentence: Sentence, known: Known) -> Iterator[Span]:
    """Yield (kind, start, end) of the parts of a sentence that reverse a fact, and of promises that no fact makes.

    Promises are looked for only in sentences without a refusal, and not in parts that state a condition ("if ...").
    """
    for start, segment in cut(sentence.text, known.language):
        if _is_turned(segment, known):
            yield "reversed", start, start + len(segment)
    if re.search(known.words.file.declines, sentence.text, re.I):
        return
    for start, segment in cut(sentence.text, known.language):
        bare = re.sub(rules(known.language).obliging, " ", segment, flags=re.I)
        if not re.search(rules(known.language).supposes, bare, re.I):
            for kind, first, last in (
                *_benefits(segment, known),
                *_reversals(segment, known),
                *_offers(segment, known),
            ):
                yield kind, start + first, start + last


def _scopes(clause: Clause, denied: bool, question: str, known: Known) -> Iterator[Span]:
    """Yield ("scope", start, end) of restrictions (for whom, where, by which channel, ...) that no fact contains.

    A restriction in the question may be repeated if it names a product or place, or if the reply denies it.
    """
    file = rules(known.language)
    for group, pattern in file.scopes.items():
        for m in found(pattern, clause.text):
            name = " ".join(m[0].lower().split())
            asked = name.rstrip("s") in question.lower() and (group in file.asked or denied)
            free = asked or (denied and group in ("when", "means")) or name in known.names
            if not free and not _holds(name, known):
                yield "scope", *m.span()


def _holds(name: str, known: Known) -> bool:
    """Return True if the facts contain `name`, which is in small letters, or all content words of it."""
    telling = known.words.telling(name)
    return name in known.lower or (bool(telling) and telling <= known.all_words)


def _benefits(text: str, known: Known) -> Iterator[Span]:
    """Yield (kind, start, end) of benefits (such as free shipping) that a text grants although no fact grants them.

    The kind is "reversed" if the facts mention the benefit but only deny it, and "promise" if no fact mentions it.
    """
    for benefit in rules(known.language).benefits.values():
        said, wanted = (benefit, benefit) if isinstance(benefit, str) else (benefit.said, benefit.known)
        for m in found(said, text):
            if not is_denied(text, *m.span(), known.language):
                granted = _granted(wanted, known)
                if granted is not True:
                    yield "promise" if granted is None else "reversed", *m.span()


def _offers(text: str, known: Known) -> Iterator[Span]:
    """Yield ("promise", start, end) of an extra offer ("we can also ...") whose content words are mostly in no fact."""
    for m in found(rules(known.language).offers, text):
        telling = known.words.telling(text[m.end() :])
        strange = telling - known.all_words - known.words.courtesy
        if len(strange) >= _LEAST and len(strange) > _STRANGE * len(telling):
            yield "promise", m.start(), len(text)
            return


def _granted(pattern: str, known: Known) -> bool | None:
    """Tell whether the facts grant a benefit.

    Args:
        pattern: Regular expression of the benefit.
        known: The facts.

    Returns:
        True if a fact grants it, False if the facts mention it but only deny it, None if no fact mentions it.
    """
    answer: bool | None = None
    for segment in _segments(known):
        for m in found(pattern, segment):
            if not is_denied(segment, *m.span(), known.language):
                return True
            answer = False
    return answer


def _segments(known: Known) -> Iterator[str]:
    """Yield the parts of all sentences of the facts, cut so that a denial applies only to its own part (see `cut`)."""
    for sentence in known.sentences:
        yield from (text for _, text in cut(sentence.text, known.language))


def _opposites(clause: Clause, known: Known) -> Iterator[Span]:
    """Yield ("reversed", start, end) of phrases in a clause that the facts lack, while they have the opposite phrase.

    The pairs of opposite phrases are listed in reply_rules.*.yaml.
    """
    if clause.denies:
        return
    for one, other in rules(known.language).opposites:
        if re.search(one, known.lower, re.I) and not re.search(other, known.lower, re.I):
            for m in found(other, clause.text):
                yield "reversed", *m.span()


def _reversals(text: str, known: Known) -> Iterator[Span]:
    """Yield ("reversed", 0, length of the text) if a text affirms something that the facts only deny.

    It does if it denies nothing and has two content words that the facts only deny, or if it says that something is
    included which the facts deny or name as an exception.
    """
    file = rules(known.language)
    counted_in = re.search(file.includes, text, re.I)
    rest = re.sub(file.includes, " ", text, flags=re.I)
    if re.search(file.negates, rest, re.I):
        return
    denied, apart = _denied(known)
    said = known.words.telling(rest)
    if len(said & denied) >= _LEAST or (counted_in and said & (denied | apart)):
        yield "reversed", 0, len(text)


def _is_turned(text: str, known: Known) -> bool:
    """Return True if a text resembles a part of a fact but says the opposite of it (see `_differ`)."""
    if re.search(rules(known.language).perhaps, text, re.I):
        return False
    said = known.words.telling(text)
    likeness = [(_dice(said, known.words.telling(fact), known), fact) for fact in _segments(known)]
    best = max((share for share, _ in likeness), default=0.0)
    near = [fact for share, fact in likeness if share >= max(_ALIKE, best - _NEAR)]
    shared = max((len(said & known.words.telling(fact)) for fact in near), default=0)
    return (shared > _LEAST or best >= _SAME) and all(_differ(text, fact, known.language) for fact in near)


def _dice(one: frozenset[str], other: frozenset[str], known: Known) -> float:
    """Return the Dice coefficient of two sets of content words, 0 to 1, weighted by rarity."""
    weight = {word: known.rarity.get(word, 1.0) for word in one | other}
    total = sum(weight[word] for word in one) + sum(weight[word] for word in other)
    return 2 * sum(weight[word] for word in one & other) / total if total else 0.0


def _differ(text: str, fact: str, language: str) -> bool:
    """Return True if two similar texts contradict each other.

    They do if only one of them contains a denial, or if each has a different word of a pair in `sides` ("before",
    "after").
    """
    file = rules(language)
    bare = [re.sub(file.states_negative, " ", each, flags=re.I) for each in (text, fact)]
    denials = [len(list(found(file.parity, each))) % 2 for each in bare]
    restricted = [bool(re.search(file.restricts, each, re.I)) for each in (text, fact)]
    supposed = any(re.search(f"{file.supposes}|{file.sets_apart}", each, re.I) for each in (text, fact))
    if denials[0] != denials[1] and restricted[0] == restricted[1] and not supposed:
        return True
    return any(
        _has(one, fact) and _has(other, text) and not _has(other, fact) and not _has(one, text)
        for pair in file.sides
        for one, other in (pair, pair[::-1])
    )


def _has(pattern: str, text: str) -> bool:
    return bool(re.search(pattern, text, re.I))


def _denied(known: Known) -> tuple[frozenset[str], frozenset[str]]:
    """Return the content words that the facts only deny, and those that the facts only name as exceptions."""
    no, apart, yes = set[str](), set[str](), set[str]()
    file = rules(known.language)
    for segment in _segments(known):
        for word, place in known.words.tokens(segment):
            denied = is_denied(segment, place, place + 1, known.language)
            (apart if denied and re.search(file.sets_apart, segment, re.I) else no if denied else yes).add(word)
    return frozenset(no - yes - apart), frozenset(apart - yes)


def _beginnings(sentence: Sentence, known: Known) -> Iterator[Span]:
    """Yield ("role", start, end) of the event that starts a period, if the facts do not let the period start with it.

    For example, the reply says "30 days from delivery", but the facts say "30 days from purchase" or name no such
    event.
    """
    rule = [fact for fact in known.sentences if not any(n.kind == DATE for n in fact.numbers)]
    named = {event for fact in rule for event, _, _ in _events(fact.text, known, exact=False)}
    for event, start, end in _events(sentence.text, known):
        if event not in named:
            if not known.holds(sentence.text[start:end]):  # unlike facts about one order or a calculated date
                yield "role", start, end
            continue
        near = [n for n in sentence.numbers if n.kind == "time" and -40 <= n.start - start <= 40]
        facts = [fact for fact in rule for n in near for m in fact.numbers if equal(n, m, known.language)]
        begun = {other for fact in facts for other, _, _ in _events(fact.text, known)}
        said = {other for other, _, _ in _events(sentence.text, known)}
        if begun and not begun & said:
            yield "role", start, end


def _events(text: str, known: Known, *, exact: bool = True) -> Iterator[Span]:
    """Yield (event, start, end) of the events in a text that may start a period, such as "delivery".

    Args:
        text: The text.
        known: The facts; only their language is used.
        exact: True to yield only events beside a word that marks a start ("from", "after"); False to yield all.
    """
    file = rules(known.language)
    for event, name in file.begun_with.items():
        pattern = f"(?:{file.begins})(?:{name})(?:{file.begins_behind})" if exact else name
        for m in found(pattern, text):
            yield event, *m.span()
