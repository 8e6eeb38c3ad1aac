"""What may be said of goods beyond their own facts (lexicon.en.yaml, lexicon.zh.yaml), and what facts are about.

A lexicon knows free words, which state nothing (and phrases of such words that do: refused); the kinds of goods, with
what may be said of any goods of the kind; and the roles of attributes (colour, capacity, ...), with the names that
shops give them. Called by `allowed.py` and by whoever writes copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import snowballstemmer
from pydantic import Field

from shopbatch.text.word_files import WordFile, read_words

LANGUAGES = ("en", "zh")
ANYTHING = "anything"  # the kind of goods that are of no other kind
MEANT_BOTH_WAYS = (
    "gender",
    "age_group",
    "neckline",
    "sleeve",
    "closure",
    "origin",
)  # words for a value mean each other
_WORD = re.compile(r"[A-Za-zÀ-ɏ0-9]+(?:['’.][A-Za-zÀ-ɏ0-9]+)*")
_HAN = re.compile(r"[\u3400-\u9fff]")

Phrase = tuple[str, ...]  # stems of English words; a Chinese phrase is one string


class _Kind(WordFile):
    goods: dict[str, tuple[str, ...]]
    plural: frozenset[str] = frozenset()
    mass: frozenset[str] = frozenset()
    measure: dict[str, str] = Field(default_factory=dict)
    may_say: tuple[str, ...]


class _Role(WordFile):
    names: tuple[str, ...]
    says: tuple[str, ...] = ()
    values: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class _LexiconFile(WordFile):
    """The words of a lexicon, where the fields are explained."""

    free: tuple[str, ...]
    scenes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    kinds: dict[str, _Kind]
    roles: dict[str, _Role]
    adjacent: dict[str, tuple[str, ...]]
    denies: dict[str, tuple[str, ...]] = Field(default_factory=dict)


_STEMMER = snowballstemmer.stemmer("english")


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The stem of an English word, in small letters and without a possessive ending."""
    word = re.sub(r"['’]s?$", "", word.lower())
    return str(_STEMMER.stemWord(word)) if word.isascii() and not any(c.isdigit() for c in word) else word


def words_of(text: str) -> list[re.Match[str]]:
    """The words of an English text, hyphenated ones in parts."""
    return list(_WORD.finditer(text))


def phrase_of(text: str) -> Phrase:
    """The stems of the words of an English phrase."""
    return tuple(stem(m[0]) for m in words_of(text))


def is_chinese(text: str) -> bool:
    """Whether a text holds a Chinese character."""
    return bool(_HAN.search(text))


