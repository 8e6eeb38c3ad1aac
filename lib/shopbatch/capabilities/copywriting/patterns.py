"""The sentence patterns of planned copy (patterns.en.yaml, patterns.zh.yaml), and how they are filled in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from pydantic import Field

from shopbatch.core.hashing import digest
from shopbatch.grounding.allowed import NO_PHRASES, Phrases
from shopbatch.grounding.lexicon import LANGUAGES, lexicon
from shopbatch.text.word_files import WordFile, read_words

TONES = ("plain", "warm", "premium")
_SHORTEST = 3  # words, or Chinese characters, of a phrase that is allowed as a whole
# words that agree with a noun in the singular and in the plural
_SINGULAR = ("It", "it", "Its", "its", "is", "has", "comes")
_PLURAL = ("They", "they", "Their", "their", "are", "have", "come")
AGREEING = {
    False: dict(zip(_SINGULAR, _SINGULAR, strict=True)),
    True: dict(zip(_SINGULAR, _PLURAL, strict=True)),
}
_AGREEING = re.compile(rf"\{{({'|'.join(_SINGULAR)})\}}")
_PAIR = re.compile(r"\{([^{}|]*)\|([^{}|]*)\}")
_SLOT = re.compile(r"\{([^{}]*)\}")


class Intros(WordFile):
    """First sentences for any goods. named: for products of which nothing says what they are.

    subject, subject_by: how a sentence begins that has verbs, without and with a brand (English).
    """

    with_brand: tuple[str, ...]
    without_brand: tuple[str, ...]
    named: tuple[str, ...]
    subject: str = ""
    subject_by: str = ""


class Names(WordFile):
    """Words of attributes' names, and how their values are said; the word lists say what each is for.

    parts: what a product may have: `Hood: detachable` is "a detachable hood". mass: the same without an article.
    amounts: of what a product has some: `Torque: 45 Nm` is "45 Nm of torque". uncounted: names of numbers of which
    a product has none: `Users: 8`. able: what a product is where the answer is yes; able_ends: a pattern of names
    of which this holds. titles: words that stand before the goods in a title and are no names. genders: genders
    before a noun. whom: first words of a noun that tell whom the goods are for, as they are written. proper: words
    that keep their capitals. singular: words in s that are no plurals. collective: types of goods beside which a
    title tells what they are: knitwear. generic: goods that do not say what a product is. counts: words of a title
    behind which what it is about begins. tails: words that go with the one before them. codes: names that are
    codes. short: short names that are words. capacities: names of what a product holds as a whole. read: codes that
    are read as words. ends: characters that end the names of goods. made_of: codes of materials. vague: values that
    say nothing. told_ends, untold: patterns of names that are said, and of names of numbers that are not.
    said_of_goods: a pattern of parts of a title that are said of goods: `12合1`. marginal: names of what no one buys
    goods for. measured: names of measures that are said: `Coverage: 40 m2`. demonyms: what is Greek is from Greece.
    shelving: words of an aside that say how a shop shelves goods; sundry: those of a label, too. shelves: labels that
    are no names of goods beside an aside that is one. nameless: words of labels of which no sentence is made.
    adjectives: what a label names behind the goods: `herbs dried`. qualities: what a title names behind the goods, as
    a sentence has it before them. shades: words before a colour that go with it. called: labels in plain words, and
    what goods of them are called. ranges: labels that name a range and no goods. shelf_goods: what goods of a category
    are called. grades: qualities that are labels by themselves. together: goods that go together in one pack. poured:
    goods of which a pack by weight or volume holds one. counters: departments that goods are said to be from.
    shared: last words of labels that all that stands before them goes with. no_ranges: categories that are no ranges.
    holders: labels of which an aside says what they are. containers: what food comes in, and goods by the number.
    tints: colours beside another one only: `Natural / Coral`. making: words behind goods that make others of them.
    """

    parts: frozenset[str] = frozenset()
    mass: frozenset[str] = frozenset()
    amounts: frozenset[str] = frozenset()
    uncounted: frozenset[str] = frozenset()
    able: frozenset[str] = frozenset()
    able_ends: str = "$^"
    titles: frozenset[str] = frozenset()
    genders: dict[str, str] = Field(default_factory=dict)
    whom: dict[str, str] = Field(default_factory=dict)
    proper: frozenset[str] = frozenset()
    singular: frozenset[str] = frozenset()
    collective: frozenset[str] = frozenset()
    generic: frozenset[str] = frozenset()
    counts: frozenset[str] = frozenset()
    tails: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    short: frozenset[str] = frozenset()
    capacities: frozenset[str] = frozenset()
    read: frozenset[str] = frozenset()
    ends: str = ""
    made_of: frozenset[str] = frozenset()
    vague: frozenset[str] = frozenset()
    told_ends: str = "$^"
    untold: str = "$^"
    said_of_goods: str = "$^"
    marginal: frozenset[str] = frozenset()
    measured: frozenset[str] = frozenset()
    demonyms: dict[str, str] = Field(default_factory=dict)
    shelving: frozenset[str] = frozenset()
    sundry: frozenset[str] = frozenset()
    shelves: frozenset[str] = frozenset()
    nameless: frozenset[str] = frozenset()
    adjectives: frozenset[str] = frozenset()
    qualities: frozenset[str] = frozenset()
    shades: frozenset[str] = frozenset()
    called: dict[str, str] = Field(default_factory=dict)
    ranges: frozenset[str] = frozenset()
    shelf_goods: dict[str, str] = Field(default_factory=dict)
    grades: frozenset[str] = frozenset()
    together: frozenset[str] = frozenset()
    poured: dict[str, str] = Field(default_factory=dict)
    counters: frozenset[str] = frozenset()
    says_nothing: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    holders: frozenset[str] = frozenset()
    no_ranges: frozenset[str] = frozenset()
    containers: frozenset[str] = frozenset()
    tints: frozenset[str] = frozenset()
    making: frozenset[str] = frozenset()


class Guarded(WordFile):
    """A pattern for values that match `only_if`, or do not match `not_if` (regular expressions). place: its list."""

    place: str = Field(alias="in")
    text: str
    only_if: str = ""
    not_if: str = ""

    def fits(self, value: str) -> bool:
        """Whether the pattern reads well with a value. Case counts where the expression holds capitals."""
        pattern = self.only_if or self.not_if
        found = re.search(pattern, value, 0 if re.search("[A-Z]", pattern) else re.I)
        return bool(found) == bool(self.only_if)


class RolePatterns(WordFile):
    """How one fact is said. pre: whether short values that match pre_if stand before the noun, as in pre_form; post:
    behind it.

    guarded: patterns that read better than the others where they fit.
    """

    pre: bool = False
    pre_if: str = ""
    pre_form: str = "{value}"
    post: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    guarded: tuple[Guarded, ...] = ()

    def options(self, place: str, value: str) -> tuple[str, ...]:
        """The patterns of a list (post, sentences, clauses) for a value."""
        fitting = tuple(g.text for g in self.guarded if g.place == place and g.fits(value))
        plain: tuple[str, ...] = getattr(self, place)
        return fitting or plain


class Saying(WordFile):
    """Which attributes are said as a role of their own: regular expressions of their names and of their values.

    form: what a sentence has of the value, with the groups of the expression. words: whether the value is names.
    """

    label: str
    value: str = ".+"
    form: str = ""
    words: bool = False


class KindPatterns(WordFile):
    """What is said of one kind of goods. closings: last sentences, by tone. measure: the usual one, in Chinese."""

    measure: str = ""
    closings: dict[str, tuple[str, ...]]


class Override(WordFile):
    """Patterns of roles that are said otherwise of some kinds of goods."""

    kinds: tuple[str, ...]
    roles: dict[str, RolePatterns]


class Patterns(WordFile):
    """The patterns of a language. spoken: values as they are said, by role. sayings: roles by names and values."""

    intros: Intros
    names: Names = Names()
    roles: dict[str, RolePatterns]
    kinds: dict[str, KindPatterns]
    headlines: tuple[str, ...]
    bullet: str
    page: str
    labels: dict[str, str]
    sayings: dict[str, Saying] = Field(default_factory=dict)
    role_overrides: dict[str, Override] = Field(default_factory=dict)
    spoken: dict[str, dict[str, str]] = Field(default_factory=dict)

    def role(self, role: str, kind: str) -> RolePatterns:
        """The patterns of a role, of goods of a kind."""
        own = (o.roles[role] for o in self.role_overrides.values() if kind in o.kinds and role in o.roles)
        return next(own, self.roles[role])


@lru_cache(maxsize=len(LANGUAGES))
def patterns(language: str) -> Patterns:
    """The patterns of one of LANGUAGES."""
    return read_words(Patterns, "shopbatch.capabilities.copywriting", f"patterns.{language}.yaml")


@lru_cache(maxsize=len(LANGUAGES))
def patterns_digest(language: str) -> str:
    """Digest of all patterns of a language."""
    dumped = patterns(language).model_dump(mode="json")
    names = {name: sorted(v) if isinstance(v, list) else v for name, v in dumped["names"].items()}  # sets have no order
    return digest(dumped | {"names": names})


@lru_cache(maxsize=len(LANGUAGES))
def phrases(language: str) -> Phrases:
    """What the patterns say between their slots, as phrases that may be said: for the check."""
    if language not in LANGUAGES:
        return NO_PHRASES
    speech = patterns(language)
    intros = speech.intros
    of_all = [
        *intros.with_brand,
        *intros.without_brand,
        *intros.named,
        intros.subject,
        intros.subject_by,
        speech.page,
    ]
    for role in (*speech.roles.values(), *(r for o in speech.role_overrides.values() for r in o.roles.values())):
        of_all += [*role.post, *role.sentences, *role.clauses, *(g.text for g in role.guarded)]
    by_kind = {"": phrases_of(of_all, language)}
    for name, kind in speech.kinds.items():
        by_kind[name] = phrases_of([c for tone in kind.closings.values() for c in tone], language)
    return Phrases(by_kind, max(len(key) for keys in by_kind.values() for key in keys))


def phrases_of(texts: Iterable[str], language: str) -> frozenset[tuple[str, ...] | str]:
    """The phrases of patterns between their slots, as the lexicon compares them; short ones are left to the lexicon."""
    found = set()
    for text in texts:
        for plural in (False, True):
            for part in _SLOT.split(agree(text, plural))[::2]:
                for clause in re.findall(r"[\u3400-\u9fff]+", part) if language == "zh" else [part]:
                    found.add(lexicon(language).key(clause))
    return frozenset(key for key in found if len(key) >= _SHORTEST)


def fill(pattern: str, slots: Mapping[str, str], plural: bool = False) -> str:
    """A pattern with its slots filled in: `{value}` from `slots`, `{holds|hold}` and `{It}` by number.

    Raises:
        KeyError: The pattern has a slot of another name.
    """

    text = _SLOT.sub(lambda m: slots[m[1]], agree(pattern, plural))
    text = re.sub(r"\s+([,.;:])(?=\s|$)", r"\1", re.sub(r"[ \t]{2,}", " ", text)).strip()
    text = re.sub(r",\s*\.(?!\d)", ".", re.sub(r"\.{2,}", ".", text))
    return re.sub(r"[，、]+(?=[。；，])", "", text)


def agree(pattern: str, plural: bool) -> str:
    """A pattern in which pairs such as `{holds|hold}`, and words such as `{It}`, agree with the noun."""
    paired = _PAIR.sub(lambda m: m[2] if plural else m[1], pattern)
    return _AGREEING.sub(lambda m: AGREEING[plural][m[1]], paired)
