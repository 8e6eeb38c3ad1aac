"""Finds brand names in product copy that are not in the product's attributes.

Known brands are found by a list (brands.yaml), invented ones by their position. English: a word with a capital letter
in the middle of a sentence; in a line in which most words have a capital letter (a headline), only the list is used.
Chinese: Latin letters, and the characters before words such as 牌, 出品 and 旗下.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words

_WORD = re.compile(r"[A-Za-zÀ-ÿ][A-Za-zÀ-ÿ'’&.-]*[A-Za-zÀ-ÿ]|[A-Z]")
_LATIN = re.compile(r"[A-Za-zÀ-ÿ][A-Za-zÀ-ÿ'’&+-]*(?:[ ][A-Za-zÀ-ÿ][A-Za-zÀ-ÿ'’&+-]*)*")
_SENTENCE_START = re.compile(r"(?:^|\s)\d+[.)]\s*$|[.!?:;<>\n\"“”(){}\[\]|•*/—–-]\s*[\"“(*]*\s*$|^\s*[\"“(*#-]*\s*$")
_OWN_EN = re.compile(
    r"\b(?:our|the (?:shop|store)\W?s|its) (?:very )?own(?: \w+)? (?:brand|label)\b"
    r"|\b(?:store|own|house|private)[- ](?:brand|label)(?:ed)?\b"
    r"|\bour (?:house )?(?:brand|label)\b",
    re.I,
)  # fmt: skip
_NATIONAL_EN = re.compile(
    r"\b(?:national(?:ly)?|well|widely|leading|famous|big|major|household)[- ]?"
    r"(?:known |recogni[sz]ed |available |loved )?(?:name )?brands?\b|\bbrand(?:ed)? name\b|\bname[- ]brand\b",
    re.I,
)
_OWN_ZH = re.compile(
    r"自有品牌|自营品牌|自家品牌|自主品牌|(?:商店|本店|门店)自[己家营有]的?(?:牌子|品牌)|私有品牌|自创品牌"
)
_NATIONAL_ZH = re.compile(r"全国(?:性)?(?:知名)?品牌|(?:知名|著名|驰名|大)品牌|名牌|大牌(?!子)")
_NAMED_ZH = re.compile(
    r"(?:来自|出自|选用|源自|由|经)([\u4e00-\u9fff]{2,6}(?:酒庄|公司|集团|工坊|工作室|世家|牧场|庄园|茶园|食品厂|农场|品牌|老店|作坊|酒厂|厂))"
    r"|(?:品牌|设计师)([\u4e00-\u9fff]{2,5})(?:的|为|出品|打造)"
    r"|([\u4e00-\u9fff]{2,4})(?:牌(?!子|照|坊|桌|匠)|出品|旗下|联名|荣誉出品|同款)"
)
_NOT_NAMED_ZH = re.compile(r"品$|招$|名$|老$|大$|王$|杂$|门$|自有|全国|国家|我们|本店|商店|这个|那个|一个|打$|纸$|扑克")


class _BrandsFile(WordFile):
    """The word lists of brands.yaml.

    Attributes:
        en: English brand names, separated by commas.
        zh: Chinese brand names, separated by commas.
        ordinary: Capitalised words that are no brands, in small letters, separated by spaces.
    """

    en: str
    zh: str
    ordinary: str


@dataclass(frozen=True)
class _Brands:
    english: re.Pattern[str]
    chinese: re.Pattern[str]
    ordinary: frozenset[str]


@lru_cache(maxsize=1)
def _brands() -> _Brands:
    listed = read_words(_BrandsFile, "shopbatch.grounding", "brands.yaml")
    english, chinese = ([name.strip() for name in names.split(",") if name.strip()] for names in (listed.en, listed.zh))
    words = "|".join(sorted(map(re.escape, english), key=len, reverse=True))
    return _Brands(
        re.compile(rf"(?<![\w-])(?:{words})(?:['’]s)?(?![\w-])"),
        re.compile("|".join(sorted(map(re.escape, chinese), key=len, reverse=True))),
        frozenset(listed.ordinary.split()),
    )


def unknown_brands(text: str, facts: str, brand: str, language: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each brand name in a text that the attributes do not contain.

    Also yield statements that contradict the attribute `brand`, such as "our own label" for a national brand.

    Args:
        text: The product copy.
        facts: All attributes, in small letters.
        brand: The attribute `brand`: "Private" (the shop's own label), "National", a name, or "" if unknown.
        language: "zh"; any other is read as English.
    """
    yield from _wrong_kind(text, brand)
    for pattern in (_brands().english, _brands().chinese):
        for m in pattern.finditer(text):
            if not _holds(m.group(), facts):
                yield m.span()
    yield from _chinese(text, facts) if language == "zh" else _english(text, facts)


def known_brands(text: str) -> Iterator[str]:
    """Yield the brand names of brands.yaml that a text contains, as the text spells them.

    The translation checks use it, because a translation must keep brand names unchanged.
    """
    for pattern in (_brands().english, _brands().chinese):
        for m in pattern.finditer(text):
            yield m.group()


def _wrong_kind(text: str, brand: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of statements about own labels and national brands that do not fit the attribute `brand`.

    "Our own label" is wrong unless the brand is "private", "famous brand" is wrong unless it is "national".
    """
    wrong = [] if brand.lower() == "national" else [_NATIONAL_EN, _NATIONAL_ZH]
    wrong += [] if brand.lower() == "private" else [_OWN_EN, _OWN_ZH]
    for pattern in wrong:
        for m in pattern.finditer(text):
            yield m.span()


def _holds(name: str, facts: str) -> bool:
    """Return True if the facts contain a brand name; hyphens, blanks, apostrophes and a plural s are ignored."""
    name = re.sub(r"['’]s?$|['’]", "", name.lower())
    if len(name) > 3 and name.endswith("s") and name[:-1] in facts:
        return True
    return name in facts or name.replace("-", " ") in facts or name.replace(" ", "") in facts.replace(" ", "")


def _english(text: str, facts: str) -> Iterator[tuple[int, int]]:
    for line in re.finditer(r"[^\n]+", text):
        words = list(_WORD.finditer(line.group()))
        capitalized = [m for m in words if m.group()[0].isupper()]
        if len(words) > 2 and len(capitalized) > 0.6 * len(words):
            continue  # a headline
        for m in capitalized:
            name = m.group().rstrip(".")
            before = line.group()[: m.start()]
            if (
                _SENTENCE_START.search(before)
                or _ordinary(name, facts)
                or re.search(rf"\b{re.escape(name.lower())}\b", text)
            ):
                continue
            yield line.start() + m.start(), line.start() + m.end()


def _ordinary(name: str, facts: str) -> bool:
    """Return True if each part of a capitalised word is an ordinary word or in the facts."""
    ordinary = _brands().ordinary
    parts = re.split(r"[-&.]", name.lower())
    return all(not p or re.sub(r"['’]s?$", "", p) in ordinary or p in ordinary or _holds(p, facts) for p in parts)


def _chinese(text: str, facts: str) -> Iterator[tuple[int, int]]:
    for m in _LATIN.finditer(text):
        for word in re.finditer(r"[^ ]+", m.group()):
            if len(word.group()) > 1 and not _ordinary(word.group(), facts):
                yield m.start() + word.start(), m.start() + word.end()
    for m in _NAMED_ZH.finditer(text):
        group = next(i for i in (1, 2, 3) if m[i])
        if not _NOT_NAMED_ZH.search(m[group]) and m[group] not in facts:
            yield m.span(group)
