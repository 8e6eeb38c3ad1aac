"""The vocabulary that queries are read with: the words of the rules, and the catalogue's types, brands and words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

from shopbatch.capabilities.search.understanding.words import common_types, query_words

HAN = re.compile(r"[\u3400-\u9fff]")
WORD = re.compile(r"[^\W_\u3400-\u9fff]+(?:['’&.][^\W_\u3400-\u9fff]+)*")
ROLES = (
    *(
        "stop",
        "filler",
        "exclude",
        "exclude_value",
        "exclude_after",
        "of_part",
        "demand",
        "soft",
        "soft_after",
        "unlike",
    ),
    *("end", "also", "either", "neutral", "names", "parts", "substances", "want", "vague", "brand_words"),
)
_MOST_WORDS = 6  # words of a type's name; a longer name is ignored
Value = tuple[str, str]


def fold(text: str) -> str:
    """Return a text in small letters with straight apostrophes. Its length, and so every place, stays the same."""
    small = text.lower()
    if len(small) != len(text):  # a few letters have two lower-case characters
        small = "".join(low if len(low := c.lower()) == 1 else c for c in text)
    return small.replace("’", "'")


def key_of(name: str) -> str:
    """Normalise a name into the key under which the vocabulary stores it.

    The key has small letters, no hyphens, and single spaces between Latin words ("T-Shirts  Men" -> "t shirts men").
    """
    return " ".join(re.sub(r"[-_/\s]+", " ", fold(name)).split())


@dataclass(frozen=True)
class Entry:
    """The meanings of one name in the vocabulary.

    Attributes:
        roles: The name's roles in the rules, such as "exclude" (see ROLES).
        values: (kind, canonical value) of each value that it names; "girls" is women and kids.
        late: (kind, canonical value) of each value that it names only before a type of product, or after a word that
            excludes or demands.
        brand: The brand of that name; "" for none.
    """

    roles: frozenset[str] = frozenset()
    values: tuple[Value, ...] = ()
    late: tuple[Value, ...] = ()
    brand: str = ""

    @property
    def type(self) -> str | None:
        """Canonical name of the type of product that it names; None if it names none."""
        return self.values[0][1] if self.values and self.values[0][0] == "type" else None


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The names and words that a catalogue uses.

    Two instances are never equal, so that caches can use an instance as their key.

    Attributes:
        types: Canonical name of a type -> its names in any language; by default the common types.
        brands: Names of brands.
        words: Words of the catalogue in small letters, with the number of products; spelling is corrected to them.
        known: Words of the descriptions: they are not corrected, and nothing is corrected to them.
        stated: Kinds of constraint that the catalogue states for some product; None: unknown, so all kinds count.
    """

    types: Mapping[str, tuple[str, ...]] = field(default_factory=common_types)
    brands: tuple[str, ...] = ()
    words: Mapping[str, int] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    stated: frozenset[str] | None = None

    @staticmethod
    def from_products(products: pa.Table) -> Vocabulary:
        """Make the vocabulary of a catalogue.

        Args:
            products: Rows of `products`; those of product_type, title, category, description and brand that exist are
                read.
        """
        types = dict(common_types())
        known = {key_of(name) for names in types.values() for name in names}
        for name in sorted(_distinct(products, "product_type")):
            if key_of(name) not in known and len(WORD.findall(name)) <= _MOST_WORDS and len(name) <= 60:
                types[name] = (name,)
                known.add(key_of(name))
        counts: Counter[str] = Counter()
        for column in ("title", "product_type", "category"):
            for value, number in _counted(products, column):
                for word in set(WORD.findall(fold(value))):
                    counts[word] += number
        known = {word for text, _ in _counted(products, "description") for word in WORD.findall(fold(text))}
        return Vocabulary(types, tuple(sorted(_distinct(products, "brand"))), counts, frozenset(known))

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """All names of the vocabulary and of the rules with their meanings, by `key_of`."""
        return _Builder(self).build()

    @cached_property
    def longest_words(self) -> dict[str, int]:
        """For each Latin word that begins a name: the number of words of the longest such name."""
        out: dict[str, int] = {}
        for words in (key.split(" ") for key in self.entries if WORD.match(key)):
            out[words[0]] = max(len(words), out.get(words[0], 0))
        return out

    @cached_property
    def longest_han(self) -> dict[str, int]:
        """For each first character of a name that has Chinese characters: the length of the longest such name."""
        out: dict[str, int] = {}
        for key in self.entries:
            if HAN.search(key):
                out[key[0]] = max(len(key), out.get(key[0], 0))
        return out

    @cached_property
    def brand_words(self) -> frozenset[str]:
        """The words of brands; they are never corrected, and nothing is corrected to them."""
        return frozenset(word for brand in self.brands for word in WORD.findall(fold(brand)))


