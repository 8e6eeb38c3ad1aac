"""Reads the numbers of a query: price bounds ("under 50"), amounts with a unit ("500 ml"), clothes sizes ("XL")."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from shopbatch.capabilities.search.understanding.need import Constraint
from shopbatch.capabilities.search.understanding.sides import PIECE, WRITTEN, Number, sides, whole
from shopbatch.capabilities.search.understanding.vocabulary import HAN, fold
from shopbatch.capabilities.search.understanding.words import listed, query_words
from shopbatch.text.letters import LATIN
from shopbatch.text.numerals import english_values, from_chinese, from_english, from_figures, numerals
from shopbatch.text.quantities import fold_width, quantities

_RATINGS = frozenset(("W", "V", "mAh", "GB"))  # only bounds of these filter: "charger 65W" names a model
_WAIST = re.compile(rf"\d{{2}}\s*w[\s/x]*\d{{2}}\s*l(?![{LATIN}])")  # jeans of 32W 34L, not watts or litres
_FIGURES = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_LONGEST = 24  # characters before a number in which words are looked for
_TWO_DIGITS = re.compile(r"[一二三四五六七八九两][一二三四五六七八九][十百千万]")
_COUNTERS = "个只双条件层袋种年月天岁寸人位档口款号码色盒瓶片"


@dataclass(frozen=True)
class Measure:
    """A number of a query, with the constraints that it states.

    Attributes:
        start: Where the number begins, including the words that make it a bound ("under").
        end: Where it ends.
        constraints: The constraints; empty for a number that demands nothing, such as "about 100".
    """

    start: int
    end: int
    constraints: tuple[Constraint, ...] = ()


@dataclass(frozen=True)
class _Bound:
    op: str  # "<=", ">=", "about", or "" for none
    start: int
    end: int


def measures(text: str, raw: str) -> list[Measure]:
    """Return the numbers of a query that mean a price, an amount or a size, in order and without overlaps.

    Args:
        text: The query in small letters and with ASCII digits; as long as `raw`.
        raw: The query as the shopper wrote it; a single letter such as L is read as a size only if it is a capital.
    """
    sizes = list(_sizes(text, raw))
    numbers = [n for n in _numbers(text) if not any(n.start < s.end and s.start < n.end for s in sizes)]
    out, at = [], 0
    while at < len(numbers):
        pair = _range(text, numbers[at], numbers[at + 1]) if at + 1 < len(numbers) else None
        if pair is None and at + 1 < len(numbers):
            pair = _two_sides(text, numbers[at], numbers[at + 1])
        if pair is not None:
            out.append(pair)
            at += 2
            continue
        if (one := _single(text, numbers[at])) is not None:
            out.append(one)
        at += 1
    return _apart([*out, *sizes])


def _apart(candidates: Iterable[Measure]) -> list[Measure]:
    out: list[Measure] = []
    for measure in sorted(candidates, key=lambda m: (m.start, -m.end)):
        if out and measure.start < out[-1].end:
            if measure.end > out[-1].end:
                out.append(replace(measure, start=out[-1].end))
        else:
            out.append(measure)
    return out


def _numbers(text: str) -> list[Number]:
    """Return the numbers of a text with their unit or currency, sorted by place."""
    language = "zh" if HAN.search(text) else "en"
    out = list(sides(text, language))
    places = [(n.start, n.end) for n in out]
    for q in quantities(text, language):
        if q.sizes and not any(q.start < end and start < q.end for start, end in places):
            unit = next(((dim, size) for dim, size in q.sizes if dim in WRITTEN), None)
            word = text[q.start : q.end]
            if word.endswith(("pounds", "块")) or re.fullmatch(r"一?[两寸成度]|[^\d]*[天年日周]", word):
                continue
            if unit is None or any(m.start() <= q.start < m.end() for m in _WAIST.finditer(text)):
                out.append(Number(q.start, q.end, q.number, "?"))
            else:
                name, factor = WRITTEN[unit[0]]
                out.append(Number(q.start, q.end, unit[1] / factor, name))
    taken = list(out)
    for m in _patterns().number.finditer(text):
        start, end = m.span("n")
        if any(start < t.end and t.start < end for t in taken):
            continue
        out.append(Number(m.start(), m.end(), _value(m["n"]), currency=_currency(m["before"] or m["after"])))
    return sorted(out, key=lambda n: n.start)


def _value(written: str) -> float:
    if HAN.match(written):
        return from_chinese(written)
    if written[0].isalpha():
        return from_english(written)
    if written[-1] in "k千百万":
        scale = 1000.0 if written[-1] == "k" else float(numerals().chinese.scales[written[-1]])
        return round(from_figures(written[:-1].strip()) * scale, 6)
    return from_figures(written)


def _range(text: str, low: Number, high: Number) -> Measure | None:
    """Read two numbers joined by a word such as "to" as a lower and an upper bound; None if they are no range.

    "1 to 2 liters": the unit belongs to both numbers. "About 100 to 150" and "100 to 150 or so" demand nothing.
    """
    between = text[low.end : high.start].strip()
    words = _patterns()
    if not words.to.fullmatch(between):
        return None
    before = words.between.search(text[max(0, low.start - _LONGEST) : low.start])
    unit, currency = high.unit or low.unit, low.currency or high.currency
    if between == "and" and not before:
        return None
    if high.unit and not low.unit and high.unit != "?":  # 1 to 2 liters: the unit counts for each number
        factor = high.value / _stated(text, high)
        low = replace(low, value=low.value * factor)
    if not low.currency and low.value < 10 <= high.value / 100 and re.search(r"[k千百万]", text[high.start : high.end]):
        scale = high.value / _stated(text, high)
        low = replace(low, value=low.value * scale)
    start = low.start - len(before.group()) if before else low.start
    end = high.end
    if after := words.inside.match(text, end):
        end = after.end()
    if unit == "?" or (not unit and not currency and not before and not after and low.value < 10):
        return None
    said = words.before.search(text[max(0, start - _LONGEST) : start])
    if (said and said["about"]) or words.about_after.match(text, high.end) or low.value >= high.value:
        return Measure(start, end)
    return Measure(start, end, (_bound(low, ">=", unit, currency), _bound(high, "<=", unit, currency)))


def amounts(text: str) -> list[tuple[str, int, int]]:
    """Return the amounts that a text states, with begin and end: "in 500ml" -> [("500 ml", 3, 8)]."""
    folded = fold(fold_width(text))
    numbers = _numbers(folded)
    out = []
    for at, number in enumerate(numbers):
        following = numbers[at + 1] if at + 1 < len(numbers) else None
        if not number.unit and following is not None and (sides := _two_sides(folded, number, following)):
            out.append((str(sides.constraints[0].value), number.start, number.end))
        if number.unit not in ("", "?"):
            out.append((f"{_short(number.value)} {number.unit}", number.start, number.end))
    return [(value, *whole(folded, start, end, numbers)) for value, start, end in out]


def split_amount(amount: str) -> tuple[float, str]:
    """Split an amount into number and unit ("500 ml" -> (500.0, "ml"))."""
    number, _, unit = amount.partition(" ")
    return float(number), unit


def size_value(text: str) -> str:
    """Return the canonical form of a catalogue's size, as constraints use it ("Large" -> "L")."""
    return _patterns().size_names.get(text.lower().replace("-", " "), text.upper().removesuffix("码"))


