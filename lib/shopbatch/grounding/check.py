"""Finds each claim in product copy that the product's attributes do not back, with its place in the text.

There are two nets. The first allows instead of forbids: a word must be one of the product's facts, be true of any goods
of its kind, or state nothing (allowed.py). The second knows what is claimed most: numbers and sizes
(`text.quantities`), names of brands (brands.py), and the words of claims.yaml, such as certificates, prices, promises.
The languages are English and Chinese. Where the product is named in the script of the other one, text and facts share
no words, and the second net stands alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import lru_cache

from shopbatch.grounding.allowed import NO_PHRASES, Backing, Phrases, comparable, role_of
from shopbatch.grounding.brands import unknown_brands
from shopbatch.grounding.facts import entry_name, said, statements
from shopbatch.grounding.lexicon import is_chinese, lexicon
from shopbatch.text.expand import expand
from shopbatch.text.letters import LATIN
from shopbatch.text.quantities import Quantity, fold_width, money, quantities
from shopbatch.text.word_files import WordFile, read_words

VERSION = 6  # of all that this package finds; raising it judges stored texts again
TOLERANCE = 0.02  # relative difference of a size that is restated in another unit
KINDS = ("number", "size", "brand", "material", "certification", "health", "environment", "price", "promise", "banned",
         "unbacked")  # fmt: skip
# kinds of claims that hold if they are among the facts, word by word
_OF_WORDS = frozenset(KINDS) - {"number", "size", "price", "banned"}


@dataclass(frozen=True)
class Finding:
    """A claim without backing.

    Attributes:
        kind: One of KINDS.
        span: The words of the claim.
        start: Where it begins in the text.
        end: Where it ends in the text.
        against: The fact that the words contradict, such as "colour: navy"; "" if there is none.
    """

    kind: str
    span: str
    start: int
    end: int
    against: str = ""


class _ListedClaim(WordFile):
    """An entry of claims.yaml, where the fields are explained."""

    name: str
    en: str
    zh: str
    by: str = ""
    amount: bool = False
    strict: bool = False


class _Idioms(WordFile):
    en: tuple[str, ...]
    zh: tuple[str, ...]


class _ClaimsFile(WordFile):
    empty_words: frozenset[str]
    idioms: _Idioms
    claims: dict[str, tuple[_ListedClaim, ...]]


@dataclass(frozen=True)
class _Claim:
    """A kind of claim as patterns: of the text, by language, and of the attributes that back it."""

    kind: str
    english: re.Pattern[str]
    chinese: re.Pattern[str]
    backing: re.Pattern[str]
    amount: bool
    strict: bool

    def pattern(self, language: str) -> re.Pattern[str]:
        return self.chinese if language == "zh" else self.english


@dataclass(frozen=True)
class _Words:
    idioms: Mapping[str, re.Pattern[str]]
    claims: tuple[_Claim, ...]
    empty: frozenset[str]


_SIDES = re.compile(
    r"([\d.]+) ?[x×*] ?([\d.]+)(?: ?[x×*] ?([\d.]+))? ?(mm|cm|m|inch(?:es)?|in|ft)\b", re.I
)  # 40 x 35 cm
_ITEM = re.compile(r"\s*[,;/+、，；]\s*|\s+and\s+")
_PER = re.compile(r"[(（].*?/ ?(\d+ ?\w+)\s*[)）]")  # Protein (g/100 ml)
_RANGE = re.compile(
    r"(?<![\d.])([\d.]*\d)\s?(?:[-~]|to|到|至)\s?[\d.]*\d\s?([A-Za-z]{1,6}|[\u4e00-\u9fff]{1,3})"
)  # 65-135 cm
_BY = re.compile(r" ?(?:by|x|×|\*) ?\d")
_AGES = frozenset({"age_group", "recommended_age"})  # roles of attributes such as `3+`
_AGE = re.compile(r"(\d{1,2})(?: ?[-–] ?(\d{1,2}))? ?(ys?|yrs?|yo|years?|m|mths?|mos?|months?)?\.? ?\+?", re.I)


class Facts:
    """What is known of a product.

    Attributes:
        text: All attributes, as written and with abbreviations written out.
        lower: The same in small letters, without apostrophes.
        names: The names of entries, in small letters: `Colour` is no brand.
        brand: The attribute of this name, or "".
        sizes: The sizes that the attributes state.
        amounts: The sums of money that they state.
        numbers: The numbers without a unit that they state, and how many items their lists have.
        attributes: The attributes.
    """

    def __init__(self, attributes: Mapping[str, str | None]) -> None:
        """Read the attributes (see `facts`), of which null and blank ones say nothing."""
        self.attributes = dict(attributes)
        values = [fold_width(text) for text in statements(attributes)]
        values += [words for v in values if (words := expand(v)) and words != v]  # PLSTC backs plastic
        values += [unit[1] for n, v in attributes.items() if said(n, v) and (unit := _PER.search(entry_name(n)))]
        values += [f"{m[1]} {m[4]}, {m[2]} {m[4]}, {m[3] or m[2]} {m[4]}" for v in values for m in _SIDES.finditer(v)]
        values += [f"{m[1]} {m[2]}" for v in values for m in _RANGE.finditer(v)]
        ages = [
            _AGE.fullmatch(v.strip())
            for n, v in attributes.items()
            if v and role_of(n, lexicon("zh" if is_chinese(n) else "en")) in _AGES
        ]
        values += [text for age in ages if age for text in _aged(age)]
        self.text = " \n ".join(values)
        self.lower = re.sub(r"['’]", "", self.text.lower())
        self.names = " ".join(entry_name(n) for n, v in attributes.items() if v).lower()
        self.brand = said("brand", attributes.get("brand"))
        size = said("package_size", attributes.get("package_size"))
        bare = f"1 {size}" if size and not any(c.isdigit() for c in size) else ""  # PT means one pint
        known = [quantity for value in (*values, bare) for quantity in _quantities(value)]
        self.sizes = [q for q in known if q.sizes]
        prices = (m.group() for c in _words().claims if c.amount for m in c.backing.finditer(self.text))
        self.amounts = {money(price) for price in prices}
        self.numbers = {round(q.number, 6) for q in known if not q.sizes}  # 22 LB does not back 22 pieces
        listed = (len(_ITEM.split(value)) for name, value in attributes.items() if value and entry_name(name))
        self.numbers |= {count for count in listed if count > 1}


def _aged(age: re.Match[str]) -> list[str]:
    """An age as quantities: 7-8Y is 7 years and 8 years."""
    units = ("months", "个月") if (age[3] or "").lower().startswith("m") else ("years", "岁")
    return [f"{number} {unit}" for number in (age[1], age[2]) if number for unit in units]


def _quantities(value: str) -> list[Quantity]:
    """The quantities of an attribute, read in both languages if it may be Chinese."""
    return quantities(value, "en") + ([] if value.isascii() and "%" not in value else quantities(value, "zh"))


def check(
    facts: Facts | Mapping[str, str | None],
    text: str,
    language: str,
    banned: Sequence[re.Pattern[str]] = (),
    also: Phrases = NO_PHRASES,
) -> list[Finding]:
    """Return what a text says beyond the attributes, in order, no finding inside another: both nets.

    Args:
        facts: What is known of the product, or its attributes.
        text: The copy.
        language: "zh", or any other, which is read as English.
        banned: Patterns of claims that may not be made at all.
        also: Phrases that may be said as a whole.
    """
    known = facts if isinstance(facts, Facts) else Facts(facts)
    findings = listed_claims(known, text, language, banned)
    if not comparable(known.attributes, language):
        return findings
    folded = fold_width(text)
    backing = Backing(known.attributes, language, also)
    numbers = [(q.start, q.end) for q in quantities(folded, language)]
    whole = backing.whole(folded)
    findings = [f for f in findings if not any(start <= f.start and f.end <= end for start, end in whole)]
    words = list(folded)
    for start, end in numbers:  # which are judged as such
        words[start:end] = " " * (end - start)
    claims = [
        replace(f, against=backing.against(f.span))
        for f in findings
        if (f.kind not in _OF_WORDS and not (f.kind == "price" and not re.search(r"\d", f.span)))
        or not (backing.is_fact("".join(words[f.start : f.end])) or backing.denies(folded, f.start, f.end))
    ]
    return _separate(
        [*claims, *(Finding("unbacked", text[u.start : u.end], *astuple(u)) for u in backing.unbacked(folded, numbers))]
    )


def listed_claims(
    facts: Facts | Mapping[str, str | None], text: str, language: str, banned: Sequence[re.Pattern[str]] = ()
) -> list[Finding]:
    """Return the claims of the second net that the attributes do not back. Arguments as those of `check`."""
    known = facts if isinstance(facts, Facts) else Facts(facts)
    folded = fold_width(text)
    words = _words()
    idioms = words.idioms["zh" if language == "zh" else "en"]
    rest = idioms.sub(lambda m: "\x00" * len(m.group()), folded)
    findings = [Finding("banned", m.group(), *m.span()) for pattern in banned for m in pattern.finditer(folded)]
    for kind, start, end in _claimed(known, rest, language, words.claims):
        findings.append(Finding(kind, text[start:end], start, end))
    for start, end in unknown_brands(rest, f"{known.lower}\n{known.names}", known.brand, language):
        findings.append(Finding("brand", text[start:end], start, end))
    prices = [m.span() for c in words.claims if c.amount for m in c.pattern(language).finditer(rest)]
    for q in quantities(rest, language):
        priced = any(start < q.end and q.start < end for start, end in prices)  # judged as a sum of money
        side = not q.sizes and bool(_BY.match(rest, q.end)) and any(q.number == size.number for size in known.sizes)
        if not (priced or side or backed(q, known)):
            findings.append(Finding("size" if q.sizes else "number", text[q.start : q.end], q.start, q.end))
    return _separate(findings)


def _separate(findings: Sequence[Finding]) -> list[Finding]:
    """Findings in order, without those that begin inside another."""
    separate: list[Finding] = []
    for finding in sorted(findings, key=lambda f: (f.start, -f.end)):
        if not separate or finding.start >= separate[-1].end:
            separate.append(finding)
    return separate


def _claimed(facts: Facts, text: str, language: str, claims: Sequence[_Claim]) -> Iterator[tuple[str, int, int]]:
    """(kind, start, end) of unbacked claims. Within a kind, words that one claim covers belong to no later claim."""
    kind, rest = "", text
    for claim in claims:
        if claim.kind != kind:
            kind, rest = claim.kind, text
        spans = [m.span() for m in claim.pattern(language).finditer(rest) if m.end() > m.start()]
        if not spans:
            continue
        mentioned = bool(claim.backing.search(facts.text))
        for start, end in spans:
            words = rest[start:end]
            holds = money(words) in facts.amounts if claim.amount else mentioned and _shares_word(claim, words, facts)
            if not holds:
                yield kind, start, end
            rest = rest[:start] + "\x00" * (end - start) + rest[end:]


def _shares_word(claim: _Claim, words: str, facts: Facts) -> bool:
    """Whether a strict claim shares a word with the attributes. In another script nothing can be shared."""
    if not claim.strict:
        return True
    backing_is_chinese = any(c > "\u2e80" for m in claim.backing.finditer(facts.text) for c in m.group())
    if backing_is_chinese == words.isascii():
        return True
    if not words.isascii():
        return any(words[i : i + 2] in facts.text for i in range(len(words) - 1))
    empty = _words().empty
    stems = [word[:5] for word in re.findall(r"[a-z]{4,}", words.lower()) if word not in empty]
    return any(stem in facts.lower.replace("-", "") for stem in stems) or not stems


def backed(quantity: Quantity, facts: Facts) -> bool:
    """Tell whether the attributes hold the same number, or the same size in this unit or, within TOLERANCE, another."""
    if quantity.one or not (quantity.number or quantity.sizes):
        return True
    if not quantity.sizes:
        return round(quantity.number, 6) in facts.numbers
    for dimension, value in quantity.sizes:
        for size in facts.sizes:
            for other, known in size.sizes:
                same_unit = abs(quantity.number - size.number) < 1e-9 and abs(value - known) <= 1e-6 * known
                if other == dimension and (same_unit or _equal_size(quantity, size, value, known)):
                    return True
    return False


def _equal_size(quantity: Quantity, size: Quantity, value: float, known: float) -> bool:
    """Whether a size in another unit is the same within rounding. In the same unit it must be exact."""
    if not quantity.number or not size.number:
        return False
    factors, known_factors = ({round(v / q.number, 9) for _, v in q.sizes} for q in (quantity, size))
    return abs(value - known) <= (1e-6 if factors & known_factors else TOLERANCE) * known


@lru_cache(maxsize=1)
def _words() -> _Words:
    listed = read_words(_ClaimsFile, "shopbatch.grounding", "claims.yaml")
    claims = tuple(
        _Claim(
            kind,
            _english(claim.en),
            re.compile(claim.zh, re.I),
            re.compile("|".join([_english(claim.en).pattern, claim.zh, *_further(claim)]), re.I),
            claim.amount,
            claim.strict,
        )
        for kind, claims_of_kind in listed.claims.items()
        for claim in claims_of_kind
    )
    idioms = {"en": _english("|".join(listed.idioms.en)), "zh": re.compile("|".join(listed.idioms.zh))}
    return _Words(idioms, claims, listed.empty_words)


def _english(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![{LATIN}0-9])(?:{pattern})(?![{LATIN}0-9])", re.I)


def _further(claim: _ListedClaim) -> list[str]:
    """What else in the attributes backs a claim: English as whole words, Chinese inside any text."""
    return [rf"(?<![{LATIN}])(?:{claim.by})(?:(?![{LATIN}])|(?<=[\u3400-\u9fff]))"] if claim.by else []
