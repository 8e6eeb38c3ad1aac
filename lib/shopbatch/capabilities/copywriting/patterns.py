"""Loads the sentence patterns of planned copy (patterns.en.yaml, patterns.zh.yaml) and fills in their slots."""

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
_SHORTEST = 3  # minimum words (Chinese: characters) of a phrase that is allowed as a whole
# words that agree with the noun, and their plurals
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
    """Patterns of the first sentence of a description, for any product.

    Attributes:
        with_brand: Patterns that name the brand.
        without_brand: Patterns for products without a brand.
        named: Patterns for products of which only the name is known, not what they are.
        subject: Pattern of the subject of a first sentence that continues with verbs, without the brand (English).
        subject_by: Pattern of the same subject with the brand (English).
    """

    with_brand: tuple[str, ...]
    without_brand: tuple[str, ...]
    named: tuple[str, ...]
    subject: str = ""
    subject_by: str = ""


class Names(WordFile):
    """Word lists of one language, by which the planner interprets attributes, titles and catalogue labels.

    Comments in the YAML files explain them, too.

    Attributes:
        parts: Countable parts of products: "Hood: detachable" becomes "a detachable hood".
        mass: Parts that take no article.
        amounts: Quantities that a product has some of: "Torque: 45 Nm" becomes "45 Nm of torque".
        uncounted: Names of attributes that count something other than parts: "Users: 8".
        able: Names of yes/no attributes that become an adjective: "Foldable: yes" becomes "foldable".
        able_ends: Regular expression of further names of yes/no attributes that become an adjective.
        titles: Words before the noun of a title that are known to be common words, not proper names.
        genders: Form of a gender or age group before a noun, by value: women -> women's.
        whom: First words of a noun that tell for whom the product is, and their spelling: mens -> men's.
        proper: Words that keep their capital.
        singular: Singular words that end in s: lens.
        collective: Product types that only name a group, so that the title tells what the product is: knitwear.
        generic: Product words that do not tell what a product is: set, kit.
        counts: Words of a title that cannot be part of the noun: seater, pack, with.
        tails: Words that belong to the word before them and so begin no noun: oil (argan oil).
        codes: Abbreviations that keep their capitals: USB.
        written_out: Abbreviations in names of attributes, and what they stand for: incl, included.
        short: Names of attributes of at most three letters that are words, not codes: age.
        capacities: Names of attributes for the capacity of the whole product (volume), not of a part such as its tank.
        read: Abbreviations that are read as a word, not letter by letter, and so take a, not an: a HEPA filter.
        ends: Characters in which Chinese product nouns end.
        made_of: Codes of materials that Chinese copy states unchanged: PVC.
        vague: Values without information: assorted.
        told_ends: Regular expression of Chinese attribute names that sentences may state.
        untold: Regular expression of names of Chinese numeric attributes that sentences may not state.
        said_of_goods: Regular expression of parts of a Chinese title that sentences may repeat: 12合1.
        marginal: Names of attributes that nobody buys a product for; they are stated last.
        measured: Names of measures that sentences state: "Coverage: 40 m2" becomes "a coverage of 40 m2".
        demonyms: Country by adjective: greek -> Greece.
        shelving: Words in the brackets of a label that only tell how a shop shelves products.
        sundry: Words without meaning in labels and their brackets: misc, other.
        shelves: Labels that are not used as noun if their brackets name a product: sweet goods (donuts).
        nameless: Words of labels from which no noun can be made: continuity.
        adjectives: Adjectives that labels write behind the noun: herbs dried.
        qualities: Adjectives that titles write behind the noun: Hamster Wheel Silent.
        shades: Words that form a colour with the next word: midnight blue.
        called: Noun for a product by label in plain words; {goods} stands for `shelf_goods`, "" means that there is
            none.
        ranges: Labels that name a range, not a product.
        shelf_goods: Noun for products of a category.
        grades: Adjectives that are whole labels: premium.
        together: Names of several products that are sold in one pack: salt and pepper.
        poured: Singular of nouns for packs sold by weight or volume: dressings -> dressing.
        counters: Departments that copy may name as the product's place in the shop: deli.
        says_nothing: Filler words of names: item, product, and.
        shared: Last words of labels that belong to all words before: crosswords and puzzles magazine.
        no_ranges: Categories that are too vague to be a range.
        holders: Labels whose brackets name the product even if the lexicon does not know it: salads (...).
        containers: Packaging words, which are not the product itself: tub, bottle.
        tints: Words that are colours only beside another colour: Natural / Coral.
        making: Words behind a product word that make it another product: shoe storage.
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
    written_out: Mapping[str, str] = Field(default_factory=dict)
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
    """A pattern of a role that is used only for certain values of a fact.

    Attributes:
        place: The list of `RolePatterns` in which the pattern is used: post, sentences or clauses (key `in` of the YAML
            file).
        text: The pattern.
        only_if: Regular expression that the value must match; "" if `not_if` is given.
        not_if: Regular expression that the value must not match.
    """

    place: str = Field(alias="in")
    text: str
    only_if: str = ""
    not_if: str = ""

    def fits(self, value: str) -> bool:
        """Return True if the pattern may be used for a value.

        Case is ignored unless the regular expression contains capitals.
        """
        pattern = self.only_if or self.not_if
        found = re.search(pattern, value, 0 if re.search("[A-Z]", pattern) else re.I)
        return bool(found) == bool(self.only_if)


class RolePatterns(WordFile):
    """Patterns by which copy states a fact of one role.

    Attributes:
        pre: Whether short values may stand before the noun ("navy jacket").
        pre_if: Regular expression that such values must match; "" allows all.
        pre_form: Pattern of the value before the noun.
        post: Patterns of phrases behind the noun ("with {value}").
        sentences: Patterns of whole sentences.
        clauses: Patterns of verb phrases ("{has} {value}").
        guarded: Patterns for certain values; if one of them fits a value, it replaces `post`, `sentences` or `clauses`.
    """

    pre: bool = False
    pre_if: str = ""
    pre_form: str = "{value}"
    post: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    guarded: tuple[Guarded, ...] = ()

    def options(self, place: str, value: str) -> tuple[str, ...]:
        """Return the patterns to choose from for a value: the guarded ones that fit, else the plain ones; () if none.

        Args:
            place: Name of the list: post, sentences or clauses.
            value: The value as a sentence contains it.
        """
        fitting = tuple(g.text for g in self.guarded if g.place == place and g.fits(value))
        plain: tuple[str, ...] = getattr(self, place)
        return fitting or plain


class Saying(WordFile):
    """A rule that gives attributes with certain names and values a role of their own ("Max load: 120 kg" -> role load).

    Attributes:
        label: Regular expression of the attribute's name.
        value: Regular expression of its value.
        form: Template of the value in a sentence, which refers to the groups of the expression `value` as in
            `re.Match.expand`; "" keeps the value.
        words: Whether the value is a list of names, to be joined with commas and "and".
    """

    label: str
    value: str = ".+"
    form: str = ""
    words: bool = False


class KindPatterns(WordFile):
    """Patterns for one kind of product.

    Attributes:
        measure: The usual measure word (Chinese).
        closings: {tone: last sentences of descriptions}.
    """

    measure: str = ""
    closings: dict[str, tuple[str, ...]]


class Override(WordFile):
    """Patterns of some roles that replace the usual ones for some kinds of product.

    Attributes:
        kinds: The kinds of product.
        roles: {role: its patterns for these kinds}.
    """

    kinds: tuple[str, ...]
    roles: dict[str, RolePatterns]


class Patterns(WordFile):
    """All sentence patterns and word lists of one language.

    Attributes:
        intros: Patterns of first sentences.
        names: Word lists.
        roles: {role of a fact: its patterns}.
        kinds: {kind of product: its patterns}.
        headlines: Patterns of headlines, the best first.
        bullet: Pattern of a bullet.
        page: Text of the bullet that is added if a product has too few facts for two bullets.
        labels: {role or column: name of the attribute as bullets show it}.
        sayings: {special role: rule that gives it to attributes}; the first rule that fits is used.
        role_overrides: Patterns of roles for some kinds of product; the keys only name the entries.
        spoken: {role: {value in lower case: value as sentences contain it}}.
    """

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
        """Return the patterns of a role for a kind of product.

        Raises:
            KeyError: The language has no patterns for the role.
        """
        own = (o.roles[role] for o in self.role_overrides.values() if kind in o.kinds and role in o.roles)
        return next(own, self.roles[role])


@lru_cache(maxsize=len(LANGUAGES))
def patterns(language: str) -> Patterns:
    """Load the patterns of one of LANGUAGES; cached."""
    return read_words(Patterns, "shopbatch.capabilities.copywriting", f"patterns.{language}.yaml")


@lru_cache(maxsize=len(LANGUAGES))
def patterns_digest(language: str) -> str:
    """Return the digest of all patterns of a language; if it changes, the planner's copy is made again."""
    dumped = patterns(language).model_dump(mode="json")
    # sorted, because sets have no order
    names = {name: sorted(v) if isinstance(v, list) else v for name, v in dumped["names"].items()}
    return digest(dumped | {"names": names})