def _two_sides(text: str, first: Number, second: Number) -> Measure | None:
    """Read two dimensions such as "150 x 200 cm" as two amounts in cm; None if the numbers are none."""
    if second.unit != "cm" or first.unit not in ("", "cm") or first.currency:
        return None
    if not re.fullmatch(r"\s*(?:x|×|\*|by)\s*", text[first.end : second.start]):
        return None
    if PIECE.match(text, first.start):
        return Measure(first.start, second.end, tuple(_bound(n, "=", "cm", None) for n in (first, second)))
    scale = second.value / _stated(text, second)
    sides = (first if first.unit else replace(first, value=first.value * scale), second)
    return Measure(first.start, second.end, tuple(_bound(n, "=", "cm", None) for n in sides))


def _stated(text: str, number: Number) -> float:
    """Return the number as its digits say it, without unit or scale (1.5 for "1.5 kg")."""
    m = re.search(_FIGURES, text[number.start : number.end])
    return float(m.group().replace(",", "")) if m and float(m.group().replace(",", "")) else number.value or 1.0


def _bound(number: Number, op: str, unit: str, currency: str | None) -> Constraint:
    if unit:
        return Constraint("amount", op, f"{_short(number.value)} {unit}", number.start, number.end)
    return Constraint("price", op, number.value, number.start, number.end, currency)


def _short(value: float) -> str:
    return f"{round(value, 2):.2f}".rstrip("0").rstrip(".")


