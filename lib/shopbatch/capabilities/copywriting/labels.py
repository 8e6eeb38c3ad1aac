"""Turns catalogue labels and titles into nouns for sentences and names for headlines.

Example: `Sandwiches (cold)` becomes "cold sandwiches". Used by called.py and product_en.py.
"""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.capabilities.copywriting.patterns import patterns
from shopbatch.capabilities.copywriting.wording import WITH, capital, lowered, titled
from shopbatch.grounding.lexicon import lexicon, phrase_of, stem
from shopbatch.text.expand import expand, title_case
from shopbatch.text.vocabulary import is_english

_ASIDE = re.compile(r"\s*\(([^)]*)(?:\)|$)")
_JOINS = frozenset({"and", "or", ","})
_POSSESSIVE = re.compile(r"^((?:[\w&]+ ){0,2})(Boys|Girls|Kids|Ladies|Toddlers)(?= [A-Z])")
_SHOUTED_UNIT = re.compile(r"(?<=\d)(?:G|KG|ML|CM|MM|OZ|MAH)\b")
_CAPITALS = re.compile(r"(?<![^\s(,/-])[A-Z]{4,}(?![^\s),/.-])")  # a word in capitals
_MOST = 3  # maximum words in brackets that are moved before the noun


def plain(name: str) -> str:
    """Return a catalogue name in plain words: capitals to lower case, abbreviations written out.

    Example: "SFT DRNK" -> "soft drink". Names that are not in capitals are returned unchanged.
    """
    return (expand(name) or name).strip(" /,-") if name.isupper() and len(name) > 3 else name


def _small_unit(match: re.Match[str]) -> str:
    """Return a unit in its usual spelling ("KG" -> "kg", "MAH" -> "mAh"); for `re.sub`."""
    return match[0].lower().replace("mah", "mAh")


def _usual(match: re.Match[str]) -> str:
    """Return a common word in capitals with a capital first letter ("NAVY" -> "Navy"); for `re.sub`."""
    code = match[0] in patterns("en").names.codes or not is_english(match[0].lower())
    return match[0] if code else match[0].capitalize()


def is_shouted(name: str) -> bool:
    """Return True if the words of a name are in capitals, but units or signs are not ("WET CAT FOOD 48 x 85g")."""
    words = re.findall(r"[^\W\d_]{3,}", name)
    return not name.isupper() and len(words) > 2 and all(word.isupper() for word in words)


def quiet(name: str) -> str:
    """Return a shouted name with usual capitals: "WET CAT FOOD 48 x 85g" -> "Wet Cat Food 48 x 85g"."""
    return re.sub(r"(?<=\d) ?X ?(?=\d)", " x ", _SHOUTED_UNIT.sub(_small_unit, title_case(name.upper())))


@lru_cache(maxsize=4096)
def as_noun(label: str) -> str:
    """Return a label in plain words as a noun for a sentence; "" if it names no product.

    Examples: "Sandwiches (cold)" -> "cold sandwiches"; "Sweet goods (donuts)" -> "donuts".
    """
    names = patterns("en").names
    aside = _ASIDE.search(label)
    head = _ASIDE.sub("", label).strip(" ,/-")
    if names.nameless & set(re.findall(r"[\w-]+", head.lower())):
        return ""
    head = _without(head, names.sundry)
    inside = _without(aside[1], names.shelving | names.sundry) if aside else ""
    shelved = head.lower() in names.holders and re.fullmatch(r"[a-z]+(?: [a-z]+)?[^s]s", inside) and is_spelt(inside)
    if head.lower() == "seafood" and inside:
        return _seafood(inside, head)
    if (
        inside
        and (_is_goods(inside) or shelved)
        and (re.search("[^s]s$", inside) or not head or head.lower() in names.shelves)
    ):
        head = inside
    elif inside and head and _may_stand_before(inside):
        head = f"{lowered(inside)} {head[:1].lower()}{head[1:]}" if not head.isupper() else f"{lowered(inside)} {head}"
    return _joined(_turned(head))


def _seafood(inside: str, head: str) -> str:
    """Return the noun for a seafood label from the text in its brackets.

    Examples: "frozen raw shrimp" -> "frozen raw shrimp"; "frozen" -> "frozen seafood".

    Args:
        inside: The text in brackets.
        head: The label without the brackets ("seafood").
    """
    words = [w for w in inside.split() if w.lower() not in ("weight", "iqf")]
    clear = len(words) > 1 and is_spelt(inside) and not re.search(r"-|\bnon\b", inside) and not _describes(words[-1])
    kept = words if clear else [*[w for w in words[:1] if _describes(w)], head]
    return lowered(" ".join(kept))


def of_shelf(label: str) -> str:
    """Return the name of a category or department without its brackets; "" if it is too vague to be shown."""
    head = _ASIDE.sub("", label).strip(" ,/-")
    names = patterns("en").names
    kept = _without(head, names.sundry - {"all", "only"})
    return "" if head.lower() in names.no_ranges or kept != head else head


