"""What a reply claims in words: acts, commitments, waivers, contacts, other people, the prompt itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shopbatch.grounding.reply_facts import Known, Sentence
from shopbatch.grounding.reply_words import Words
from shopbatch.text.injection import is_injection
from shopbatch.text.letters import LATIN

_SPACES = re.compile(r"[\s()/.-]+")
_SHORTEST = {"en": 3, "zh": 5}  # words (Chinese: characters) that a reply must share with an order to have obeyed it
_WORD = re.compile(r"[a-z0-9'’]+|[\u3400-\u9fff]")

_LEAST_TELLING = {"en": 5, "zh": 7}  # Chinese words without a group count as pairs of characters, which are more
_LEAST_KNOWN = {"en": 0.25, "zh": 0.15}
_CAPITALS = re.compile(rf"(?<![{LATIN}])[A-ZÀ-ÖØ-Þ]{{4,}}(?![a-zß-öø-ÿ])|(?<![{LATIN}])[A-Z]{{2,}}[-_]?[A-Z\d]*\d+")

Span = tuple[str, int, int]


def claims(sentence: Sentence, question: str, known: Known) -> Iterator[Span]:
    """Yield kind, start and end (in the sentence) of claims that the facts do not back."""
    yield from _acts(sentence, known)
    yield from _commitments(sentence, known)
    yield from _waivers(sentence, known)
    yield from _contacts(sentence, known)
    yield from _others(sentence, question, known)
    yield from unbacked(sentence, question, known)
    for m in known.words.patterns["self"].finditer(sentence.text):
        yield "echo", *m.span()


def _found(sentence: Sentence, name: str, known: Known) -> Iterator[re.Match[str]]:
    for m in known.words.patterns[name].finditer(sentence.text):
        if m[0].strip():
            yield m


def _clause(text: str, place: int, ends: str = ".;!?。；！？") -> str:
    """What stands before a place in its clause."""
    return re.split(rf"[{ends}]", text[:place])[-1]


def _acts(sentence: Sentence, known: Known) -> Iterator[Span]:
    """What the shop has done, unless the facts say so, or the sentence only supposes it."""
    supposed = known.words.file.subjunctive
    for m in _found(sentence, "act", known):
        before = _clause(sentence.text, m.start(), ".,;!?。，；！？")
        if not re.search(supposed, before, re.I) and not known.holds(m[0]):
            yield "act", *m.span()
    for m in _found(sentence, "passive", known):
        happened = known.holds(m[0]) or _has_happened(m, sentence, known)
        if not happened and not re.search(supposed, _clause(sentence.text, m.start()), re.I):
            yield "act", *m.span()


def _has_happened(m: re.Match[str], sentence: Sentence, known: Known) -> bool:
    """Whether a fact says that something has happened with the same word."""
    verb = next((word for name, word in m.groupdict().items() if word and name.startswith("verb")), m[0])
    done = known.words.telling(verb) or known.words.telling(m[0])
    clause = re.split(r"[，。；！？]", sentence.text[m.start() :])[0] if known.language == "zh" else ""
    done |= known.words.telling(clause)
    events = (fact.words for fact in known.sentences if _is_event(fact, known))
    stated = (known.words.telling(p[0]) for s in known.sentences for p in _found(s, "passive", known))
    return any(done & words for words in (*events, *stated))


def _is_event(fact: Sentence, known: Known) -> bool:
    """Whether a fact tells what has happened to one order or on one day, and not the rule for all."""
    past = known.words.file.past
    return bool(re.search(past, fact.text, re.I)) and any(n.kind in ("date", "order") for n in fact.numbers)


def _commitments(sentence: Sentence, known: Known) -> Iterator[Span]:
    """What somebody will do, and on which day, unless the facts say so."""
    for m in _found(sentence, "commitment", known):
        if not known.holds(m[0]) and not _is_backed(sentence.text, m, known):
            yield "commitment", *m.span()
    if not known.words.patterns["future"].search(sentence.text):
        return
    for m in _found(sentence, "day", known):
        if not known.holds(m[0]):
            yield "commitment", *m.span()


def _is_backed(text: str, m: re.Match[str], known: Known) -> bool:
    """Whether all telling words of a commitment's clause are words of the facts."""
    telling = known.words.telling(m[0] + re.split(r"[.;,!?。；，！？]", text[m.end() :])[0])
    return bool(telling) and telling <= known.all_words and not known.words.patterns["day"].search(text)


