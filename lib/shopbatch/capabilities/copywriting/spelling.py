"""Normalises the spelling of attribute names and values for bullets: "12oz" -> "12 oz", "COTTON" -> "cotton"."""

from __future__ import annotations

import re

from shopbatch.capabilities.copywriting.patterns import Names, patterns
from shopbatch.capabilities.copywriting.wording import WITH, capital, listed
from shopbatch.grounding.lexicon import lexicon, stem, words_of
from shopbatch.text.expand import expand, title_case
from shopbatch.text.fibres import written_out
from shopbatch.text.sizes import size_phrases
from shopbatch.text.vocabulary import is_english

_NO_CODE = 6  # letters that an abbreviation does not have
AGES = frozenset({"age_group", "recommended_age"})
_PLAIN = frozenset({"rise", "fit", "closure", "neckline", "sleeve", "length", "colour", "gender", "pattern"})
MATERIALS = frozenset({"material", "lining", "upper", "sole", "filling", "strap"})
UNITS = "mm|cm|km|kg|mg|ml|cl|oz|lbs?|ft|mAh|Ah|Wh|GB|TB|MB|kW|g|l|L|m|W|V"
_LISTS = re.compile(r"\s*(?:[/,;]|\s\+\s)\s*")
_PER = re.compile(r"(?<=[^\W\d])/(?=(?:[ck]?m[²³23]?|s|h|min|k?g|m?l|L|W|day|kcal|cap)\b(?![^\W\d]))")  # g/m², km/h
WEIGHT = re.compile(r",? *\(?\d+ ?(?:g/m[²2]|gsm)\)?")
_SINGULAR = re.compile(  # 27 piece
    r"(?<![\d.])(?!1 )(\d+) (load|stem|sheet|roll|piece|tablet|capsule|wipe|pod|sachet|teabag)$"
)
_NUMBERS = re.compile(r"\d+(?:[.,]5)?(?: \d+(?:[.,]5)?){2,}")  # 3 4 5 6
_MONTHS_ZH = re.compile(r"(?<=\d) ?[mM]$")
_MANY_ML = re.compile(r"(?<![\d.])(\d+)000 ?(ml|毫升)(?![\w/])", re.I)
_TIGHT = re.compile(rf"(?<![^\s(])(\d+(?:[.,]\d+)?)({UNITS})(?![\w/])")  # 8mm
_TIMES = re.compile(r"(?<=\d)\s*[x×*]\s*(?=[\d.]+(?:\s*[x×*]\s*[\d.]+)? ?(?:mm|cm|m|in|inch(?:es)?|ft)\b)")  # 22x16 cm
_LITRES = re.compile(r"(?<=\d) l\b")
_YEARS = re.compile(r"(?<=\d) ?(?:ys?|yrs?|yo)\b\.?", re.I)
_MONTHS = re.compile(r"(?<=\d) ?(?:m|mo|mths?|mos)\b\.?", re.I)


def neat(role: str, text: str, language: str) -> str:
    """Return a value in the usual spelling, as a bullet shows it.

    Examples: (package_size, "12oz") -> "12 oz"; (age_group, "3Y") -> "3 years"; (material, "COTTON") -> "cotton".

    Args:
        role: Role of the attribute; "" if unknown.
        text: The value.
        language: One of `lexicon.LANGUAGES`.
    """
    if language == "zh":
        text = _MONTHS_ZH.sub("个月", text) if role in AGES else text
        text = _MANY_ML.sub(lambda m: f"{m[1]}{'L' if m[2] == 'ml' else '升'}", text) if role == "capacity" else text
        return re.sub(r"(?<=\d) (?=[\u4e00-\u9fff])", "", text)
    if role == "package_size":
        text = re.sub(r"(?<![\d.])\.(?=\d)", "0.", size_phrases(text).shown[0])
        text = re.sub(r"\bbtl\b", "bottle", text)
        text = re.sub(r"^([2-9]|\d\d+) ?[x×]$", r"\1-pack", _SINGULAR.sub(r"\1 \2s", text))
        text = re.sub(r"(?<=\d) pcs?$", " pieces", re.sub(r"^1 pcs?$", "1 piece", text))
    if role in AGES:
        text = _MONTHS.sub(" months", _YEARS.sub(" years", text))
    if role in _PLAIN and text.isupper() and len(text) > 2:
        text = text.lower()
    if role in MATERIALS:
        text = written_out(unshouted(text))
    if role in ("screen", "package_size"):
        text = re.sub(r"(?<=\d) ?in\b(?!ch)", " inch", text)
    if role == "capacity":
        text = _MANY_ML.sub(r"\1 L", text)
    if role not in MATERIALS:
        text = _LITRES.sub(" L", _TIGHT.sub(r"\1 \2", _TIMES.sub(" x ", text)))
    if role in ("brand", "origin"):
        return title_case(text) if len(text) > 3 else text
    if _NUMBERS.fullmatch(text):
        text = text.replace(" ", ", ")
    return unshouted(WITH.sub("with ", text))