@lru_cache(maxsize=len(LANGUAGES))
def phrases(language: str) -> Phrases:
    """Return the fixed texts of the patterns, between their slots, as phrases that the grounding check always allows.

    Languages without patterns have none.
    """
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
    """Return the fixed texts between the slots of patterns, as the keys (`lexicon.key`) by which phrases are compared.

    Phrases shorter than `_SHORTEST` words (Chinese: characters) are left out; the grounding check judges them by the
    lexicon's own lists.

    Args:
        texts: The patterns.
        language: One of LANGUAGES.
    """
    found = set()
    for text in texts:
        for plural in (False, True):
            for part in _SLOT.split(agree(text, plural))[::2]:
                for clause in re.findall(r"[\u3400-\u9fff]+", part) if language == "zh" else [part]:
                    found.add(lexicon(language).key(clause))
    return frozenset(key for key in found if len(key) >= _SHORTEST)


def fill(pattern: str, slots: Mapping[str, str], plural: bool = False) -> str:
    """Fill the slots of a pattern and return the text.

    Args:
        pattern: A pattern with slots `{name}`, pairs `{singular|plural}` and agreeing words such as `{It}`.
        slots: Values by slot name; empty values leave no stray blanks or commas.
        plural: Whether the noun is plural.

    Raises:
        KeyError: The pattern has a slot of another name.

    Example:
        "{holds|hold} {value}. {It} {is} red." with the value "2 l" and plural -> "hold 2 l. They are red."
    """
    text = _SLOT.sub(lambda m: slots[m[1]], agree(pattern, plural))
    text = re.sub(r"\s+([,.;:])(?=\s|$)", r"\1", re.sub(r"[ \t]{2,}", " ", text)).strip()
    text = re.sub(r",\s*\.(?!\d)", ".", re.sub(r"\.{2,}", ".", text))
    return re.sub(r"[，、]+(?=[。；，])", "", text)


def agree(pattern: str, plural: bool) -> str:
    """Replace the slots whose word depends on singular or plural (`{holds|hold}`, `{It}`); other slots stay."""
    paired = _PAIR.sub(lambda m: m[2] if plural else m[1], pattern)
    return _AGREEING.sub(lambda m: AGREEING[plural][m[1]], paired)
