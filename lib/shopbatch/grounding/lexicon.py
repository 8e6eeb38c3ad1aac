"""The lexicon of product language: words that copy may use beyond the product's facts, and the roles of attributes.

The word lists are lexicon.en.yaml and lexicon.zh.yaml. A lexicon holds

- free words, which state nothing about a product, and `refused` phrases, which make a claim out of free words;
- groups of products ("kinds": tops, shoes, ...), with their nouns and the phrases that are true of any product of the
  group;
- roles of attributes (colour, capacity, ...), with the names that shops give to such attributes, and their values.

`allowed.py` checks product copy with it; copywriting writes copy with it.
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
ANYTHING = "anything"  # group of products for phrases that are true of any product
MEANT_BOTH_WAYS = (
    "gender",
    "age_group",
    "neckline",
    "sleeve",
    "closure",
    "origin",
)  # roles whose values are synonyms in both directions
_WORD = re.compile(r"[A-Za-zÀ-ɏ0-9]+(?:['’.][A-Za-zÀ-ɏ0-9]+)*")
_HAN = re.compile(r"[\u3400-\u9fff]")

Phrase = tuple[str, ...]  # the stems of an English phrase; a Chinese phrase is one string


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
    """The content of a lexicon file.

    Attributes:
        free: Phrases that state nothing about a product.
        scenes: Words for people, places, times and activities, allowed in descriptions of a product's use ("for the
            beach") but not as statements about the product itself.
        refused: Phrases that make a claim although each of their words is free ("all day").
        kinds: Groups of products by name.
        roles: Roles of attributes by name.
        adjacent: Phrase of a fact -> further phrases that it backs.
        denies: Phrase of a fact -> properties that it rules out.
    """

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
    """Return the stem of an English word in small letters, without a possessive ending ("Women's" -> "women").

    Words with digits or non-ASCII letters are only lower-cased.
    """
    word = re.sub(r"['’]s?$", "", word.lower())
    return str(_STEMMER.stemWord(word)) if word.isascii() and not any(c.isdigit() for c in word) else word


def words_of(text: str) -> list[re.Match[str]]:
    """Return a match object for each word of an English text, in order ("T-shirt" is two words)."""
    return list(_WORD.finditer(text))


def phrase_of(text: str) -> Phrase:
    """Return the stems of the words of an English phrase, the key under which the lexicon stores it."""
    return tuple(stem(m[0]) for m in words_of(text))


def is_chinese(text: str) -> bool:
    """Return True if a text contains a Chinese character."""
    return bool(_HAN.search(text))


@dataclass(frozen=True)
class Goods:
    """A product noun of the lexicon that was found in a text.

    Attributes:
        kind: The group of products that the noun belongs to, such as "tableware".
        name: The noun as the lexicon spells it, such as "mug".
        start: Start of the noun in the text, in characters.
        end: End of the noun (exclusive).
    """

    kind: str
    name: str
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Lexicon:
    """The lexicon of one language, indexed for look-ups.

    Phrases are stored under keys (see `key`): tuples of stems in English, strings in Chinese.

    Attributes:
        language: "en" or "zh".
        words: The content of the lexicon file.
    """

    language: str
    words: _LexiconFile

    def key(self, phrase: str) -> Phrase | str:
        """Return the key of a phrase: the stems of its words in English, the phrase itself in Chinese."""
        return phrase if self.language == "zh" else phrase_of(phrase)

    def keys(self, phrases: Iterable[str]) -> frozenset[Phrase | str]:
        """Return the keys of several phrases; empty ones are left out."""
        return frozenset(key for phrase in phrases if (key := self.key(phrase)))

    @cached_property
    def free(self) -> frozenset[Phrase | str]:
        """Return the keys of the phrases that state nothing about a product and are allowed anywhere."""
        return self.keys(self.words.free)

    @cached_property
    def scenes(self) -> frozenset[Phrase | str]:
        """Return the keys of words for people, places, times and activities.

        They are allowed in descriptions of a product's use, but not as statements about the product itself.
        """
        return self.keys(self.words.scenes)

    @cached_property
    def refused(self) -> frozenset[Phrase | str]:
        """Return the phrases that claim something although each of their words is free, such as "all day"."""
        return self.keys(self.words.refused)

    @cached_property
    def may_say(self) -> Mapping[str, frozenset[Phrase | str]]:
        """Return a mapping from each group of products to the keys of the phrases that are true of all of them."""
        return {name: self.keys(kind.may_say) for name, kind in self.words.kinds.items()}

    @cached_property
    def goods(self) -> Mapping[Phrase | str, tuple[str, str]]:
        """Return a mapping from the key of each product noun to (group, noun): ("jean",) -> ("bottoms", "jeans")."""
        found: dict[Phrase | str, tuple[str, str]] = {}
        for kind, words in self.words.kinds.items():
            for name in words.goods:
                found.setdefault(self.key(name), (kind, name))
        return found

    @cached_property
    def other_names(self) -> Mapping[Phrase | str, frozenset[Phrase | str]]:
        """Return a mapping from the key of each product noun to the keys of its other names (jeans -> denims)."""
        found: dict[Phrase | str, frozenset[Phrase | str]] = {}
        for words in self.words.kinds.values():
            for name, others in words.goods.items():
                found[self.key(name)] = found.get(self.key(name), frozenset()) | self.keys(others)
        return found

    @cached_property
    def role_names(self) -> Mapping[str, str]:
        """Return a mapping from normalised attribute names to roles ("maincolour" -> "colour").

        The names are in lower case, without blanks and signs.
        """
        named = {_bare(name): role for role, words in self.words.roles.items() for name in words.names}
        return named | {_bare(role): role for role in self.words.roles}

    def role(self, attribute: str) -> str:
        """Return the role of an attribute by its name ("Main colour" and "pa_colour" -> "colour"); "" if unknown."""
        name = _bare(re.sub(r"[(\[（].*?[)\]）]", "", attribute))
        return self.role_names.get(name) or self.role_names.get(name.removeprefix("pa")) or ""

    @cached_property
    def says(self) -> Mapping[str, frozenset[Phrase | str]]:
        """Return a mapping from each role to the keys of the words for the attribute itself ("colour" -> "shade", ...).

        A text may use these words whatever the attribute's value is.
        """
        return {role: self.keys(words.says) for role, words in self.words.roles.items()}

    @cached_property
    def means(self) -> Mapping[Phrase | str, frozenset[Phrase | str]]:
        """Return a mapping from the key of a phrase in the facts to the keys of phrases that it backs (synonyms)."""
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
        """Return a mapping from the key of a phrase in the facts to properties that it rules out (wired: wireless)."""
        return {self.key(phrase): denied for phrase, denied in self.words.denies.items()}

    @cached_property
    def role_of_value(self) -> Mapping[Phrase | str, str]:
        """Return a mapping from the key of each known attribute value to its role ("red" -> "colour")."""
        found: dict[Phrase | str, str] = {}
        for role, words in self.words.roles.items():
            for value, others in words.values.items():
                for phrase in (value, *others):
                    found.setdefault(self.key(phrase), role)
        return found

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Return all single words of an English lexicon, as stems; a word outside it may be a proper name."""
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
        """Return a mapping from each role to the keys of its known values; roles with open-ended values are absent."""
        return {role: self.keys(words.values) for role, words in self.words.roles.items() if words.values}

    def knows(self, role: str, value: str) -> bool:
        """Return True if the text `value` contains a known value of the role, or if the role is open-ended.

        A role is open-ended if its values cannot be listed.
        """
        known = self.values.get(role)
        return known is None or any(key in known for text in {value, value.lower()} for *_, key in self.spans(text))

    @cached_property
    def telling(self) -> frozenset[str]:
        """Return the single Chinese characters that are attribute values, so that even one of them makes a claim."""
        return frozenset(key for key in self.role_of_value if isinstance(key, str) and len(key) == 1)

    @cached_property
    def longest(self) -> int:
        """Return the length of the longest phrase, in words (English) or characters (Chinese)."""
        return max(map(len, (*self.free, *self.scenes, *self.refused, *self.goods, *self.means, *self.role_of_value)))

    @cached_property
    def longest_refused(self) -> int:
        """Return the length of the longest refused phrase, in words (English) or characters (Chinese)."""
        return max(map(len, self.refused), default=1)

    def find_goods(self, text: str) -> list[Goods]:
        """Return the product nouns in a product's name, in order; the last one usually names what the product is.

        A noun that lies inside a longer noun is left out.
        """
        found = []
        for start, end, key in self.spans(text):
            if key in self.goods:
                found.append(Goods(*self.goods[key], start, end))
        outer = [g for g in found if not any(o is not g and o.start <= g.start and g.end <= o.end for o in found)]
        return sorted(outer, key=lambda g: g.start)

    def spans(self, text: str, longest: int = 0) -> Iterable[tuple[int, int, Phrase | str]]:
        """Yield every part of a text that is short enough to be a phrase of the lexicon, as (start, end, key).

        Args:
            text: The text.
            longest: Greatest length of a part in words (English) or characters (Chinese); 0: that of the longest
                phrase.
        """
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
    """Return the lexicon of a language; languages other than those of LANGUAGES get the English one."""
    language = language if language in LANGUAGES else "en"
    return Lexicon(language, read_words(_LexiconFile, "shopbatch.grounding", f"lexicon.{language}.yaml"))
