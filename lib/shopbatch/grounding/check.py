"""Finds each claim in product copy that the product's attributes do not back, with its position in the text.

There are two checks. The first is an allow-list: a word must be one of the product's facts, be true of any product of
its group, or state nothing (allowed.py). The second looks for frequent claims: numbers and sizes (`text.quantities`),
brand names (brands.py), and the words of claims.yaml, such as certificates, prices and promises. The languages are
English and Chinese. Where the product is named in the script of the other language, text and facts share no words, and
only the second check runs.
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

VERSION = 7  # of all checks of this package; raise it when they change, so that stored texts are checked again
TOLERANCE = 0.02  # greatest relative difference of a size that is restated in another unit
KINDS = ("number", "size", "brand", "material", "certification", "health", "environment", "price", "promise", "banned",
         "unbacked")  # fmt: skip
# kinds of claims that count as backed if all their words are in the facts
_OF_WORDS = frozenset(KINDS) - {"number", "size", "price", "banned"}


@dataclass(frozen=True)
class Finding:
    """A claim in product copy that the product's attributes do not back.

    Attributes:
        kind: One of KINDS.
        span: The words of the claim.
        start: Start of the claim in the text, in characters.
        end: End of the claim in the text (exclusive).
        against: The fact that the words contradict, such as "colour: navy"; "" if there is none.
    """

    kind: str
    span: str
    start: int
    end: int
    against: str = ""


class _ListedClaim(WordFile):
    """One entry of claims.yaml: a concept with the patterns of its claims.

    The head of that file explains the fields.
    """

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
    """One concept of claims.yaml as compiled patterns.

    Attributes:
        kind: One of KINDS.
        english: Matches the claim in English copy.
        chinese: Matches the claim in Chinese copy.
        backing: Matches words in the attributes, of either language, that back the claim.
        amount: True if the claim is a sum of money; only the same sum in the attributes backs it.
        strict: True if the claim is backed only when its own words share a word with the attributes too.
    """

    kind: str
    english: re.Pattern[str]
    chinese: re.Pattern[str]
    backing: re.Pattern[str]
    amount: bool
    strict: bool

    def pattern(self, language: str) -> re.Pattern[str]:
        """Return the pattern of the claim in a language: "zh", or any other as English."""
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
_PER = re.compile(r"(?:[(（].*?/ ?|\bper )(\d+ ?[a-zA-Z\u4e00-\u9fff]+)\s*(?:[)）]|$)")  # g/100 ml, per 100g
_RANGE = re.compile(
    r"(?<![\d.])([\d.]*\d)\s?(?:[-~]|to|到|至)\s?[\d.]*\d\s?([A-Za-z]{1,6}|[\u4e00-\u9fff]{1,3})"
)  # 65-135 cm
_BY = re.compile(r" ?(?:by|x|×|\*) ?\d")
_AGES = frozenset({"age_group", "recommended_age"})  # roles of attributes such as `3+`
_AGE = re.compile(r"(\d{1,2})(?: ?[-–] ?(\d{1,2}))? ?(ys?|yrs?|yo|years?|m|mths?|mos?|months?)?\.? ?\+?", re.I)


class Facts:
    """The facts of one product, parsed from its attributes so that claims can be compared with them.

    Attributes:
        text: All attribute values, as written and with abbreviations written out.
        lower: `text` in small letters, without apostrophes.
        names: The names of the entries of the column `attributes`, in small letters, so that `Colour` in a text is not
            taken for a brand.
        brand: The attribute `brand`, or "".
        sizes: The quantities with a unit.
        amounts: The sums of money.
        numbers: The numbers without a unit, and the number of items of each attribute value that is a list.
        attributes: The attributes as given.
    """

    def __init__(self, attributes: Mapping[str, str | None]) -> None:
        """Parse the attributes (named as in the module `facts`); null and blank values are no facts."""
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
    """Return the ages of a matched age value as quantities ("7-8Y" -> ["7 years", "7 岁", "8 years", "8 岁"])."""
    units = ("months", "个月") if (age[3] or "").lower().startswith("m") else ("years", "岁")
    return [f"{number} {unit}" for number in (age[1], age[2]) if number for unit in units]


def _quantities(value: str) -> list[Quantity]:
    """Return the quantities of an attribute value, read as English, and also as Chinese if it may be Chinese."""
    return quantities(value, "en") + ([] if value.isascii() and "%" not in value else quantities(value, "zh"))


def check(
    facts: Facts | Mapping[str, str | None],
    text: str,
    language: str,
    banned: Sequence[re.Pattern[str]] = (),
    also: Phrases = NO_PHRASES,
) -> list[Finding]:
    """Return the claims of product copy that the attributes do not back, by both checks of the module.

    Args:
        facts: The parsed facts of the product, or its attributes.
        text: The product copy.
        language: "zh"; any other is read as English.
        banned: Patterns of claims that are never allowed, even if the attributes back them.
        also: Further phrases that are allowed as a whole.

    Returns:
        The findings in the order of the text; they do not overlap. [] if the text is fully backed.
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
    for start, end in numbers:  # numbers were checked by `listed_claims`
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
    """Return the unbacked claims that the second check of the module finds.

    It looks for numbers, sizes, brand names and the claims of claims.yaml.

    Args:
        facts: The parsed facts of the product, or its attributes.
        text: The product copy.
        language: "zh"; any other is read as English.
        banned: Patterns of claims that are never allowed.
    """
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
        priced = any(start < q.end and q.start < end for start, end in prices)  # checked by `_claimed` as money
        side = not q.sizes and bool(_BY.match(rest, q.end)) and any(q.number == size.number for size in known.sizes)
        if not (priced or side or backed(q, known)):
            findings.append(Finding("size" if q.sizes else "number", text[q.start : q.end], q.start, q.end))
    return _separate(findings)


def _separate(findings: Sequence[Finding]) -> list[Finding]:
    """Sort findings by their position and drop those that begin inside an earlier one."""
    separate: list[Finding] = []
    for finding in sorted(findings, key=lambda f: (f.start, -f.end)):
        if not separate or finding.start >= separate[-1].end:
            separate.append(finding)
    return separate


def _claimed(facts: Facts, text: str, language: str, claims: Sequence[_Claim]) -> Iterator[tuple[str, int, int]]:
    """Yield (kind, start, end) of the claims of claims.yaml in a text that the facts do not back.

    If claims of the same kind overlap, only the one listed first is yielded.
    """
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
    """Return True if the words of a claim share a word with the attributes, or if the claim is not strict.

    A strict claim also passes if claim and attributes are in different scripts, since they can share no word.
    """
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
    """Return True if the attributes contain the same number, or the same size.

    A size may be stated in another unit if the values differ by at most TOLERANCE. The number "one" and zero always
    count as backed.
    """
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
    """Return True if two sizes are equal: exactly in the same unit, within TOLERANCE in different units.

    Args:
        quantity: The stated size.
        size: The size of an attribute.
        value: The stated size in the base unit.
        known: The size of the attribute in the base unit.
    """
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
    """Return the extra attribute words that back a claim (key `by` of claims.yaml), as a list of at most one pattern.

    English words must match as whole words, Chinese words anywhere.
    """
    return [rf"(?<![{LATIN}])(?:{claim.by})(?:(?![{LATIN}])|(?<=[\u3400-\u9fff]))"] if claim.by else []
