"""Whether a reply keeps the meaning of the facts: for whom they hold, what they grant and what they deny, and when."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shopbatch.grounding.reply_facts import Known, Sentence
from shopbatch.grounding.reply_numbers import DATE, equal
from shopbatch.grounding.reply_rules import Clause, clauses, cut, found, is_denied, rules

_STRANGE = 0.5  # share of an offer's words that no fact has, above which it is made up
_ALIKE, _SAME = 0.6, 0.8  # likeness (Dice) from which two parts of sentences say the same, and with two words or fewer
_NEAR = 0.15  # how much less alike other parts may be that say the same, too
_LEAST = 2  # telling words of an offer, and denied words of a clause that affirms them

Span = tuple[str, int, int]


def meaning(sentence: Sentence, question: str, known: Known) -> Iterator[Span]:
    """Yield kind, start and end of what a sentence of a reply says otherwise than the facts, or beyond them."""
    parts = list(cut(sentence.text, known.language))
    for clause in clauses(sentence.text, known.language):
        part = next((text for start, text in parts if start <= clause.start < start + len(text)), clause.text)
        denied = clause.denies or bool(re.search(rules(known.language).denies, part, re.I))
        for kind, first, last in _of_clause(clause, denied, question, known):
            yield kind, clause.start + first, clause.start + last
    yield from _of_segments(sentence, known)
    yield from _beginnings(sentence, known)


def _of_clause(clause: Clause, denied: bool, question: str, known: Known) -> Iterator[Span]:
    yield from _scopes(clause, denied, question, known)
    if clause.asserts:
        yield from _opposites(clause, known)
        for m in found(rules(known.language).blames, clause.text):
            if m[0].lower() not in known.lower and m[0].lower() not in question.lower():
                yield "blame", *m.span()


def _of_segments(sentence: Sentence, known: Known) -> Iterator[Span]:
    """What is granted, and what is affirmed, in the parts of a sentence that suppose nothing and refuse nothing."""
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
    """For whom, where, for what and by which channel something holds, if no fact says so.

    A question may bring in the goods and the place that it is about, and whatever the reply denies.
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
    """Whether the facts hold a name, or all its telling words."""
    telling = known.words.telling(name)
    return name in known.lower or (bool(telling) and telling <= known.all_words)


def _benefits(text: str, known: Known) -> Iterator[Span]:
    """What is granted and no fact grants."""
    for benefit in rules(known.language).benefits.values():
        said, wanted = (benefit, benefit) if isinstance(benefit, str) else (benefit.said, benefit.known)
        for m in found(said, text):
            if not is_denied(text, *m.span(), known.language):
                granted = _granted(wanted, known)
                if granted is not True:
                    yield "promise" if granted is None else "reversed", *m.span()


def _offers(text: str, known: Known) -> Iterator[Span]:
    """What is offered on top, in words of which hardly one is in the facts."""
    for m in found(rules(known.language).offers, text):
        telling = known.words.telling(text[m.end() :])
        strange = telling - known.all_words - known.words.courtesy
        if len(strange) >= _LEAST and len(strange) > _STRANGE * len(telling):
            yield "promise", m.start(), len(text)
            return


def _granted(pattern: str, known: Known) -> bool | None:
    """Whether a fact grants what a pattern stands for; False where facts only deny it, None where none speaks of it."""
    answer: bool | None = None
    for segment in _segments(known):
        for m in found(pattern, segment):
            if not is_denied(segment, *m.span(), known.language):
                return True
            answer = False
    return answer


def _segments(known: Known) -> Iterator[str]:
    for sentence in known.sentences:
        yield from (text for _, text in cut(sentence.text, known.language))


def _opposites(clause: Clause, known: Known) -> Iterator[Span]:
    """The opposite of what a fact says."""
    if clause.denies:
        return
    for one, other in rules(known.language).opposites:
        if re.search(one, known.lower, re.I) and not re.search(other, known.lower, re.I):
            for m in found(other, clause.text):
                yield "reversed", *m.span()


def _reversals(text: str, known: Known) -> Iterator[Span]:
    """A text that affirms what facts only deny: two telling words of it, or one that is counted in."""
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
    """Whether a text says the same as a part of a fact, and denies what that affirms, or has the other of two sides."""
    if re.search(rules(known.language).perhaps, text, re.I):
        return False
    said = known.words.telling(text)
    likeness = [(_dice(said, known.words.telling(fact), known), fact) for fact in _segments(known)]
    best = max((share for share, _ in likeness), default=0.0)
    near = [fact for share, fact in likeness if share >= max(_ALIKE, best - _NEAR)]
    shared = max((len(said & known.words.telling(fact)) for fact in near), default=0)
    return (shared > _LEAST or best >= _SAME) and all(_differ(text, fact, known.language) for fact in near)


def _dice(one: frozenset[str], other: frozenset[str], known: Known) -> float:
    weight = {word: known.rarity.get(word, 1.0) for word in one | other}
    total = sum(weight[word] for word in one) + sum(weight[word] for word in other)
    return 2 * sum(weight[word] for word in one & other) / total if total else 0.0


def _differ(text: str, fact: str, language: str) -> bool:
    """Whether one of two like texts denies what the other affirms, or has the other of two sides."""
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
    """The telling words that stand only where a fact denies something, and those only where it sets something apart."""
    no, apart, yes = set[str](), set[str](), set[str]()
    file = rules(known.language)
    for segment in _segments(known):
        for word, place in known.words.tokens(segment):
            denied = is_denied(segment, place, place + 1, known.language)
            (apart if denied and re.search(file.sets_apart, segment, re.I) else no if denied else yes).add(word)
    return frozenset(no - yes - apart), frozenset(apart - yes)


def _beginnings(sentence: Sentence, known: Known) -> Iterator[Span]:
    """An event that a span of time begins with, and no fact names; or another than that of the same number."""
    rule = [fact for fact in known.sentences if not any(n.kind == DATE for n in fact.numbers)]
    named = {event for fact in rule for event, _, _ in _events(fact.text, known, exact=False)}
    for event, start, end in _events(sentence.text, known):
        if event not in named:
            if not known.holds(sentence.text[start:end]):  # a fact about one order, or a day that was reckoned
                yield "role", start, end
            continue
        near = [n for n in sentence.numbers if n.kind == "time" and -40 <= n.start - start <= 40]
        facts = [fact for fact in rule for n in near for m in fact.numbers if equal(n, m, known.language)]
        begun = {other for fact in facts for other, _, _ in _events(fact.text, known)}
        said = {other for other, _, _ in _events(sentence.text, known)}
        if begun and not begun & said:
            yield "role", start, end


def _events(text: str, known: Known, *, exact: bool = True) -> Iterator[Span]:
    file = rules(known.language)
    for event, name in file.begun_with.items():
        pattern = f"(?:{file.begins})(?:{name})(?:{file.begins_behind})" if exact else name
        for m in found(pattern, text):
            yield event, *m.span()