@dataclass(frozen=True)
class Goods:
    """What a product is: its kind, the name of the goods as the lexicon has it, and where it stands in the text."""

    kind: str
    name: str
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Lexicon:
    """The words of one language. Phrases are tuples of stems in English, and strings in Chinese (`key`)."""

    language: str
    words: _LexiconFile

    def key(self, phrase: str) -> Phrase | str:
        """A phrase as it is compared."""
        return phrase if self.language == "zh" else phrase_of(phrase)

    def keys(self, phrases: Iterable[str]) -> frozenset[Phrase | str]:
        """Phrases as they are compared."""
        return frozenset(key for phrase in phrases if (key := self.key(phrase)))

    @cached_property
    def free(self) -> frozenset[Phrase | str]:
        """Phrases that state nothing of a product."""
        return self.keys(self.words.free)

    @cached_property
    def scenes(self) -> frozenset[Phrase | str]:
        """Words of people, places, hours and doings, for any goods: free where they are not said of the product."""
        return self.keys(self.words.scenes)

    @cached_property
    def refused(self) -> frozenset[Phrase | str]:
        """Phrases that state something though each of their words is free: `all day`."""
        return self.keys(self.words.refused)

    @cached_property
    def may_say(self) -> Mapping[str, frozenset[Phrase | str]]:
        """What may be said of any goods, by kind."""
        return {name: self.keys(kind.may_say) for name, kind in self.words.kinds.items()}

    @cached_property
    def goods(self) -> Mapping[Phrase | str, tuple[str, str]]:
        """(kind, name) of goods, by name."""
        found: dict[Phrase | str, tuple[str, str]] = {}
        for kind, words in self.words.kinds.items():
            for name in words.goods:
                found.setdefault(self.key(name), (kind, name))
        return found

    @cached_property
    def other_names(self) -> Mapping[Phrase | str, frozenset[Phrase | str]]:
        """What goods may be called besides, by name."""
        found: dict[Phrase | str, frozenset[Phrase | str]] = {}
        for words in self.words.kinds.values():
            for name, others in words.goods.items():
                found[self.key(name)] = found.get(self.key(name), frozenset()) | self.keys(others)
        return found

    @cached_property
    def role_names(self) -> Mapping[str, str]:
        """Role of an attribute, by the attribute's name without blanks and signs."""
        named = {_bare(name): role for role, words in self.words.roles.items() for name in words.names}
        return named | {_bare(role): role for role in self.words.roles}

    def role(self, attribute: str) -> str:
        """The role of an attribute such as `Main colour` or `pa_colour`; "" for an unknown one."""
        name = _bare(re.sub(r"[(\[（].*?[)\]）]", "", attribute))
        return self.role_names.get(name) or self.role_names.get(name.removeprefix("pa")) or ""

    @cached_property
    def says(self) -> Mapping[str, frozenset[Phrase | str]]:
        """Words that express an attribute whatever its value, by role."""
        return {role: self.keys(words.says) for role, words in self.words.roles.items()}

    @cached_property
    def means(self) -> Mapping[Phrase | str, frozenset[Phrase | str]]:
        """What a phrase among the facts backs besides itself."""
        found: dict[Phrase | str, frozenset[Phrase | str]] = {}

        def add(phrase: str, others: Iterable[str]) -> None:
            key = self.key(phrase)
            if key:
                found[key] = found.get(key, frozenset()) | self.keys(others)

        for role, words in self.words.roles.items():
            for value, others in words.values.items():
                add(value, others)
                for other in others if role in MEANT_BOTH_WAYS else ():
                    add(other, [value, *others])
        for phrase, others in self.words.adjacent.items():
            add(phrase, others)
        return found

    @cached_property
    def denies(self) -> Mapping[Phrase | str, tuple[str, ...]]:
        """What a phrase among the facts denies: `wired` denies that goods are wireless."""
        return {self.key(phrase): denied for phrase, denied in self.words.denies.items()}

    @cached_property
    def role_of_value(self) -> Mapping[Phrase | str, str]:
        """The role of a known value: `red` is a colour."""
        found: dict[Phrase | str, str] = {}
        for role, words in self.words.roles.items():
            for value, others in words.values.items():
                for phrase in (value, *others):
                    found.setdefault(self.key(phrase), role)
        return found

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """All single words of an English lexicon, as stems: a word outside it may be a proper name."""
        phrases = (
            *self.free,
            *self.scenes,
            *self.role_of_value,
            *self.goods,
            *(k for m in self.may_say.values() for k in m),
        )
        return frozenset(word for phrase in phrases for word in phrase)

    @cached_property
    def values(self) -> Mapping[str, frozenset[Phrase | str]]:
        """The known values of a role, by role; roles whose values cannot be listed are left out."""
        return {role: self.keys(words.values) for role, words in self.words.roles.items() if words.values}

    def knows(self, role: str, value: str) -> bool:
        """Whether a text holds a known value of a role, or the role's values cannot be listed."""
        known = self.values.get(role)
        return known is None or any(key in known for text in {value, value.lower()} for *_, key in self.spans(text))

    @cached_property
    def telling(self) -> frozenset[str]:
        """Chinese characters that tell something by themselves: they are values."""
        return frozenset(key for key in self.role_of_value if isinstance(key, str) and len(key) == 1)

    @cached_property
    def longest(self) -> int:
        """Length of the longest phrase, in words or characters."""
        return max(map(len, (*self.free, *self.scenes, *self.refused, *self.goods, *self.means, *self.role_of_value)))

    @cached_property
    def longest_refused(self) -> int:
        """Length of the longest refused phrase."""
        return max(map(len, self.refused), default=1)

    def find_goods(self, text: str) -> list[Goods]:
        """The goods that a name of a product mentions; the last one is mostly what it is."""
        found = []
        for start, end, key in self.spans(text):
            if key in self.goods:
                found.append(Goods(*self.goods[key], start, end))
        outer = [g for g in found if not any(o is not g and o.start <= g.start and g.end <= o.end for o in found)]
        return sorted(outer, key=lambda g: g.start)

    def spans(self, text: str, longest: int = 0) -> Iterable[tuple[int, int, Phrase | str]]:
        """Each part of a text that may be a phrase of the lexicon: where it begins and ends, and its key."""
        longest = longest or self.longest
        if self.language == "zh":
            for start in range(len(text)):
                for end in range(start + 1, min(start + longest, len(text)) + 1):
                    yield start, end, text[start:end]
            return
        words = words_of(text)
        stems = [stem(m[0]) for m in words]
        for first in range(len(words)):
            for last in range(first, min(first + longest, len(words))):
                yield words[first].start(), words[last].end(), tuple(stems[first : last + 1])


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


@lru_cache(maxsize=len(LANGUAGES))
def lexicon(language: str) -> Lexicon:
    """The lexicon of a language; that of English for others than those of LANGUAGES."""
    language = language if language in LANGUAGES else "en"
    return Lexicon(language, read_words(_LexiconFile, "shopbatch.grounding", f"lexicon.{language}.yaml"))
