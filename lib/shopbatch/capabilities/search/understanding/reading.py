"""Reads what a query demands and excludes: finds the scope of words such as "without", "with" and "preferably"."""

from __future__ import annotations

from dataclasses import dataclass, field

from shopbatch.capabilities.search.understanding.need import Constraint
from shopbatch.capabilities.search.understanding.values import Phrase
from shopbatch.capabilities.search.understanding.vocabulary import HAN
from shopbatch.capabilities.search.understanding.words import listed

_LISTING = frozenset("、/&+")
_COMMA = frozenset(",，")
_STOPS = frozenset(",，.。;；!！?？\n")
_ONLY_EQUAL = ("season", "gender", "age", "size")  # never excluded: "not for kids" demands nothing
_FLIPPED = {"<=": ">=", ">=": "<="}


@dataclass
class Reading:
    """The constraints and scopes read from a query's tokens, filled from left to right.

    Attributes:
        constraints: The constraints, including the types that are asked for.
        used: Indexes of the tokens inside the scope of a word that excludes or demands.
        excluded: Indexes of the tokens that name something excluded.
        soft: Indexes of the tokens that express a preference ("preferably") or indifference ("is fine").
    """

    constraints: list[Constraint] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    excluded: set[int] = field(default_factory=set)
    soft: set[int] = field(default_factory=set)


def read(phrase: Phrase) -> Reading:
    """Read the constraints of a query: its values and numbers, and the scopes of words that exclude or demand."""
    reading, tokens = Reading(), phrase.tokens
    _find_soft(phrase, reading)
    for at, token in enumerate(tokens):
        if at in reading.used or at in reading.soft:
            continue
        if token.has("exclude_after") and _nothing_follows(phrase, at) and _exclude_before(phrase, at, reading):
            continue
        if token.has("exclude") or token.has("exclude_value"):
            if (end := _question_ends(phrase, at)) == at:
                Scope(phrase, at, "!=", reading).read()
            elif token.text in ("除了", "除"):
                reading.soft.update(range(at, end))
        elif token.has("demand") and not _ends_word(phrase, at):
            Scope(phrase, at, "=", reading).read()
    alternatives = _alternatives(phrase, reading)
    for at, token in enumerate(tokens):
        if at in reading.used or at in alternatives:
            continue
        if token.measure is not None and at not in reading.soft:
            reading.constraints += token.measure.constraints
        for kind, value in phrase.values[at]:
            is_of_part = kind in ("colour", "material") and phrase.is_part(at + 1)
            if not is_of_part and (kind == "type" or at not in reading.soft):
                reading.constraints.append(Constraint(kind, "=", value, token.start, token.end))
    return reading


def _ends_word(phrase: Phrase, at: int) -> bool:
    """Return True if 带 ("with") is only the last character of another word, such as 绑带."""
    return phrase.adjoining(at) and phrase.tokens[at - 1].is_word and bool(HAN.match(phrase.tokens[at].text))


def _find_soft(phrase: Phrase, reading: Reading) -> None:
    """Mark mere preferences: the words after "preferably" in a clause, and the words before "is fine"."""
    tokens = phrase.tokens
    for at, token in enumerate(tokens):
        if token.has("soft"):
            end = at + 1
            while end < len(tokens) and not _ends_clause(phrase, end):
                end += 1
            if any(tokens[i].has("exclude") for i in range(at + 1, end)):
                continue
            reading.soft.update(range(at, end))
        if token.has("soft_after") and not (token.has("soft") and at + 1 < len(tokens) and not tokens[at + 1].sign):
            begin = at
            while begin > 0 and not _ends_clause(phrase, begin - 1):
                begin -= 1
            if not any(tokens[i].has("exclude") or tokens[i].has("exclude_value") for i in range(begin, at)):
                reading.soft.update(range(begin, at + 1))


def _ends_clause(phrase: Phrase, at: int) -> bool:
    token = phrase.tokens[at]
    return token.sign in _STOPS if token.sign else token.text in ("but", "但", "但是")


