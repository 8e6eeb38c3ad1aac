"""Whether copy says only what the product's attributes say: each claim in it that they do not back, with its place.

Claims are numbers and sizes (quantities.py), names of brands (brands.py), and the words of claims.yaml: materials,
certificates, effects on health and on nature, prices, promises. English and Chinese; either may back the other.
Any other word is free: no rule here knows whether a pickle is crisp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import yaml

from shopbatch.grounding.brands import brands
from shopbatch.grounding.quantities import FULLWIDTH, Quantity, amount, quantities
from shopbatch.grounding.spoken import spoken

VERSION = 1  # of all that this package finds; another one judges kept texts anew
TOLERANCE = 0.02  # of a size that is restated in another unit
_MONEY = re.compile(
    r"[\s-]*(?:dollars?|cents?|euros?|bucks?|pence|yuan|美元|元|欧元|钱|毛)|[零一二三四五六七八九]毛", re.I
)
KINDS = ("number", "size", "brand", "material", "certification", "health", "environment", "price", "promise", "banned")


@dataclass(frozen=True)
class Finding:
    """A claim without backing: its kind (of KINDS), its words, and where they stand in the text."""

    kind: str
    span: str
    start: int
    end: int


@dataclass(frozen=True)
class _Claim:
    kind: str
    english: re.Pattern[str]
    chinese: re.Pattern[str]
    backing: re.Pattern[str]
    amount: bool


@dataclass(frozen=True)
class _Words:
    idioms: Mapping[str, re.Pattern[str]]
    claims: tuple[_Claim, ...]


class Facts:
    """What is known of a product. attributes: columns of `products`; null and blank ones say nothing."""

    def __init__(self, attributes: Mapping[str, str | None]) -> None:
        said = [v.translate(FULLWIDTH) for v in attributes.values() if v]
        said += [s for v in said if (s := spoken(v)) and s != v]  # abbreviations written out: PLSTC is plastic
        self.text = " \n ".join(said)
        self.small = re.sub(r"['’]", "", self.text.lower())
        self.brand = attributes.get("brand") or ""
        size = (attributes.get("package_size") or "").strip()
        alone = f"1 {size}" if size and not any(c.isdigit() for c in size) else ""  # PT: a pint
        found = [q for t in (*said, alone) for language in ("en", "zh") for q in quantities(t, language)]
        self.sizes = [q for q in found if q.sizes]
        self.numbers = {round(q.number, 6) for q in found}


def check(
    facts: Facts | Mapping[str, str | None], text: str, language: str, banned: Sequence[re.Pattern[str]] = ()
) -> list[Finding]:
    """What `text` claims beyond the attributes, in order, none within another.

    language: zh, or any other, which is read as English. banned: patterns of claims that may not be made at all.
    """
    known = facts if isinstance(facts, Facts) else Facts(facts)
    plain = text.translate(FULLWIDTH)
    words = _words()
    idioms = words.idioms["zh" if language == "zh" else "en"]
    rest = idioms.sub(lambda m: "\x00" * len(m.group()), plain)
    found = [Finding("banned", m.group(), *m.span()) for p in banned for m in p.finditer(plain)]
    for kind, start, end in _claimed(known, rest, language, words.claims):
        found.append(Finding(kind, text[start:end], start, end))
    found += [Finding("brand", text[a:b], a, b) for a, b in brands(rest, known.small, known.brand, language)]
    found += [
        Finding("size" if q.sizes else "number", text[q.start : q.end], q.start, q.end)
        for q in quantities(rest, language)
        if not backed(q, known) and not _money(rest, q)
    ]
    apart: list[Finding] = []
    for one in sorted(found, key=lambda f: (f.start, -f.end)):
        if not apart or one.start >= apart[-1].end:
            apart.append(one)
    return apart


def _claimed(facts: Facts, text: str, language: str, claims: Sequence[_Claim]) -> Iterator[tuple[str, int, int]]:
    """(kind, start, end) of the words that claim something without backing; what one claim covers is no other's."""
    kind, left = "", text
    for claim in claims:
        if claim.kind != kind:
            kind, left = claim.kind, text
        pattern = claim.chinese if language == "zh" else claim.english
        spans = [m.span() for m in pattern.finditer(left) if m.end() > m.start()]
        if not spans:
            continue
        backs = claim.backing.search(facts.text)
        sums = {amount(m.group()) for m in claim.backing.finditer(facts.text)} if claim.amount and backs else set()
        for a, b in spans:
            if not backs or (claim.amount and amount(left[a:b]) not in sums):
                yield kind, a, b
            left = left[:a] + "\x00" * (b - a) + left[b:]


def _money(text: str, said: Quantity) -> bool:
    """Whether a number is one of a sum of money: that is a claim of its own (kind price)."""
    return bool(_MONEY.match(text[said.end : said.end + 12]) or (said.start and text[said.start - 1] in "$£€¥￥"))


def backed(said: Quantity, facts: Facts) -> bool:
    """Whether the attributes hold the same number, or the same size in this unit or, within TOLERANCE, in another."""
    if said.one or not (said.number or said.sizes):
        return True
    if not said.sizes:
        return round(said.number, 6) in facts.numbers
    for dimension, value in said.sizes:
        for size in facts.sizes:
            for other, known in size.sizes:
                same_unit = abs(said.number - size.number) < 1e-9 and abs(value - known) < 1e-6 * known
                if other == dimension and (same_unit or (_other_unit(said, size, value, known))):
                    return True
    return False


def _other_unit(said: Quantity, size: Quantity, value: float, known: float) -> bool:
    """Whether a size in another unit is the same within rounding; in the same unit it is exact or wrong."""
    factors = {round(v / said.number, 9) for _, v in said.sizes} & {round(v / size.number, 9) for _, v in size.sizes}
    return abs(value - known) <= (1e-6 if factors else TOLERANCE) * known


@lru_cache(maxsize=1)
def _words() -> _Words:
    tree = yaml.safe_load(resources.files("shopbatch.grounding").joinpath("claims.yaml").read_text("utf-8"))
    claims = tuple(
        _Claim(
            kind,
            _english(one["en"]),
            re.compile(one["zh"], re.I),
            re.compile(f"{_english(one['en']).pattern}|{one['zh']}" + (f"|{one['by']}" if "by" in one else ""), re.I),
            bool(one.get("amount")),
        )
        for kind, listed in tree["claims"].items()
        for one in listed
    )
    idioms = {
        "en": _english("|".join(tree["idioms"]["en"])),
        "zh": re.compile("|".join(tree["idioms"]["zh"])),
    }
    return _Words(idioms, claims)


def _english(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])", re.I)