class _Builder:
    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.roles: dict[str, set[str]] = {}
        self.values: dict[str, tuple[Value, ...]] = {}
        self.late: dict[str, tuple[Value, ...]] = {}

    def build(self) -> dict[str, Entry]:
        for words in query_words():
            for role in ROLES:
                for name in getattr(words, role):
                    for form in (
                        forms(key_of(name)) if role in ("neutral", "names") and " " in name else (key_of(name),)
                    ):
                        self.roles.setdefault(form, set()).add(role)
            _add_values(self.values, words.values)
            _add_values(self.late, words.before_type)
        attributes = set(self.values)
        for canonical, names in self.vocabulary.types.items():
            for form in {f for name in (canonical, *names) for f in forms(key_of(name))}:
                if form and form not in attributes:
                    self.values.setdefault(form, (("type", canonical),))
        self._add_types_in_neutral()
        brands = {key: brand for brand in self.vocabulary.brands if (key := key_of(brand))}
        keys = {*self.roles, *self.values, *self.late, *brands}
        return {
            k: Entry(frozenset(self.roles.get(k, ())), self.values.get(k, ()), self.late.get(k, ()), brands.get(k, ""))
            for k in keys
        }

    def _add_types_in_neutral(self) -> None:
        """Add the type that a name with the role "neutral" or "names" ends in: "black tea" names the type "tea"."""
        for key, roles in self.roles.items():
            if not roles & {"neutral", "names"} or key in self.values:
                continue
            ends = (key[i:] for i in range(1, len(key)) if HAN.search(key) or key[i - 1] == " ")
            for end in ends:
                if (value := self.values.get(end)) and value[0][0] == "type":
                    self.values[key] = value
                    break


def _add_values(into: dict[str, tuple[Value, ...]], kinds: Mapping[str, Mapping[str, tuple[str, ...]]]) -> None:
    for kind, values in kinds.items():
        for value, names in values.items():
            for key in dict.fromkeys(map(key_of, names)):
                into[key] = (*into.get(key, ()), (kind, value))


def forms(name: str) -> Iterator[str]:
    """Yield a name in singular and plural, as far as its last letters tell; a Chinese name is yielded unchanged."""
    yield name
    if HAN.search(name) or len(name) < 3:
        return
    if name.endswith("ies"):
        yield name[:-3] + "y"
    elif name.endswith(("ches", "shes", "sses", "xes")):
        yield name[:-2]
    elif name.endswith("ves"):
        yield name[:-3] + "f"
    elif name.endswith("s") and not name.endswith(("ss", "us")):
        yield name[:-1]
    elif name.endswith("y") and name[-2] not in "aeiou":
        yield name[:-1] + "ies"
    elif name.endswith(("ch", "sh", "ss", "x")):
        yield name + "es"
    elif name.endswith("f"):
        yield name[:-1] + "ves"
        yield name + "s"
    else:
        yield name + "s"


def _counted(products: pa.Table, column: str) -> Iterable[tuple[str, int]]:
    if column not in products.column_names:
        return []
    counts = products[column].combine_chunks().value_counts()
    pairs = zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
    return [(value, number) for value, number in pairs if value]


def _distinct(products: pa.Table, column: str) -> set[str]:
    return {value.strip() for value, _ in _counted(products, column) if value.strip()}