def _question_ends(phrase: Phrase, at: int) -> int:
    """Return where a question that excludes nothing ends, such as 没有 ... 吗 ("do you not have ...?"); else `at`."""
    tokens, text = phrase.tokens, phrase.tokens[at].text
    end = at + 1
    while end < len(tokens) and not (tokens[end].sign and tokens[end].sign in _STOPS):
        end += 1
    clause = "".join(t.text for t in tokens[at + 1 : end])
    asks = text in ("没有", "没") and any(word in clause for word in ("吗", "么"))
    more = text in ("除了", "除") and any(words in clause for words in ("还有", "哪些", "什么颜色"))
    return end if asks or more else at


def _nothing_follows(phrase: Phrase, at: int) -> bool:
    """Return True if nothing that could be excluded follows the token."""
    tokens = phrase.tokens
    if at + 1 == len(tokens):
        return True
    following = tokens[at + 1]
    gap = bool(HAN.match(tokens[at].text)) and not phrase.adjoining(at + 1) and phrase.adjoining(at)
    return gap or bool(following.sign) or following.text in ("的", "吧", "了", "哦", "啊", "就行", "呢")


def _exclude_before(phrase: Phrase, at: int, reading: Reading) -> bool:
    """Exclude the words right before the token `at` ("sugar" before "free"); returns True if there are any."""
    tokens, items, flipped = phrase.tokens, [], []
    begin = at
    for back in range(at - 1, -1, -1):
        token = tokens[back]
        if (token.sign and token.sign not in _LISTING) or back in reading.used:
            break
        if token.has("exclude") or token.has("exclude_value"):
            return False
        if token.measure is not None:
            flipped.append(back)
        elif phrase.late[back] or token.is_word:
            items.append(back)
        elif not token.sign and not (token.has("filler") or token.has("also") or token.has("stop")):
            break
        begin = back
        if HAN.match(token.text) and items and not phrase.adjoining(back):
            break
    for back in flipped:
        _flip(phrase, back, reading, at)
    valued = [i for i in items if phrase.late[i]]
    for back in valued or items:
        _add(phrase, back, "!=", reading)
    if items or flipped:
        reading.used.update(range(begin, at + 1))
    return bool(items or flipped)


def _flip(phrase: Phrase, at: int, reading: Reading, trigger: int) -> None:
    """Add the opposite of an excluded bound: "nothing under 50" becomes `price>=50`.

    The constraint's place covers the excluding word (token `trigger`) and the bound (token `at`).
    """
    measure, word = phrase.tokens[at].measure, phrase.tokens[trigger]
    for c in measure.constraints if measure is not None else ():
        if c.op in _FLIPPED:
            start, end = min(c.start, word.start), max(c.end, word.end)
            reading.constraints.append(Constraint(c.kind, _FLIPPED[c.op], c.value, start, end, c.currency))
    reading.used.add(at)


def _add(phrase: Phrase, at: int, op: str, reading: Reading) -> None:
    token = phrase.tokens[at]
    for kind, value in phrase.late[at] or (("contains", token.text),):
        if op == "=" or kind not in _ONLY_EQUAL:
            reading.constraints.append(Constraint(kind, op, value, token.start, token.end))
    if op == "!=":
        reading.excluded.add(at)


def _alternatives(phrase: Phrase, reading: Reading) -> set[int]:
    """Return the tokens of alternatives of one kind ("red or blue"), which demand nothing since any of them will do."""
    out: set[int] = set()
    tokens = phrase.tokens
    for at in range(1, len(tokens) - 1):
        if not (tokens[at].has("either") or tokens[at].sign == "/") or {at - 1, at + 1} & reading.used:
            continue
        left, right = _kinds(phrase, at - 1), _kinds(phrase, at + 1)
        if left & right:
            out |= {at - 1, at + 1}
            back = at - 2
            while back > 0 and tokens[back].sign in _COMMA | _LISTING and _kinds(phrase, back - 1) & left:
                out.add(back - 1)
                back -= 2
    return out


def _kinds(phrase: Phrase, at: int) -> set[str]:
    measure = phrase.tokens[at].measure
    of_measure = {c.kind for c in measure.constraints} if measure is not None else set()
    return {kind for kind, _ in phrase.values[at]} | of_measure


