"""Numbers and sizes in a text, in figures and in words, English and Chinese: where they stand, what they are worth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

from shopbatch.text.units import BARE_EN, BY_NAME, EN_NAMES, MEASURES_ZH, ZH_NAMES

# every sign for one of ASCII that means the same: full-width forms, dashes, blanks; Chinese punctuation stays
FULLWIDTH: dict[int, int] = {0xFF01 + i: 0x21 + i for i in range(94) if chr(0xFF01 + i) not in "，：；！？（）"}
FULLWIDTH |= dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE63), ord("-"))
FULLWIDTH |= dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), ord(" "))
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {w: float(i) for i, w in enumerate(_ONES.split())}
_WORDS |= {w: 10.0 * i for i, w in enumerate(_TENS.split(), 2)}
_SCALES = {"hundred": 100.0, "thousand": 1000.0, "million": 1e6, "dozen": 12.0, "dozens": 12.0}
_PARTS = {"half": 0.5, "third": 1 / 3, "thirds": 1 / 3, "quarter": 0.25, "quarters": 0.25}
_SIGNS = {"½": 0.5, "¼": 0.25, "¾": 0.75, "⅓": 1 / 3, "⅔": 2 / 3}
_COUNTED = "|".join(sorted([*_WORDS, *_SCALES], key=len, reverse=True))
_ANY = f"{_COUNTED}|half|quarters?|thirds?"
# the 3.5 of 6/3.5 is a size, no part of a fraction
_FIGURES = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s?[½¼¾⅓⅔]|(?:[\s-]\d+)?/\d+(?![\d/]|\.\d))?|\.\d+|[½¼¾⅓⅔]"
_SPELLED = (
    rf"(?:(?:a|half a)[\s-]+(?=(?:hundred|thousand|million|dozen)\b))?(?:{_COUNTED}|half|(?:a\s+)?quarter|a\s+third)"
    rf"(?:(?:[\s-]+|[\s-]+and[\s-]+(?:a[\s-]+)?)(?:{_ANY})\b)*(?:[\s-]+point(?:[\s-]+(?:{_COUNTED}))+)?"
)
# a size word may follow at once, after a hyphen, or after "of a"
_QUANTITY_EN = re.compile(
    rf"(?<![\w.])(?:(?P<figures>{_FIGURES})|(?P<spelled>\b(?:{_SPELLED})\b))"
    rf"(?:(?P<gap>[\s-]*(?:(?:of\s+)?(?:an?|the)\s+)?(?:whole\s+|full\s+)?)(?P<unit>{EN_NAMES})(?![A-Za-z²])"
    r"(?P<more>\s+and\s+a\s+(?:half|quarter)\b)?)?",
    re.I,
)
_BARE_EN = re.compile(
    rf"\b(?:an?|per|full|whole)[\s-]+(?:full[\s-]+|whole[\s-]+|generous\s+|single\s+)?(?P<unit>{BARE_EN})\b"
    r"(?P<more>\s+and\s+a\s+(?:half|quarter)\b)?",
    re.I,
)
_PAIR = re.compile(
    r"\ba pair of (?!jeans|trousers|pants|shorts|socks|shoes|boots|gloves|scissors|glasses|leggings|hands)"
)
_LISTED = re.compile(r"\s*\d{1,2}[.)](?:\s|$)")  # the number of a line in a list
_DIGIT_ZH = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_SCALE_ZH = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}
_NUMBER_ZH = (
    r"(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)[万千百]?"
    r"|[零〇一二两三四五六七八九十百千万亿]{1,16}(?:点[零〇一二三四五六七八九]{1,9})?|半"
)
_QUANTITY_ZH = re.compile(
    rf"(?<![第每\d.])(?P<number>{_NUMBER_ZH})(?P<more>半)?\s*(?:多|来)?(?P<unit>{ZH_NAMES}|{MEASURES_ZH})(?P<tail>半)?"
)
_PERCENT_ZH = re.compile(r"百分之(\d+(?:\.\d+)?|[零〇一二两三四五六七八九十百]{1,8})")
_FIGURES_ZH = re.compile(r"(?<![\d.A-Za-z-])(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)")


@dataclass(frozen=True)
class Quantity:
    """value: in the dimension's base unit (g, ml, mm, mm2, s, ...); ounces have two: weight and volume.

    sizes: {dimension: value}; {} for a plain number or a count. number: as it is said. one: it says just "one".
    """

    start: int
    end: int
    number: float
    sizes: tuple[tuple[str, float], ...] = ()
    one: bool = False


def quantities(text: str, language: str) -> list[Quantity]:
    """All of them, in order. text: as it is; full-width digits count as digits."""
    text = text.translate(FULLWIDTH)
    if language == "zh":
        figures = (Quantity(m.start(), m.end(), _figures(m.group())) for m in _FIGURES_ZH.finditer(text))
        found = [*_chinese(text), *figures]
    else:
        found = list(_english(text))
    apart: list[Quantity] = []
    for q in sorted(found, key=lambda q: (q.start, -q.end)):  # a part of a longer one is none of its own
        if not apart or q.start >= apart[-1].end:
            apart.append(q)
    return apart


def packs(said: str) -> tuple[int, int] | None:
    """(12, 16) of 12/16, which before a unit is twelve of 16 each. None: no such two numbers, or a fraction: 3/4."""
    m = re.fullmatch(r"(\d+)/(\d+)", said)
    if not m:
        return None
    count, each = int(m[1]), int(m[2])
    fraction = count < each and each in (2, 3, 4, 8, 16) and gcd(count, each) == 1
    return None if fraction else (count, each)


def amount(said: str) -> float:
    """A sum of money in its main unit: `nine dollars and ninety-nine cents`, `$9.99`, `九块九`. NaN: there is none."""
    if m := re.search(
        rf"({_NUMBER_ZH})(?:元|块|美元|欧元|英镑)([一二三四五六七八九])?(?:毛|角)?([一二三四五六七八九])?", said
    ):
        parts = [m[1], m[2] or "零", m[3] or "零"]
        return round(sum(chinese(p) / (1, 10, 100)[i] for i, p in enumerate(parts)), 6)
    found = [q.number for q in _english(said)]
    if re.search(r"cents?|pence|¢", said):
        found[-1:] = [n / 100 for n in found[-1:]]
    return round(sum(found), 6) if found else float("nan")


def _english(text: str) -> Iterator[Quantity]:
    for m in _QUANTITY_EN.finditer(text):
        if m["figures"] and _LISTED.match(text[text.rfind("\n", 0, m.start()) + 1 : m.end() + 2]):
            continue
        said = m["figures"] or m["spelled"]
        number = _figures(said) if m["figures"] else spelled(said)
        unit = (m["unit"] or "").lower()
        # "24 in the pack" is no length; "24in", "24-in", "24 in." are
        if unit in ("in", "m", "l", "g", "a", "w", "v") and m["gap"].strip(" ") not in ("", "-"):
            unit = ""
        if unit == "in" and m["gap"] == " " and re.match(r"\s+[a-z]", text[m.end("unit") :]):
            unit = ""
        if m["more"] and unit:
            number += 0.25 if "quarter" in m["more"] else 0.5
        end = m.end() if unit else m.end("figures" if m["figures"] else "spelled")
        if unit and (of := packs(said)):
            slash = m.start() + said.index("/")
            yield Quantity(m.start(), slash, float(of[0]))
            yield _quantity(slash + 1, end, float(of[1]), unit, False)
            continue
        yield _quantity(m.start(), end, number, unit, said.lower() == "one")
    for m in _BARE_EN.finditer(text):
        number = 1.0 + (0 if not m["more"] else 0.25 if "quarter" in m["more"] else 0.5)
        if not re.search(rf"(?:{_ANY})\s+(?:of\s+)?$", text[: m.start()], re.I):
            yield _quantity(m.start(), m.end(), number, m["unit"].lower(), False)
    for m in _PAIR.finditer(text):
        yield Quantity(m.start(), m.end(), 2.0)


def _chinese(text: str) -> Iterator[Quantity]:
    for m in _PERCENT_ZH.finditer(text):
        yield _quantity(m.start(), m.end(), chinese(m[1]), "%", False)
    for m in _QUANTITY_ZH.finditer(text):
        number = chinese(m["number"]) + (0.5 if m["more"] or m["tail"] else 0)
        unit = m["unit"]
        if unit in ("打", "打儿"):
            yield Quantity(m.start(), m.end(), number * 12)
        else:
            yield _quantity(m.start(), m.end(), number, unit, m["number"] in ("一", "1"))


def _quantity(start: int, end: int, number: float, unit: str, one: bool) -> Quantity:
    sizes = BY_NAME.get(re.sub(r"[\s.-]+", "", unit).lower(), ())
    if sizes and sizes[0][0] == "count":  # 2 dozen count as 24, a pack of 6 as 6
        return Quantity(start, end, number * sizes[0][1], one=one)
    return Quantity(start, end, number, tuple((d, number * f) for d, f in sizes), one and not sizes)


def _figures(said: str) -> float:
    said = said.replace(",", "").strip()
    for sign, part in _SIGNS.items():
        if said.endswith(sign):
            return float(said[:-1].strip() or 0) + part
    if "/" in said:
        whole, _, fraction = said.replace("-", " ").rpartition(" ")
        above, below = fraction.split("/")
        return float(whole or 0) + float(above) / (float(below) or 1)
    scale = _SCALE_ZH.get(said[-1])
    return float(said[:-1]) * scale if scale else float(said)


def spelled(said: str) -> float:
    """`seventy-five`, `a hundred and twenty`, `half a dozen`, `two and a half`, `three quarters`, `one point five`."""
    whole, _, decimals = re.sub(r"[\s-]+", " ", said.lower()).partition(" point ")
    total = current = 0.0
    for word in whole.split():
        if word in _WORDS:
            current += _WORDS[word]
        elif word in ("thousand", "million"):
            total, current = total + (current or 1) * _SCALES[word], 0.0
        elif word in _SCALES:
            current = (current or 1) * _SCALES[word]
        elif word in _PARTS:
            many = word.endswith("s") and current
            current = current * _PARTS[word] if many else current + _PARTS[word]
    if decimals:
        current += float("0." + "".join(str(int(_WORDS.get(w, 0))) for w in decimals.split()))
    return total + current


def chinese(said: str) -> float:
    """`十二`, `两百五`, `一千五百`, `半`, `一点五`, `3万`."""
    if said == "半":
        return 0.5
    if said[0].isdigit() or said[0] == ".":
        return _figures(said)
    whole, _, decimals = said.partition("点")
    if len(whole) > 1 and not set(whole) & set(_SCALE_ZH):  # 二〇二六: figures read one by one
        return float("".join(str(_DIGIT_ZH[c]) for c in whole))
    total, section, digit, last = 0, 0, 0, 1
    for c in whole:
        if c in _DIGIT_ZH:
            digit = _DIGIT_ZH[c]
            last = 1 if c in "零〇" else last
        elif _SCALE_ZH[c] >= 10_000:
            total, section, digit, last = (total + section + digit or 1) * _SCALE_ZH[c], 0, 0, _SCALE_ZH[c]
        else:
            section, digit, last = section + (digit or 1) * _SCALE_ZH[c], 0, _SCALE_ZH[c]
    total += section + digit * (last // 10 if last >= 100 and whole[-1] in _DIGIT_ZH and whole[-2] not in "零〇" else 1)
    return total + (float("0." + "".join(str(_DIGIT_ZH[c]) for c in decimals)) if decimals else 0.0)
