"""A catalogue's values as a person would say them: names, sizes, brands. Nothing is added, no unit converted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.abbreviations import ACRONYMS, GROWN, PHRASES, PROPER, SPLITTERS, WORDS
from shopbatch.text.quantities import packs

_PHRASES = re.compile(
    r"(?<![A-Z0-9])(" + "|".join(re.escape(p) for p in sorted(PHRASES, key=len, reverse=True)) + r")(?![A-Z0-9])"
)
_SPLITTER = re.compile(r"\b(" + "|".join(sorted(SPLITTERS)) + r"|supplements)-(?=[A-Z])|-(?=(?:BULK|PREPACK|PRPCK)$)")
_PARENTHESIS = re.compile(r"\(([^()]*)(\)|$)")
_CUT = 30  # letters of a type that the catalogue keeps
_STUMP = re.compile(r"(?<=[ &/])(?!(?:" + "|".join(re.escape(w) for w in WORDS) + r")$)[A-Z]{1,3}$")
_PROPER = {word.upper(): word for word in PROPER}
_FRONT = ("other", "others", "miscellaneous")  # named last in a catalogue, said first
_SINGULAR = frozenset((
    "asparagus", "bass", "business", "canvas", "christmas", "citrus", "fitness", "gas", "glass", "grass", "hummus",
    "molasses", "plus", "swiss", "tennis",
))  # fmt: skip
_SHOWN_CASE = re.compile(r"(EU|UK|US|IT|FR|DE) ?\d|X*[SML]|\d*X+L")
_ROMAN = re.compile(r"[IVX]{2,}|X+[SL]")
_NUMBER = r"(?:\d+ \d+/\d+|\d+/\d+|\d*\.?\d+)"
_MEASURE = re.compile(rf"({_NUMBER}(?:\s*-\s*{_NUMBER})?)[\s-]*([A-Za-z][A-Za-z ]*?)\.?")


@dataclass(frozen=True)
class Unit:
    """How an amount of a unit is said. plain: after the number; long: singular and plural; wholes: other nouns."""

    plain: str
    long: tuple[str, str]
    wholes: tuple[str, ...] = ()


_PACK = ("a pack of {}", "{} pieces")
UNITS = {
    "OZ": Unit("oz", ("ounce", "ounces")),
    "FL OZ": Unit("fl oz", ("fluid ounce", "fluid ounces")),
    "LB": Unit("lb", ("pound", "pounds")),
    "CT": Unit("count", ("count", "count"), _PACK),
    "PK": Unit("pack", ("pack", "pack"), ("a pack of {}",)),
    "PC": Unit("pc", ("piece", "pieces")),
    "ML": Unit("ml", ("milliliter", "milliliters")),
    "CL": Unit("cl", ("centiliter", "centiliters")),
    "L": Unit("L", ("liter", "liters")),
    "G": Unit("g", ("gram", "grams")),
    "KG": Unit("kg", ("kilogram", "kilograms")),
    "IN": Unit("inch", ("inch", "inches")),
    "FT": Unit("ft", ("foot", "feet")),
    "SQ FT": Unit("sq ft", ("square foot", "square feet")),
    "CM": Unit("cm", ("centimeter", "centimeters")),
    "MM": Unit("mm", ("millimeter", "millimeters")),
    "M": Unit("m", ("meter", "meters")),
    "YD": Unit("yd", ("yard", "yards")),
    "PT": Unit("pt", ("pint", "pints")),
    "QT": Unit("qt", ("quart", "quarts")),
    "GAL": Unit("gal", ("gallon", "gallons")),
    "DZ": Unit("dozen", ("dozen", "dozen")),
    "STEM": Unit("stem", ("stem", "stems")),
    "LOAD": Unit("load", ("load", "loads")),
    "SHEET": Unit("sheet", ("sheet", "sheets")),
    "ROLL": Unit("roll", ("roll", "rolls")),
    "CTN": Unit("carton", ("carton", "cartons")),
    "KIT": Unit("kit", ("kit", "kits")),
    "MG": Unit("mg", ("milligram", "milligrams")),
    "GB": Unit("GB", ("gigabyte", "gigabytes")),
    "TB": Unit("TB", ("terabyte", "terabytes")),
    "W": Unit("W", ("watt", "watts")),
}
_SAME = {
    "GA": "GAL", "LOADS": "LOAD", "LD": "LOAD", "LDS": "LOAD", "STEMS": "STEM", "SHEETS": "SHEET", "ROLLS": "ROLL",
    "DOZ": "DZ", "DOZEN": "DZ", "GM": "G", "INCH": "IN", "INCHES": "IN", "PCS": "PC", "PIECES": "PC", "OZS": "OZ",
    "LBS": "LB", "PACK": "PK", "COUNT": "CT", "PINT": "PT", "LITRE": "L", "LITER": "L", "GRAMS": "G", "FEET": "FT",
}  # fmt: skip
_ALONE = {
    "LARGE": "large", "MED": "medium", "MEDIUM": "medium", "SMALL": "small", "SML": "small", "X-LARGE": "extra large",
    "KING": "king", "QUEEN": "queen", "MINI": "mini", "HALF GAL": "half gallon", "SM/MED": "small/medium",
}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """shown: after a colon. amounts: as a noun ("24 ounces"). sized: before a noun ("24-ounce")."""

    shown: tuple[str, ...]
    amounts: tuple[str, ...]
    sized: tuple[str, ...]


@lru_cache(maxsize=65536)
def spoken(value: str, glue: str = "and") -> str:
    """A name in small letters, abbreviations written out, without codes. glue: what a slash or comma is said as.

    `BREAD:ITALIAN/FRENCH` is "bread (Italian or French)" with glue "or"; "" where nothing can be said.
    """
    text = " ".join(value.split())
    if text != text.upper():
        return _as_written(text, glue)
    if len(text) >= _CUT:
        text = _STUMP.sub("", text)
    text = _PARENTHESIS.sub(lambda m: _aside(m[1], bool(m[2])), text)
    text = _PHRASES.sub(lambda m: PHRASES[m[1]].replace(" ", "\0"), text)
    text = re.sub(r"-MAGAZINE$", " MAGAZINE", text)
    parts = re.split(r"\s*:\s*|\s+-\s*|\s*-\s+", _SPLITTER.sub(lambda m: f"{m[1] or ''} : ", text))
    said = [s for s in (_words(part, glue) for part in parts) if s]
    if not said:
        return ""
    rest = " ".join(said[1:]).replace("(", "").replace(")", "")
    return f"{said[0]} ({rest})" if rest and "(" not in said[0] else " ".join([said[0], rest]).strip()


def _aside(inside: str, closed: bool) -> str:
    """A parenthesis that is whole and holds words is kept; codes and what the catalogue cut off are not."""
    known = closed and re.fullmatch(r"[A-Z &/-]{3,}", inside) and not inside.startswith(("EX", "INCL"))
    return f" : {inside} " if known else " "


def _words(part: str, glue: str) -> str:
    text = re.sub(r"\bW/(?=[A-Z])", "WITH ", part)
    text = re.sub(r"(?<=\D)\s*/\s*(?=\D)", f" {glue} ", text)
    text = re.sub(r"\s*&\s*", " and ", text)
    text = re.sub(r",(?=[^\s\0])", ", ", text)
    kept = [w for w in (_word(w) for w in text.split(" ")) if w]
    while kept and kept[-1] in ("and", "or", ",", "with", "including", "-"):
        kept.pop()
    while kept and kept[0] in ("and", "or", ",", "-"):
        kept.pop(0)
    while len(kept) > 1 and kept[-1].lower() in _FRONT and kept[0] != "all":
        kept = [kept[-1], *kept[:-2]] if kept[-2] == "all" and len(kept) > 2 else [kept[-1], *kept[:-1]]
        if kept[0] == "others":
            kept[0] = "other"
    said = re.sub(r"\b(and|or)( (?:and|or))+\b", r"\1", " ".join(kept)).replace("\0", " ")
    return re.sub(rf" {glue} (?=.* {glue} )", ", ", said)


def _word(word: str) -> str:
    if "\0" in word:
        return re.sub(r"\b[A-Z]{2,}(?=-)|(?<=-)[A-Z]{2,}\b", lambda m: m[0].lower(), word)
    if not word.isupper():
        return word
    if word in WORDS:
        return WORDS[word]
    if word in _PROPER:
        return _PROPER[word]
    if word in ACRONYMS:
        return word
    if "-" in word:
        return "-".join(_word(w) or w.lower() for w in word.split("-"))
    counted = re.fullmatch(r"(\d+)(PK|PC)", word)
    return f"{counted[1]}-{'pack' if counted[2] == 'PK' else 'piece'}" if counted else word.lower()


def _as_written(text: str, glue: str) -> str:
    """A name that has small letters: words with several capitals or digits stay as they are."""
    text = re.sub(r"\s*/\s*", f" {glue} ", re.sub(r"\s*&\s*", " and ", text))
    words = [WORDS.get(w.upper(), w) if w.upper() == "INITMATES" else w for w in text.split()]
    text = re.sub(rf" {glue} (?=.* {glue} )", ", ", " ".join(words))
    words = text.split()
    return " ".join(w if sum(c.isupper() for c in w) > 1 or any(c.isdigit() for c in w) else _small(w) for w in words)


def _small(word: str) -> str:
    return word if word in PROPER else word.lower()


def titled(title: str) -> str:
    """A title as it is printed: shouted words calmed, codes kept, no blanks or signs at its ends."""
    text = " ".join(title.split()).strip(" -/|*!.,;:#~_")
    if text == text.upper() and any(c.isalpha() for c in text):
        text = " ".join(w if any(c.isdigit() for c in w) else _capital(w) for w in text.split())
    return text


def _capital(word: str) -> str:
    return "-".join(p if p in ACRONYMS or _ROMAN.fullmatch(p) else p[:1] + p[1:].lower() for p in word.split("-"))


def many(name: str) -> bool:
    """Whether a name is of several things: "potato chips" and "apples Gala" are, "asparagus" is not."""
    words = re.findall(r"[A-Za-z']+", re.split(r"[(,]| - | with | without | in | for | of ", name)[0])
    words = [w for w in words if len(w) > 2] or words
    if words and words[0].lower() in GROWN:
        return True
    last = words[-1].lower() if words else ""
    return last.endswith("s") and not last.endswith(("ss", "'s")) and last not in _SINGULAR


@lru_cache(maxsize=16384)
def size(value: str) -> Size:
    """The ways to say a size. What is not an amount is repeated as it stands, in small letters."""
    text = " ".join(value.split())
    alone = _ALONE.get(text.upper())
    if alone:
        return Size((alone,), (), (alone,))
    unit = _unit(text)
    if unit and text.upper() != "L":  # an L alone may be large
        word = unit.long[0]
        return Size((f"{'an' if word[0] in 'aeiou' else 'a'} {word}", word), (f"a {word}",), (word,))
    if of := re.fullmatch(r"(pack|set|box|bag|bundle|case) of (\d+)", text.lower()):
        return Size((of[0], f"a {of[0]}"), (f"a {of[0]}",), (f"{of[2]}-pack",) if of[1] == "pack" else ())
    if re.search(r"\d{5}", text):  # a number of the catalogue, not an amount
        return Size((text.lower(),), (), ())
    if measured := _measured(text):
        return measured
    parts = [_measured(p.strip()) for p in text.split("/")]
    if len(parts) > 1 and all(parts):
        said = [p for p in parts if p]
        return Size((", ".join(p.shown[0] for p in said), " / ".join(p.shown[-1] for p in said)), (), ())
    plain = text if text != text.upper() or _SHOWN_CASE.match(text) else text.lower()
    return Size((plain,), (), (plain,) if len(plain) <= 12 and "size" not in plain.lower() else ())


def _unit(text: str) -> Unit | None:
    name = " ".join(text.upper().split())
    return UNITS.get(_SAME.get(name, name))


def _measured(text: str) -> Size | None:
    match = _MEASURE.fullmatch(text)
    unit = _unit(match[2]) if match else None
    if not match or not unit:
        return None
    number = re.sub(r"\s*-\s*", "-", match[1])
    if packs(number):  # 6/3 OZ: six of 3 oz, not a fraction
        return None
    part = re.fullmatch(r"\d+/\d+", number)
    several = number not in ("1", "1.0") and not part
    long = f"{number} {unit.long[several]}"
    wholes = tuple(w.format(number) for w in unit.wholes) if several and "-" not in number else ()
    short = f"{number}-{unit.plain}" if unit.plain in ("count", "pack") else f"{number} {unit.plain}"
    hyphen = f"{number}-{unit.long[0].replace(' ', '-')}" if "-" not in number and " " not in number else short
    return Size((short, long, *wholes), (long, *wholes), (short, hyphen))
