"""The allow-list check of product copy: finds words that neither the product's facts nor the lexicon allow.

A word is allowed if it is in the product's facts, if the lexicon allows it for the product's group (such as shoes), or
if it is a free word, which states nothing. `check.py` runs this check first: because it lists what is allowed instead
of what is forbidden, it also finds claims that nobody thought of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.grounding import standing
from shopbatch.grounding.facts import NAMES, answer, denials, entry_name, said, statements
from shopbatch.grounding.lexicon import ANYTHING, Goods, Lexicon, Phrase, is_chinese, lexicon, phrase_of, stem, words_of
from shopbatch.text.expand import expand
from shopbatch.text.quantities import fold_width

_LONGEST_FACT = 8  # longest part of a Chinese fact that is allowed by itself, in characters
# words that may follow a size from the facts: 180 cm long
_MEASURED = frozenset(map(stem, ("long", "wide", "high", "tall", "deep", "thick", "across", "x", "each", "diameter")))
# words that deny the claim of their clause
_NO = re.compile(
    r"\b(?:not|no|without|non|never|cannot|avoid|unsuitable|other than|free)\b|n['’]t\b|[不没无非否勿别未]", re.I
)
_NOS = ("no", "none", "false", "否", "无", "没有", "不支持")
# parts of an attribute's name that do not name the property: `Dishwasher safe`
_ABLE = re.compile(r"\b(?:safe|suitable|friendly|for|in|the|with)\b", re.I)
_ABLE_ZH = re.compile(r"^(?:是否|可否|支持|适用|带有?|含)|(?:适用|可用|支持|功能|与否)$")
_CLAUSE_END = re.compile(r"[.!?;,\n。！？；，](?!\d)|[:：](?!\d|\s*(?:no|none|not)\b|\s*[否无不没])", re.I)
_LATIN = re.compile(r"[A-Za-zÀ-ɏ0-9][A-Za-zÀ-ɏ0-9'’+./&-]*")
_HAN_RUN = re.compile(r"[\u3400-\u9fff]+")


@dataclass(frozen=True)
class Unbacked:
    """A part of product copy that neither the facts nor the lexicon allow.

    Attributes:
        start: Start of the part in the text, in characters.
        end: End of the part (exclusive).
        against: The fact that the words contradict, such as "colour: navy"; "" if there is none.
    """

    start: int
    end: int
    against: str


@dataclass(frozen=True, eq=False)
class Phrases:
    """Multi-word phrases that a text may contain, in addition to the phrases of the lexicon.

    Copywriting passes the phrases of its own sentence templates.

    Attributes:
        by_kind: Group of products (a kind of the lexicon) -> phrases allowed for it; the group "" is for all products.
        longest: Length of the longest phrase, in words (English) or characters (Chinese).
    """

    by_kind: Mapping[str, frozenset[Phrase | str]]
    longest: int


NO_PHRASES = Phrases({}, 0)


class Backing:
    """The words and phrases that a text about one product may contain, in one language.

    Attributes:
        lexicon: The lexicon of the language.
        facts: The texts of the product's facts.
        roles: Role of an attribute -> the attribute's value, such as "colour" -> "navy".
        denied: Properties that the product lacks: those in `refuted`, and those that a fact rules out by the lexicon
            ("wired" rules out "wireless").
        own: Lexicon keys of the phrases in the facts and of their synonyms.
        refuted: Names of the attributes with a value such as "no": "Waterproof" for `Waterproof: no`.
        kinds: The product's groups in the lexicon; the first one is ANYTHING, the group of all products.
    """

    def __init__(self, attributes: Mapping[str, str | None], language: str, also: Phrases = NO_PHRASES) -> None:
        self.lexicon = lexicon(language)
        self.facts = _facts(attributes)
        self.roles: dict[str, str] = {}  # role -> value
        self.denied = [entry_name(a) for a, v in attributes.items() if entry_name(a) and v and answer(v) is False]
        for attribute, value in attributes.items():
            text = said(attribute, value)
            role = role_of(attribute, self.lexicon)
            if text and role:
                self.roles.setdefault(role, text)
        quotes = [f"{name}{colon}{no}" for name in self.denied for colon in (": ", "：") for no in _NOS]  # `5G: No`
        self._quotes = [fold_width(text).lower() for text in (*denials(attributes), *quotes)]
        self.own: set[Phrase | str] = set()  # phrases of the facts and their synonyms
        for text in self.facts:
            self._add(text)
        self.refuted = tuple(self.denied)  # names of entries that the facts deny: `Waterproof: no`
        for text in self.facts:
            for _, _, key in self.lexicon.spans(text.lower()):
                self.denied += self.lexicon.denies.get(key, ())
        goods = _goods(attributes, self.lexicon)
        self.kinds = list(dict.fromkeys([ANYTHING, *(g.kind for g in goods)]))
        self._goods = [self.lexicon.key(g.name) for g in goods]
        self._brand = tuple(m[0].lower() for m in words_of(said("brand", attributes.get("brand"))))[-1:]
        self._anywhere, self._scenes = _common(self.lexicon, also, tuple(self.kinds), tuple(self.roles))
        self._whole = frozenset().union(*(also.by_kind.get(kind, frozenset()) for kind in ("", *self.kinds)))
        self._longest_whole = also.longest
        self._longest = max(self.lexicon.longest, also.longest)

    def _add(self, text: str) -> None:
        """Add the phrases of a fact and their synonyms to `own`."""
        words = self.lexicon
        if words.language == "zh":
            for run in _HAN_RUN.findall(text):
                for start in range(len(run)):
                    for end in range(start + (len(run) > 1) + 1, min(start + _LONGEST_FACT, len(run)) + 1):
                        self.own.add(run[start:end])
            self.own.update(stem(m[0]) for m in words_of(text))
        else:
            self.own.update((stem(m[0]),) for m in words_of(text))
        for _, _, key in words.spans(text.lower() if words.language == "zh" else text):
            if key in words.means:
                self.own |= words.means[key]
            if key in words.other_names:
                self.own |= words.other_names[key]

    def denies(self, text: str, start: int, end: int) -> bool:
        """Return True if the product lacks the property at [start, end), and the text says so ("not waterproof")."""
        before = _CLAUSE_END.split(text[max(0, start - 60) : start])[-1]
        after = _CLAUSE_END.split(text[end : end + 60])[0]
        denied = any(self._same(text[start:end], name) for name in self.denied)
        return denied and bool(_NO.search(before + text[start:end] + after))

    def _same(self, claim: str, denied: str) -> bool:
        """Return True if the words of a claim name a denied property.

        English: they have a word, or the first four letters of one, in common. Chinese: two neighbouring characters.
        """
        if self.lexicon.language == "zh":
            pairs = {denied[i : i + 2] for i in range(max(len(denied) - 1, 1))}
            return any(pair in claim for pair in pairs) or claim in denied
        words, denied_words = phrase_of(claim), phrase_of(denied)
        return any(w == d or (len(w) > 2 and w[:4] == d[:4]) for w in words for d in denied_words)

    def allows(self, key: Phrase | str) -> bool:
        """Return True if the facts or the lexicon allow a text to contain the phrase with this lexicon key."""
        return key in self.own or key in self._anywhere or key in self._scenes

    def is_fact(self, text: str) -> bool:
        """Return True if a claim repeats the facts: each word is in the facts, is a free word or names an attribute.

        At least one word must be in the facts. `check` drops findings for which this is True.
        """
        words = self.lexicon
        if words.language == "zh":
            known = text in self.own or any(text in words.says[role] for role in self.roles)
            return known or (not is_chinese(text) and all(stem(m[0]) in self.own for m in words_of(text)))
        stems = phrase_of(text)
        own = [(s,) in self.own or any(stems == key for key in self.own if len(key) == len(stems)) for s in stems]
        expressed = ((s,) in words.free or any((s,) in words.says[role] for role in self.roles) for s in stems)
        return any(own) and all(mine or other for mine, other in zip(own, expressed, strict=True))

    def unbacked(self, text: str, judged: list[tuple[int, int]]) -> list[Unbacked]:
        """Return the parts of a text that neither facts nor lexicon allow, in order; adjacent words form one part.

        Args:
            text: The text in half-width characters (`fold_width`).
            judged: (start, end) of the numbers in the text; they are skipped because other checks cover them.
        """
        judged = [*judged, *self.whole(text)]
        found = self._chinese(text, judged) if self.lexicon.language == "zh" else self._english(text, judged)
        spans = sorted([*found, *self._refused(text), *self._claimed_though_denied(text)])
        joined: list[list[int]] = []
        for start, end in spans:
            if joined and not re.search(r"[^\s-]", text[joined[-1][1] : start]):
                joined[-1][1] = max(joined[-1][1], end)
            else:
                joined.append([start, end])
        said_here = (place for place in joined if not self.denies(text, *place))
        return [Unbacked(start, end, self.against(text[start:end])) for start, end in said_here]

    def _claimed_though_denied(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield (start, end) where the text claims a property of `refuted` in a clause without a denial ("not")."""
        first = 0
        for clause in _CLAUSE_END.split(text):
            first = text.index(clause, first)
            if clause and not _NO.search(clause):
                for name in self.refuted:
                    if place := self._says(clause, name):
                        yield first + place[0], first + place[1]
            first += len(clause)

    def _says(self, clause: str, name: str) -> tuple[int, int] | None:
        """Return (start, end) of an attribute's name in a clause; None if a content word of the name is missing."""
        if self.lexicon.language == "zh":
            told = _ABLE_ZH.sub("", name)
            start = clause.find(told) if len(told) > 1 else -1
            return (start, start + len(told)) if start >= 0 else None
        told_words = set(phrase_of(_ABLE.sub(" ", name)))
        found = [m for m in words_of(clause) if stem(m[0]) in told_words]
        whole = bool(told_words) and {stem(m[0]) for m in found} == told_words
        return (found[0].start(), found[-1].end()) if whole else None

    def whole(self, text: str) -> list[tuple[int, int]]:
        """Return (start, end) of the multi-word parts of a text that are allowed and need no further check.

        They are the phrases passed as `Phrases`, and denials quoted word for word from the facts (`5G: No`).
        """
        spans = self.lexicon.spans(text, self._longest_whole) if self._longest_whole else ()
        low = text.lower()
        quoted = (m.span() for quote in self._quotes if quote in low for m in re.finditer(re.escape(quote), low))
        return [*((start, end) for start, end, key in spans if key in self._whole), *quoted]

    def _refused(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of the lexicon's `refused` phrases in a text that no fact backs.

        Each word of such a phrase is free, but the whole phrase is a claim ("all day").
        """
        known = self.whole(text)
        for start, end, key in self.lexicon.spans(text, self.lexicon.longest_refused):
            stated = key in self.own or (isinstance(key, tuple) and all((word,) in self.own for word in key))
            if key in self.lexicon.refused and not stated and not inside(start, end, known):
                yield start, end

    def _english(self, text: str, judged: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of the words of an English text that nothing allows, except in the `judged` spans."""
        words = words_of(text)
        stems = [stem(m[0]) for m in words]
        longest = self._longest
        place = 0
        while place < len(words):
            start, end = words[place].span()
            length = next(
                (
                    n
                    for n in range(min(longest, len(words) - place), 0, -1)
                    if self.allows(tuple(stems[place : place + n]))
                ),
                0,
            )
            key = tuple(stems[place : place + length])
            end_of_key = words[place + length - 1].end() if length else end
            if (
                length
                and key not in self.own
                and (
                    self._is_other(text, start, key)
                    or (key in self._scenes and key not in self._anywhere and standing.owned(text, start, end_of_key))
                )
            ):
                yield start, end_of_key
            measured = any(0 < start - last <= 2 for _, last in judged) and stems[place] in _MEASURED
            if not (length or measured or inside(start, end, judged) or self._parts(words[place][0])):
                yield start, end
            place += max(length, 1)

    def _is_other(self, text: str, start: int, key: Phrase) -> bool:
        """Return True if the text calls the product something that it is not ("this bowl" of a mug).

        The noun alone is allowed: a mug may be shown beside bowls.

        Args:
            text: The text.
            start: Start of the noun in the text.
            key: Key of the noun in the lexicon.
        """
        words = self.lexicon
        own = key in words.free or key[-1:] in self.own or any(key in words.other_names[name] for name in self._goods)
        if own or key not in words.goods:
            return False
        return standing.named(text, start, self._brand) or standing.heads(text, start, self._describes)

    def _describes(self, word: str) -> bool:
        """Return True if a word is in the facts or is a known attribute value such as a colour."""
        key = (stem(word),)
        return key in self.own or key in self.lexicon.role_of_value

    def _parts(self, word: str) -> bool:
        """Return True if a word is a compound of a fact and an allowed word ("crewneck", "hairdryer")."""
        low = word.lower()
        cuts = range(3, len(low) - 2)
        return any((low[:i],) in self.own and self.allows((stem(low[i:]),)) for i in cuts) or any(
            self.allows((stem(low[:i]),)) and (stem(low[i:]),) in self.own for i in cuts
        )

    def _chinese(self, text: str, judged: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of the parts of a Chinese text that nothing allows, except in the `judged` spans."""
        for match in _LATIN.finditer(text):
            fact = all((s := stem(m[0])) in self.own or self.allows(s) for m in words_of(match[0]))
            place = match.start()
            mixed = any(self.allows(text[place:end]) for end in range(match.end() + 1, match.end() + 4))  # T恤
            if not (fact or mixed or inside(*match.span(), judged)):
                yield match.span()
        covered = [False] * len(text)
        for start, end in judged:
            covered[start:end] = [True] * (end - start)
        for run in _HAN_RUN.finditer(text):
            yield from self._uncovered(text, run.start(), run.end(), covered)

    def _uncovered(self, text: str, first: int, last: int, covered: list[bool]) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of the characters that allowed phrases cannot cover in a run of Chinese characters.

        The cover is the one that leaves out the fewest characters (dynamic programming from the end of the run).
        """
        longest = max(self._longest, _LONGEST_FACT)
        best = [0] * (last - first + 1)  # fewest uncovered characters from this position on
        step = [1] * (last - first + 1)
        for place in range(last - 1, first - 1, -1):
            here = place - first
            best[here], step[here] = best[here + 1] + (not covered[place]), 1
            for end in range(place + 1, min(place + longest, last) + 1):
                better = best[end - first] < best[here] or (best[end - first] == best[here] and step[here] == 1)
                if better and self.allows(text[place:end]):
                    best[here], step[here] = best[end - first], end - place
        place, begin = first, first
        while place <= last:
            here = place - first
            out = place < last and step[here] == 1 and best[here] > best[here + 1]
            if not out:
                if place - begin > 1 or (place > begin and text[begin] in self.lexicon.telling):
                    yield begin, place
                begin = place + (step[here] if place < last else 1)
            place += step[here] if place < last else 1

    def against(self, words: str) -> str:
        """Return the fact that the given words contradict, such as "colour: navy" for "red"; "" if there is none.

        It is the fact whose role (such as "colour") is that of the first known attribute value among the words.
        """
        for _, _, key in self.lexicon.spans(words):
            role = self.lexicon.role_of_value.get(key, "")
            if role in self.roles:
                return f"{role}: {self.roles[role]}"
        return ""


@lru_cache(maxsize=1_024)
def _common(
    words: Lexicon, also: Phrases, kinds: tuple[str, ...], roles: tuple[str, ...]
) -> tuple[frozenset[Phrase | str], frozenset[Phrase | str]]:
    """Return the lexicon phrases allowed for a product with these groups (`kinds`) and these attribute roles (`roles`).

    Returns:
        The phrases allowed in any position; and those allowed only in descriptions of the product's use ("for the
        beach"), not as statements about the product itself.
    """
    anywhere = set(words.free)
    for role in roles:
        anywhere |= words.says.get(role, frozenset())
    for kind in ("", *kinds):
        anywhere |= also.by_kind.get(kind, frozenset())
    scenes = words.scenes.union(*(words.may_say[kind] for kind in kinds))
    return frozenset(anywhere), scenes - anywhere


def comparable(attributes: Mapping[str, str | None], language: str) -> bool:
    """Return True if the product's name and the language use the same script (Chinese or not).

    If not, a text shares no words with the facts, and `check` skips the allow-list.
    """
    names = [text for n in NAMES if (text := said(n, attributes.get(n)))]
    return any(map(is_chinese, names)) if language == "zh" else not is_chinese(names[0] if names else "")


def _facts(attributes: Mapping[str, str | None]) -> list[str]:
    """Return all texts of the facts: statements, their forms with abbreviations written out, and attribute names."""
    texts = [fold_width(text) for text in statements(attributes)]
    texts += [words for text in texts if (words := expand(text)) and words != text]
    return texts + [entry_name(name) for name, value in attributes.items() if entry_name(name) and said(name, value)]


def role_of(attribute: str, words: Lexicon) -> str:
    """Return the lexicon's role of an attribute, such as "colour" for `attributes.Main colour`; "" if it has none.

    Columns that name a product (such as `title`) and unknown attributes have no role.
    """
    if attribute in ("brand", "package_size"):
        return attribute
    name = entry_name(attribute)
    return (words.role(name) or lexicon("en").role(name)) if name else ""


def _goods(attributes: Mapping[str, str | None], words: Lexicon) -> list[Goods]:
    """Return the product nouns that the product's names (title, product type, ...) mention."""
    found = []
    for name in NAMES:
        text = said(name, attributes.get(name))
        found += words.find_goods(expand(text) or text if words.language == "en" else text) if text else []
    return found


def inside(start: int, end: int, spans: list[tuple[int, int]]) -> bool:
    """Return True if [start, end) is in one of the spans or overlaps one."""
    return any((first <= start and end <= last) or (start < last and first < end) for first, last in spans)