def _single(text: str, number: Number) -> Measure | None:
    """Read one number: as a bound of an amount or a price, as an exact amount, or as a number that demands nothing.

    Returns:
        None if the number means nothing here, so that its text stays a word of the query.
    """
    bound = _side(text, number)
    if number.unit == "?" or _is_of_shopper(text, bound):
        return Measure(number.start, number.end)
    if _TWO_DIGITS.match(text[number.start :]):  # 两三百: two or three hundred
        return Measure(bound.start, bound.end)
    if number.unit:
        if bound.op == "about" or (not bound.op and number.unit in _RATINGS):
            return Measure(bound.start, bound.end)
        constraint = _bound(number, bound.op or "=", number.unit, None)
        return Measure(bound.start, bound.end, (_placed(constraint, bound),))
    if bound.op in ("<=", ">=") and (number.currency or not _counts(text, number)):
        constraint = _bound(number, bound.op, "", number.currency)
        return Measure(bound.start, bound.end, (_placed(constraint, bound),))
    if bound.op == "about" or number.currency:
        return Measure(bound.start, bound.end)
    return None


def _placed(constraint: Constraint, bound: _Bound) -> Constraint:
    return replace(constraint, start=bound.start, end=bound.end)


def _is_of_shopper(text: str, bound: _Bound) -> bool:
    """Return True if a number describes the shopper's body or the shipping, and so demands nothing of a product."""
    words = _patterns()
    before = words.no_bound.search(text[max(0, bound.start - _LONGEST) : bound.start])
    return bool(before or words.no_bound_after.match(text, bound.end))


def _counts(text: str, number: Number) -> bool:
    """Return True if a number without a currency counts things, so that it is no price.

    Examples are "at least 3 pockets" and 至少3个.
    """
    rest = text[number.end :].lstrip()
    if rest[:1] and rest[0] in _COUNTERS:
        return True
    word = re.match(f"[{LATIN}]+", rest)
    return bool(word and number.value < 20 and word.group().endswith("s"))


def _side(text: str, number: Number) -> _Bound:
    """Find the words before and after a number that make it a bound ("under", "or more") or approximate ("about")."""
    words, start, end, op = _patterns(), number.start, number.end, ""
    if before := words.before.search(text[max(0, start - _LONGEST) : start]):
        start -= len(before.group())
        op = _which(before)
        if op != "about" and (no := words.negated.search(text[max(0, start - _LONGEST) : start])):
            start -= len(no.group())
            op = "<=" if op == ">=" else ">="
    if after := words.after.match(text, end):
        end = after.end()
        op = "about" if after["about"] or op == "about" else op or _which(after)
    return _Bound(op, start, end)


def _which(match: re.Match[str]) -> str:
    return "about" if match["about"] else "<=" if match["most"] else ">="


def _sizes(text: str, raw: str) -> Iterator[Measure]:
    words = _patterns()
    for m in words.size.finditer(text):
        name = m["word"] or m["in_word"] or m["after"] or m["figure"] or m["figure_after"] or ""
        value = words.size_names.get(" ".join(name.replace("-", " ").split()), name.upper())
        yield Measure(m.start(), m.end(), (Constraint("size", "=", value, m.start(), m.end()),))
    for m in words.letter.finditer(raw):
        yield Measure(m.start(), m.end(), (Constraint("size", "=", words.letter_name(m.group()), m.start(), m.end()),))


def bare_size(text: str) -> str | None:
    """Return the size that a lone word or number means beside clothes or shoes; None if it cannot be a size."""
    if re.fullmatch(r"\d{2,3}(?:\.5)?", text):
        return text if 20 <= float(text) <= 60 or 70 <= float(text) <= 200 else None
    return _patterns().size_names.get(text.replace("-", " ")) if text not in ("small", "medium", "large") else None


@dataclass(frozen=True)
class _Patterns:
    number: re.Pattern[str]
    before: re.Pattern[str]
    after: re.Pattern[str]
    negated: re.Pattern[str]
    no_bound: re.Pattern[str]
    no_bound_after: re.Pattern[str]
    about_after: re.Pattern[str]
    between: re.Pattern[str]
    inside: re.Pattern[str]
    to: re.Pattern[str]
    size: re.Pattern[str]
    letter: re.Pattern[str]
    size_names: dict[str, str]

    def letter_name(self, written: str) -> str:
        return self.size_names.get(written.lower(), written.upper())


@lru_cache(maxsize=1)
def _currencies() -> dict[str, str]:
    return {name: code for w in query_words() for code, names in w.price.currency.items() for name in names}


def _currency(written: str | None) -> str | None:
    return _currencies().get(" ".join(written.split())) if written else None


def _any(names: Iterable[str]) -> str:
    """Return a regular expression that matches any of the names, the longest first; Latin names only as whole words."""
    out = []
    for name in sorted(set(names), key=lambda n: (-len(n), n)):
        pattern = re.escape(name).replace(r"\ ", r"\s+")
        left = f"(?<![{LATIN}0-9])" if name[0].isascii() and name[0].isalnum() else ""
        right = f"(?![{LATIN}])" if name[-1].isascii() and name[-1].isalpha() else ""
        out.append(f"{left}{pattern}{right}")
    return "|".join(out)


