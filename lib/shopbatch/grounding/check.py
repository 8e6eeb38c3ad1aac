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
from shopbatch.text.quantities import FULLWIDTH, Quantity, amount, quantities
from shopbatch.text.spoken import spoken

VERSION = 2  # of all that this package finds; another one judges kept texts anew
TOLERANCE = 0.02  # of a size that is restated in another unit
_NOTHING = (
    "free with from without than that will never made safe very only zero contains added artificial solid wood "
    "product grown raised harvested farmed produced bottled imported"
)
_EMPTY = frozenset(_NOTHING.split())  # words of wide claims that say nothing by themselves
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
    strict: bool

    def of(self, language: str) -> re.Pattern[str]:
        return self.chinese if language == "zh" else self.english


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
        found = [q for t in (*said, alone) for q in _read(t)]
        self.sizes = [q for q in found if q.sizes]
        prices = (m.group() for c in _words().claims if c.amount for m in c.backing.finditer(self.text))
        self.sums = {amount(p) for p in prices}
        self.numbers = {round(q.number, 6) for q in found if not q.sizes}  # 22 LB is not 22 pieces


def _read(said: str) -> list[Quantity]:
    """Quantities of an attribute, in the language it is in: both where it has Chinese signs."""
    chinese = any("\u4e00" <= c <= "\u9fff" for c in said)
    return quantities(said, "en") + (quantities(said, "zh") if chinese else [])


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
    sums = [m.span() for c in words.claims if c.amount for m in c.of(language).finditer(rest)]  # claims of their own
    found += [
        Finding("size" if q.sizes else "number", text[q.start : q.end], q.start, q.end)
        for q in quantities(rest, language)
        if not backed(q, known) and not any(a < q.end and q.start < b for a, b in sums)
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
        spans = [m.span() for m in claim.of(language).finditer(left) if m.end() > m.start()]
        if not spans:
            continue
        backs = bool(claim.backing.search(facts.text))
        sums = facts.sums if claim.amount else set()
        for a, b in spans:
            held = amount(left[a:b]) in sums if claim.amount else backs and _alike(claim, left[a:b], facts)
            if not held:
                yield kind, a, b
            left = left[:a] + "\x00" * (b - a) + left[b:]


def _alike(claim: _Claim, said: str, facts: Facts) -> bool:
    """Whether a claim of a wide concept shares a word with the attributes; in another script nothing can be shared."""
    if not claim.strict or any(c > "\u2e80" for m in claim.backing.finditer(facts.text) for c in m.group()) != (
        not said.isascii()
    ):
        return True
    if not said.isascii():
        return any(said[k : k + 2] in facts.text for k in range(len(said) - 1))
    words = [w for w in re.findall(r"[a-z]{4,}", said.lower()) if w not in _EMPTY]
    return any(w[:5] in facts.small.replace("-", "") for w in words) or not words


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
    if not said.number or not size.number:
        return False
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
            re.compile("|".join([_english(one["en"]).pattern, one["zh"], *_besides(one)]), re.I),
            bool(one.get("amount")),
            bool(one.get("strict")),
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


def _besides(one: Mapping[str, str]) -> list[str]:
    """What else in the attributes backs a claim: whole words where it is English, whatever stands around Chinese."""
    return [rf"(?<![a-z])(?:{one['by']})(?:(?![a-z])|(?<=[^\x00-\x7f]))"] if "by" in one else []
