"""Checks a reply's statements in words against the facts, for `replies.check_reply`.

It finds actions, commitments, waivers, contacts and other people that no fact mentions, and text that obeys
instructions in the customer's message. "Content words" in this module are words that carry meaning, as normalised by
`reply_words`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from shopbatch.grounding.reply_facts import Known, Sentence
from shopbatch.grounding.reply_words import Words
from shopbatch.text.injection import is_injection
from shopbatch.text.letters import LATIN

_SPACES = re.compile(r"[\s()/.-]+")
_SHORTEST = {"en": 3, "zh": 5}  # words (Chinese: characters) shared with an instruction: an echo
_WORD = re.compile(r"[a-z0-9'’]+|[\u3400-\u9fff]")

_LEAST_TELLING = {"en": 5, "zh": 7}  # higher in Chinese, where unlisted words count as several pairs of characters
_LEAST_KNOWN = {"en": 0.25, "zh": 0.15}
_CAPITALS = re.compile(rf"(?<![{LATIN}])[A-ZÀ-ÖØ-Þ]{{4,}}(?![a-zß-öø-ÿ])|(?<![{LATIN}])[A-Z]{{2,}}[-_]?[A-Z\d]*\d+")

Span = tuple[str, int, int]


def claims(sentence: Sentence, question: str, known: Known) -> Iterator[Span]:
    """Yield (kind, start, end) of the claims in a sentence that the facts do not back.

    Args:
        sentence: A sentence of the reply; the positions are relative to its start.
        question: The customer's message.
        known: The facts.
    """
    yield from _acts(sentence, known)
    yield from _commitments(sentence, known)
    yield from _waivers(sentence, known)
    yield from _contacts(sentence, known)
    yield from _others(sentence, question, known)
    yield from unbacked(sentence, question, known)
    for m in known.words.patterns["self"].finditer(sentence.text):
        yield "echo", *m.span()


def _found(sentence: Sentence, name: str, known: Known) -> Iterator[re.Match[str]]:
    """Yield the matches of the pattern `name` of replies.*.yaml in a sentence."""
    for m in known.words.patterns[name].finditer(sentence.text):
        if m[0].strip():
            yield m


def _clause(text: str, place: int, ends: str = ".;!?。；！？") -> str:
    """Return the part of a clause from its beginning to the position `place`; any character of `ends` ends a clause."""
    return re.split(rf"[{ends}]", text[:place])[-1]


def _acts(sentence: Sentence, known: Known) -> Iterator[Span]:
    """Yield ("act", start, end) of statements that something was done ("we have refunded") which no fact confirms.

    Conditions and future actions ("once we have refunded") are left out.
    """
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
    """Return True if a fact reports the event that a passive statement ("was sent") states.

    The fact must share a content word with the statement (synonyms count as the same word).

    Args:
        m: Match of the statement in the sentence.
        sentence: A sentence of the reply.
        known: The facts.
    """
    verb = next((word for name, word in m.groupdict().items() if word and name.startswith("verb")), m[0])
    done = known.words.telling(verb) or known.words.telling(m[0])
    clause = re.split(r"[，。；！？]", sentence.text[m.start() :])[0] if known.language == "zh" else ""
    done |= known.words.telling(clause)
    events = (fact.words for fact in known.sentences if _is_event(fact, known))
    stated = (known.words.telling(p[0]) for s in known.sentences for p in _found(s, "passive", known))
    return any(done & words for words in (*events, *stated))


def _is_event(fact: Sentence, known: Known) -> bool:
    """Return True if a fact reports a past event with a date or an order number, and is not a general rule."""
    past = known.words.file.past
    return bool(re.search(past, fact.text, re.I)) and any(n.kind in ("date", "order") for n in fact.numbers)


def _commitments(sentence: Sentence, known: Known) -> Iterator[Span]:
    """Yield ("commitment", start, end) of promises of future actions ("we will call you") that no fact contains.

    In sentences about the future, also yield days ("tomorrow") that no fact contains.
    """
    for m in _found(sentence, "commitment", known):
        if not known.holds(m[0]) and not _is_backed(sentence.text, m, known):
            yield "commitment", *m.span()
    if not known.words.patterns["future"].search(sentence.text):
        return
    for m in _found(sentence, "day", known):
        if not known.holds(m[0]):
            yield "commitment", *m.span()


def _is_backed(text: str, m: re.Match[str], known: Known) -> bool:
    """Return True if the facts have all content words of the commitment's clause, and the sentence names no day.

    Args:
        text: The sentence.
        m: Match of the commitment in `text`.
        known: The facts.
    """
    telling = known.words.telling(m[0] + re.split(r"[.;,!?。；，！？]", text[m.end() :])[0])
    return bool(telling) and telling <= known.all_words and not known.words.patterns["day"].search(text)


def _waivers(sentence: Sentence, known: Known) -> Iterator[Span]:
    """Yield ("waiver", start, end) of concessions that no fact contains ("we waive the fee", "you need not ...").

    Also yield ("unbacked", start, end) of strong words ("guaranteed", "unlimited") that no fact contains.
    """
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
    """Return the content words of all facts that demand something of the customer, such as a receipt or a fee."""
    asks = known.words.file.asks_for
    return frozenset(w for fact in known.sentences if re.search(asks, fact.text, re.I) for w in fact.words)


def _frees(fact: Sentence, known: Known) -> bool:
    """Return True if a fact says without a condition that something is not needed or not due."""
    file = known.words.file
    return bool(re.search(file.negates, fact.text, re.I)) and not re.search(file.only, fact.text, re.I)


def _contacts(sentence: Sentence, known: Known) -> Iterator[Span]:
    """Yield ("contact", start, end) of mail addresses, phone numbers and channels that the facts do not contain."""
    there = _SPACES.sub("", known.lower)
    for m in _found(sentence, "contact", known):
        if _SPACES.sub("", m[0].lower()) not in there:
            yield "contact", *m.span()


def _others(sentence: Sentence, question: str, known: Known) -> Iterator[Span]:
    """Yield ("other_customer", start, end) of other customers and their orders, and of unknown names of persons.

    Other customers may be mentioned if a fact has the same words. A name is unknown if neither the facts nor the
    question contain it.
    """
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
    """Yield ("unbacked", start, end) if a whole sentence shares hardly any content word with the facts.

    Short sentences are not judged. But if the question gives instructions to the writer of the reply (`gives_orders`),
    a sentence of any length without a shared word is yielded. Also yield ("echo", start, end) of words in capitals that
    are not in the facts.

    Args:
        sentence: A sentence of the reply.
        question: The customer's message.
        known: The facts.
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
    """Return True if a customer's message tells the writer of the reply what to write (prompt injection).

    Instructions in s p a c e d letters are found too.
    """
    closed_up = re.sub(r"(?<=\b\w) (?=\w\b)", "", question)
    return is_injection(question) or any(re.search(words.file.asks, text, re.I) for text in (question, closed_up))


def echoes(reply: str, question: str, known: Known) -> Iterator[Span]:
    """Yield ("echo", start, end) of parts of a reply that obey instructions in the customer's message.

    If the message gives no instructions (`gives_orders`), nothing is yielded. Else the parts are: text that the message
    puts in quotation marks, and the first long run of words that reply and message share; both only if no fact has
    them.

    Args:
        reply: The reply.
        question: The customer's message.
        known: The facts.
    """
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