@lru_cache(maxsize=1)
def _patterns() -> _Patterns:
    prices = [w.price for w in query_words()]
    money = _any(_currencies())
    filler = _any(name for p in prices for name in p.filler)
    most, least, about = (_any(n for p in prices for n in getattr(p, k)) for k in ("at_most", "at_least", "about"))
    least = (
        rf"{least}|(?<![{LATIN}])(?:deep|wid|tall|long|heavi|bigg|larg|high|broad|thick|dear|pric|great|old)i?er\s+than"
    )
    least += rf"|(?<![{LATIN}])more\s+expensive\s+than"
    most = rf"{most}|(?<![{LATIN}])(?:cheap|small|short|narrow|light|thinn|low|few|shallow)er\s+than"
    most_after, least_after, about_after = (
        _any(n for p in prices for n in getattr(p, k)) for k in ("at_most_after", "at_least_after", "about_after")
    )
    counted = "|".join(sorted([*english_values(), *numerals().english.scales], key=len, reverse=True))
    english = rf"\b(?:a\s+)?(?:{counted})(?:(?:[\s-]+|\s+and\s+)(?:{counted}))*\b"
    chinese = r"[一二两三四五六七八九十百千万][零〇一二两三四五六七八九十百千万]*"
    number = (
        rf"(?:(?P<before>{money})\s*)?"
        rf"(?P<n>(?<![{LATIN}0-9_.]){_FIGURES}(?:\s?k(?![{LATIN}])|\s?[千百万])?(?![\d.]*\d)|(?<![{LATIN}]){english}|{chinese})"
        rf"(?:\s*(?P<after>{money}))?"
    )
    names = {n: size for w in query_words() for size, listed in w.size.words.items() for n in listed}
    latin = [n for n in names if not HAN.search(n)]
    before_word = _any(n for w in query_words() for n in w.size.before_word)
    size_before = _any(n for w in query_words() for n in w.size.before)
    size_after = _any(n for w in query_words() for n in w.size.after)
    code = r"\d{0,1}x{0,4}[sml]"
    figure = r"\d{1,3}(?:\.5)?"
    size = (
        rf"(?:{size_before})\s*(?:is\s+|a\s+|an\s+|[:：]\s*)?(?:(?P<word>{_any(latin)}|{code}(?![{LATIN}0-9]))"
        rf"|(?P<figure>{figure})(?![\d.%]|,\d|\s*(?:[x×*年月日度]|{money}|cm|mm|ml|g\b|kg|l\b)))(?:{size_after})?"
        rf"|(?<![{LATIN}0-9.])(?:(?P<after>{code}|{_any(latin)})\s*|(?P<figure_after>{figure})\s*)(?:{size_after})(?!前|之前|送|到|电池|线|楼|左右|上下)"
        rf"|(?:{before_word})\s+(?:an?\s+)?(?P<in_word>{_any(latin)})(?=\s*(?:$|[,.;?!]|please|or less|for|with|under))"
    )
    gap = rf"\s*(?:(?:{filler})\s*)*"
    return _Patterns(
        number=re.compile(number),
        before=re.compile(rf"(?:(?P<about>{about})|(?P<most>{most})|(?P<least>{least})){gap}$"),
        after=re.compile(rf"\s*(?:的)?(?:(?P<about>{about_after})|(?P<most>{most_after})|(?P<least>{least_after}))"),
        negated=re.compile(rf"(?:{_any(n for p in prices for n in p.negated)}){gap}$"),
        no_bound=re.compile(rf"(?:{_any(listed('no_bound'))})\s*(?:is|are|was|about|only|of|for)?\s*(?:{money})?$"),
        no_bound_after=re.compile(rf"\s*(?:{_any(listed('no_bound_after'))})"),
        about_after=re.compile(rf"\s*(?:{about_after})"),
        between=re.compile(rf"(?:{_any(n for p in prices for n in p.between)})(?:\s*(?:in|of|is|的|在|:|：))*{gap}$"),
        inside=re.compile(r"\s*(?:之间|以内|之内|区间|range|的价位|价位)"),
        to=re.compile(_any(n for p in prices for n in p.to)),
        size=re.compile(size),
        letter=re.compile(rf"(?<![{LATIN}0-9'’&.-])(?:[2-5]?[Xx]{{1,4}}[SsLl]|[SML])(?![{LATIN}0-9'’&.-])"),
        size_names=names,
    )