def _waivers(sentence: Sentence, known: Known) -> Iterator[Span]:
    """What a customer is let off, unless the facts say so."""
    for m in _found(sentence, "waiver", known):
        telling = known.words.telling(m[0])
        stated = len(telling) > 1 and any(telling <= fact.words for fact in known.sentences)
        if not known.holds(m[0]) and not stated:
            yield "waiver", *m.span()
    file = known.words.file
    for m in _found(sentence, "unneeded", known):
        what = known.words.telling(f"{_clause(sentence.text, m.start(), ',;，；。')} {m['what'] or ''}")
        free = [fact.words for fact in known.sentences if _frees(fact, known)]
        due = what & (_due(known) | known.words.telling(file.dues)) - known.words.telling(file.granted_free)
        if due and not any(due & words for words in free):
            yield "waiver", *m.span()
    allowed = [fact.words for fact in known.sentences if re.search(file.permits, fact.text, re.I)]
    due_words = _due(known) | known.words.telling(file.dues)
    refuses = re.search(file.declines, sentence.text, re.I)
    for m in _found(sentence, "soft", known):
        if refuses or not (sentence.numbers or sentence.words & due_words or re.search(file.late, sentence.text, re.I)):
            break
        backed = not sentence.words or any(sentence.words & words for words in allowed) or known.holds(m[0])
        if not backed:
            yield "waiver", *m.span()
    for m in _found(sentence, "strong", known):
        telling = known.words.telling(m[0])
        if not (telling and telling <= known.all_words) and not known.holds(m[0]):
            yield "unbacked", *m.span()


def _due(known: Known) -> frozenset[str]:
    """The telling words of what facts ask for."""
    asks = known.words.file.asks_for
    return frozenset(w for fact in known.sentences if re.search(asks, fact.text, re.I) for w in fact.words)


def _frees(fact: Sentence, known: Known) -> bool:
    """Whether a fact frees from something, without a condition."""
    file = known.words.file
    return bool(re.search(file.negates, fact.text, re.I)) and not re.search(file.only, fact.text, re.I)


def _contacts(sentence: Sentence, known: Known) -> Iterator[Span]:
    """Addresses, numbers and channels that the facts do not hold."""
    there = _SPACES.sub("", known.lower)
    for m in _found(sentence, "contact", known):
        if _SPACES.sub("", m[0].lower()) not in there:
            yield "contact", *m.span()


def _others(sentence: Sentence, question: str, known: Known) -> Iterator[Span]:
    """Other people and their orders."""
    for m in _found(sentence, "others", known):
        if not known.holds(m[0]):
            yield "other_customer", *m.span()
    words, asked = known.words, question.lower()
    usual = set(words.file.known_names.split())
    for m in re.finditer(words.file.names, sentence.text):
        parts = [part for part in m[0].lower().split() if not {part, part.removesuffix("s")} & usual]
        if any(part not in known.lower and part not in asked for part in parts):
            yield "other_customer", *m.span()


def unbacked(sentence: Sentence, question: str, known: Known) -> Iterator[Span]:
    """A sentence of which hardly a telling word stands in the facts, and words in capitals that do not.

    After a question that gives orders, one telling word in each sentence must be one of the facts.
    """
    words = known.words
    telling = [word for word, _ in words.tokens(sentence.text)]
    backed = known.all_words | words.courtesy | known.order_words
    said = backed | words.telling(question)
    share = sum(word in said for word in telling) / max(1, len(telling))
    ordered = gives_orders(question, words) and backed.isdisjoint(telling)
    strange = (
        not sentence.numbers
        and len(telling) >= _LEAST_TELLING[known.language]
        and share <= _LEAST_KNOWN[known.language]
    )
    if telling and (ordered or (strange and not re.search(words.file.feelings, sentence.text, re.I))):
        yield "unbacked", 0, len(sentence.text)
    for m in _CAPITALS.finditer(sentence.text):
        if not known.holds(m[0]) and m[0].lower() not in known.names:
            yield "echo", *m.span()


def gives_orders(question: str, words: Words) -> bool:
    """Whether a question tells the writer what to write, also with s p a c e s between its letters."""
    closed_up = re.sub(r"(?<=\b\w) (?=\w\b)", "", question)
    return is_injection(question) or any(re.search(words.file.asks, text, re.I) for text in (question, closed_up))


def echoes(reply: str, question: str, known: Known) -> Iterator[Span]:
    """Yield what a reply repeats of a question that gives orders, and no fact says."""
    if not gives_orders(question, known.words):
        return
    for quoted in re.findall(known.words.file.quoted, question):
        place = reply.lower().find(quoted.lower().strip(" .,!"))
        if place >= 0 and not known.holds(quoted):
            yield "echo", place, place + len(quoted.strip(" .,!"))
    least, asked = _SHORTEST[known.language], _joined(question.lower(), known.words)
    pieces = list(_WORD.finditer(reply.lower()))
    there = _joined(known.lower, known.words)
    for start in range(len(pieces)):
        for end in range(min(len(pieces), start + 12), start + least - 1, -1):
            part = _joined(reply.lower()[pieces[start].start() : pieces[end - 1].end()], known.words)
            if f" {part} " in f" {asked} " and f" {part} " not in f" {there} ":
                yield "echo", pieces[start].start(), pieces[end - 1].end()
                return


def _joined(text: str, words: Words) -> str:
    return " ".join(m[0].replace("’", "'") for m in _WORD.finditer(text))