@dataclass
class Scope:
    """The scope of one word that excludes ("without") or demands ("with"): the words that it applies to.

    Attributes:
        phrase: The query.
        trigger: Index of that word's token.
        op: "!=" if the word excludes, "=" if it demands.
        reading: The result for the whole query; the scope adds its constraints to it.
        words: Indexes of the tokens of the feature that is being collected.
        last: Index of the last token in the scope that is a value, -1 for none.
        items: How many values and features the scope has so far.
    """

    phrase: Phrase
    trigger: int
    op: str
    reading: Reading
    words: list[int] = field(default_factory=list)
    last: int = -1
    items: int = 0

    def read(self) -> None:
        """Read token after token until the scope ends, and add its constraints to `reading`."""
        self.reading.used.add(self.trigger)
        at = self.trigger + 1
        while at < len(self.phrase.tokens) and self._take(at):
            at += 1
        self._end_feature()

    @property
    def _values_only(self) -> bool:
        return self.op == "!=" and not self.phrase.tokens[self.trigger].has("exclude")

    @property
    def _of_part(self) -> bool:
        return self.phrase.tokens[self.trigger].has("of_part")

    def _take(self, at: int) -> bool:
        """Add one token to the scope if it belongs to it; returns True if the scope continues after it."""
        token = self.phrase.tokens[at]
        if at in self.reading.used or (token.has("neutral") and not self.phrase.values[at]):
            return False
        if token.measure is not None:
            if self.op == "!=" and not self.items and not self.words:
                _flip(self.phrase, at, self.reading, self.trigger)
            return False
        if token.sign or (token.has("also") and (self.items or self.words)):
            return self._go_on(at)
        if self._blank_ends(at):
            return False
        if not self.items and not self.words and (token.has("filler") or token.has("demand")):
            self.reading.used.add(at)
            return True
        if token.has("exclude") or token.has("exclude_after") or token.has("exclude_value"):
            return False
        if self.phrase.is_part(at):
            return self._part(at)
        if self.phrase.late[at]:
            return self._value(at)
        return self._word(at)

    def _blank_ends(self, at: int) -> bool:
        """Return True if a space between Chinese words ends the scope before this token."""
        has_any = bool(self.items or self.words)
        return has_any and not self.phrase.adjoining(at) and bool(HAN.search(self.phrase.tokens[at - 1].text))

    def _word(self, at: int) -> bool:
        """Handle a token that is no known value; returns True if the scope continues after it."""
        token = self.phrase.tokens[at]
        if token.has("end") and not self._is_inside(at):
            return False
        if token.text in listed("qualities") and not self._is_inside(at):
            self.words = []
            return False
        if self.phrase.is_word(at) and (self.last < 0 or self._joined(at)):
            if self._values_only and not token.has("substances"):
                return False
            self.words.append(at)
            return True
        if token.has("filler") and not self.words:
            self.reading.used.add(at)
            return True
        is_small = token.has("stop") or token.has("vague")
        if is_small and self._is_inside(at) and self.last < 0 and not self._values_only:
            self.words.append(at)
            return True
        return False

    def _is_inside(self, at: int) -> bool:
        """Return True if the token is in the middle of a feature's name, which the next token continues."""
        tokens = self.phrase.tokens
        if at + 1 >= len(tokens) or not (self.phrase.is_word(at + 1) or self.phrase.is_part(at + 1)):
            return False
        if HAN.match(tokens[at].text):
            return len(tokens[at].text) > 1 and self.phrase.adjoining(at + 1) and bool(self.words)
        return tokens[at].text not in ("and", "or", "but", "for", "with", "that", "which", "in", "is", "are", "please")

    def _part(self, at: int) -> bool:
        if self._values_only:
            return False
        self.words.append(at)
        return True

    def _value(self, at: int) -> bool:
        phrase, kind = self.phrase, self.phrase.late[at][0][0]
        if kind == "type":
            return self._type(at)
        goes_on = at + 1 < len(phrase.tokens) and (
            phrase.is_part(at + 1) or (phrase.tokens[at + 1].is_word and not self._values_only and self._noun(at + 1))
        )
        if kind in ("colour", "material") and (goes_on or self.words) and not self._values_only:
            self.words.append(at)  # "without black soles": the feature is the whole phrase
            return True
        self._end_feature()
        if self.last >= 0 and not self._joined(at):
            return False
        self.items += 1
        self.last = at
        self.reading.used.add(at)
        _add(phrase, at, self.op, self.reading)
        return True

    def _noun(self, at: int) -> bool:
        """Return True if an unknown word is a noun that ends a feature's name, and no adjective before a type."""
        tokens = self.phrase.tokens
        if HAN.match(tokens[at].text) and not self.phrase.adjoining(at):
            return False
        return not (at + 1 < len(tokens) and self.phrase.late[at + 1])

    def _type(self, at: int) -> bool:
        """Handle a type of product in the scope ("with a hat", "no bags"); returns True if the scope continues."""
        if self.words or (self.items and not self._joined(at)):
            return False
        if self._of_part and self.op == "!=":
            self.words.append(at)
            return True
        if self.op == "=":
            self.reading.used.add(at)  # "to wear with jeans": neither a part nor the wanted type
            return False
        self.items += 1
        self.last = at
        self.reading.used.add(at)
        _add(self.phrase, at, self.op, self.reading)
        return True

    def _joined(self, at: int) -> bool:
        before = self.phrase.tokens[at - 1]
        return bool(before.sign) or before.has("also") or before.has("filler") or at - 1 == self.trigger

    def _go_on(self, at: int) -> bool:
        """Return True if the scope continues after punctuation or a joining word such as "and"."""
        token = self.phrase.tokens[at]
        if not self.items and not self.words:
            return token.sign in ('"', "'", ":", "：", "“", "”", "-")
        if token.sign == "-" and self.words:
            return True
        if token.sign and token.sign not in _LISTING | _COMMA:
            return False
        if at + 1 >= len(self.phrase.tokens) or not self._alike(at):
            return False
        self._end_feature()
        self.reading.used.add(at)
        return True

    def _alike(self, at: int) -> bool:
        """Return True if the words after a joining word continue the list before it ("no red or blue")."""
        tokens, sign = self.phrase.tokens, self.phrase.tokens[at].sign
        following = at + 1
        if tokens[following].has("also"):
            following += 1
        while following < len(tokens) and tokens[following].text in ("a", "an", "the", "any"):
            following += 1
        if following >= len(tokens):
            return False
        kinds = {kind for kind, _ in self.phrase.late[following]}
        is_feature = tokens[following].is_word or self.phrase.is_part(following)
        if sign in _COMMA and tokens[at + 1] is tokens[following]:
            ends = following + 1 >= len(tokens) or tokens[following + 1].sign or tokens[following + 1].has("also")
            listing = following + 1 < len(tokens) and self._list_ends(following + 1)
            return bool(ends and listing and (self._same(kinds) if self.last >= 0 else is_feature))
        if self.last >= 0:
            mixed = kinds and kinds <= {"material", "colour", "brand"} and tokens[at].text != "and"
            return self._same(kinds) or bool(mixed) or (is_feature and tokens[at].has("either"))
        return is_feature or bool(kinds and "type" not in kinds and tokens[at].text != "and")

    def _same(self, kinds: set[str]) -> bool:
        return bool(kinds & {kind for kind, _ in self.phrase.late[self.last]})

    def _list_ends(self, at: int) -> bool:
        """Return True if a list with commas ends in "or" or "and" within its clause and the next 8 tokens."""
        tokens = self.phrase.tokens
        for i in range(at, min(at + 8, len(tokens))):
            if tokens[i].has("also"):
                return True
            if tokens[i].sign in _STOPS - _COMMA - {""}:
                return False
        return False

    def _end_feature(self) -> None:
        if self.words:
            pieces = [self.phrase.tokens[at] for at in self.words]
            text = "".join((" " if i and p.start > pieces[i - 1].end else "") + p.text for i, p in enumerate(pieces))
            self.reading.constraints.append(Constraint("contains", self.op, text, pieces[0].start, pieces[-1].end))
            self.reading.used.update(self.words)
            if self.op == "!=":
                self.reading.excluded.update(self.words)
            self.items += 1
        self.words = []