def is_spelt(name: str) -> bool:
    """Return True if all words of a name are English words."""
    return all(is_english(w) for w in re.findall("[a-z]+", name.lower()))


def is_known(name: str) -> bool:
    """Return True if all words of a name are in the lexicon, so that it may be written in lower case."""
    words, titles = lexicon("en").vocabulary, patterns("en").names.titles
    every = re.findall(r"[^\W\d_][\w'’-]*", name)
    return all(len(w) > 1 for w in every) and all(
        stem(w) in words or w.lower() in titles or w.lower() in _JOINS for w in every
    )


def shown_name(name: str, is_title: bool, colour: str) -> str:
    """Return a product's name as the headline shows it, with usual capitals.

    Example: "Boys Tee - Black" -> "Boys' Tee".

    Args:
        name: The title, or another name of the product.
        is_title: Whether it is the title. Other names are also put into plain words.
        colour: Colour to remove from the end of a title; "" removes nothing.
    """
    if is_title:
        bare = re.sub(rf"[\s,/(-]+{re.escape(colour)}\)?$", "", name, flags=re.I) if colour else name
        name = _codes_kept(title_case(bare or name)) if name.isupper() else bare or name
        name = _POSSESSIVE.sub(r"\1\2'", re.sub(r"\b((?:[Ww]om|[Mm])en)s\b", r"\1's", name))
        name = WITH.sub("with ", _CAPITALS.sub(_usual, name))
        name = _SHOUTED_UNIT.sub(_small_unit, name)
        small = [w for w in name.split()[1:] if w.islower() and w.isalpha() and len(w) > 3]
        name = titled(name) if small else capital(name)
        return re.sub(r"(?<=\b[A-Z][a-z]{2})([a-z]*/)([a-z])(?=[a-z]{2}(?!\w*[\d²]))", _both_capital, name)
    return titled(_headed(plain(name))) if name.isupper() or name.islower() else capital(name)


def _both_capital(match: re.Match[str]) -> str:
    """Capitalise the word behind a slash (`Black/red` -> `Black/Red`), but no unit (`5 km/hour`); for `re.sub`."""
    unit = re.match(r"(?:min|day|hour|month|year|sec)s?\b", match.string[match.start(2) :])
    return match[0] if unit else f"{match[1]}{match[2].upper()}"


def _codes_kept(name: str) -> str:
    """Put the abbreviations of a name back into capitals: Usb -> USB."""
    codes = patterns("en").names.codes
    return " ".join(w.upper() if w.upper() in codes else w for w in name.split(" "))


def _headed(label: str) -> str:
    """Return the noun of a label (`as_noun`) for the headline; the label itself if the noun lacks some of its words."""
    noun = as_noun(label)
    return noun if noun and set(phrase_of(label)) <= set(phrase_of(noun)) else label


def _without(text: str, words: frozenset[str]) -> str:
    """Return a label without the given words, and without "and", "or" and commas that are then first or last."""
    kept = [w for w in text.split() if w.lower().strip(",") not in words]
    while kept and kept[-1].lower().strip(",") in _JOINS:
        kept.pop()
    while kept and kept[0].lower() in _JOINS:
        kept.pop(0)
    return " ".join(kept).strip(" ,")


def _is_goods(text: str) -> bool:
    """Return True if a text ends in a product word of the lexicon."""
    goods = lexicon("en").find_goods(text)
    return bool(goods) and goods[-1].end == len(text)


def _may_stand_before(inside: str) -> bool:
    """Return True if the text in the brackets of a label can stand before the noun as an adjective.

    It must have at most `_MOST` words, all of them known, and the last one must not be a plural.
    """
    words = [w for w in inside.replace(",", " ").split() if w.lower() not in _JOINS]
    counted = words[-1].endswith("s") and not words[-1].endswith("ss") if words else True
    names = patterns("en").names
    known = is_known(inside) or all(w.lower() in names.adjectives | names.grades for w in words)
    return not counted and len(words) <= _MOST and "," not in inside and known


def _turned(text: str) -> str:
    """Move adjectives from behind the noun to before it: "herbs dried" -> "dried herbs"."""
    words = text.split()
    start = next((n for n in range(1, len(words)) if words[n - 1].endswith("s") and _describes(words[n])), 0)
    behind = words[start:]
    if not start or not all(_describes(w) or w in _JOINS for w in behind) or behind[-1] in _JOINS:
        return text
    return " ".join([*behind, words[0][:1].lower() + words[0][1:], *words[1:start]])


def _describes(word: str) -> bool:
    """Return True if a word is in the word list `Names.adjectives`."""
    return word.lower() in patterns("en").names.adjectives


def _joined(text: str) -> str:
    """Insert "and" between two plural product words in a row: "shirts jackets" -> "shirts and jackets"."""
    words = text.split()
    for n in range(len(words) - 1, 0, -1):
        if all(re.fullmatch(r"[A-Za-z]{3,}[^s]s", w) and _is_goods(w) for w in words[n - 1 : n + 1]):
            words.insert(n, "and")
    return " ".join(words)