def label_of(label: str, names: Names) -> str:
    """Return the name of an attribute for a bullet; capitals become lower case except in abbreviations.

    Examples: "MAX LOAD" -> "Max load"; "usb ports" -> "USB ports".
    """
    written = names.written_out
    label = " ".join(written.get(w.lower().rstrip("."), w) for w in label.split(" ")) if written else label
    if not label.isupper() or not label.isascii():
        small = label.split(" ") if label.islower() and label.isascii() else []
        coded = " ".join(w.upper() if w.upper() in names.codes and len(w) > 1 else w for w in small)
        joined = re.sub(r"\b([Aa]nti|[Nn]on) (?=[a-z])", r"\1-", coded or label)
        return re.sub(r"\b[Ww]i-?fi\b", "Wi-Fi", joined)
    spoken = bool(lexicon("en").role(label)) and len(label) > 3 and label not in names.codes
    words = (w.lower() if spoken or _is_word(w.lower(), names, w) else w for w in label.split())
    return capital(" ".join(words))


def _is_word(word: str, names: Names, written: str) -> bool:
    """Return True if a part of an attribute's name is a word, False if it is an abbreviation.

    Args:
        word: The part in lower case.
        names: The word lists.
        written: The part as it was written.
    """
    if len(word) <= 3:
        return word in names.parts or word in names.short
    if (is_english(word) or len(word) >= _NO_CODE) and written not in names.codes:
        return True
    known = (names.able, names.parts, names.mass, lexicon("en").vocabulary)
    return any(word in words or stem(word) in words for words in known)


def unshouted(value: str) -> str:
    """Return a value in capitals in lower case, with abbreviations written out; codes such as USB stay.

    Example: "STAINLESS STEEL" -> "stainless steel". Other values are returned unchanged.
    """
    if value in patterns("en").names.codes:
        return value
    if value.isupper() and value.isascii() and re.search(r"\d", value):
        return re.sub(r"[A-Z]{3,}", _small_word, value)
    shouted = value.isupper() and value.isascii() and re.search(r"[A-Z]{4}", value)
    if not shouted or not any(stem(m[0]) in lexicon("en").vocabulary for m in words_of(value)):
        return value
    return re.sub(r"\bUSB-c\b", "USB-C", expand(value) or value)


def _small_word(match: re.Match[str]) -> str:
    """Put a word in capitals into lower case if the lexicon knows it and it is no code; for `re.sub`."""
    word = match[0]
    known = stem(word) in lexicon("en").vocabulary and word not in patterns("en").names.codes
    return word.lower() if known else word


def as_list(value: str, several: bool) -> str:
    """Return a value with several parts as a list: "red/blue, green" -> "red, blue and green".

    Units with a slash (km/h) stay whole.

    Args:
        value: The value.
        several: Whether slashes and plus signs separate parts, too; else only commas and semicolons do.
    """
    value = _PER.sub("∕", value)
    parts = _LISTS.split(value) if several and not re.search(r"\d/\d", value) else re.split(r"\s*[,;]\s+", value)
    return (listed(parts) if len(parts) > 1 and " and " not in value else value).replace("∕", "/")
