"""Parses English product titles: the product word, and the adjectives, colour, material and parts around it.

The product word is the part of the title that names the product, such as "jacket". Shop titles are lists of words such
as `Hamster Wheel Silent 21cm Green`, which cannot be put into a sentence unchanged. Used by product_en.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from shopbatch.capabilities.copywriting.goods import LONGEST_NOUN, is_goods_name, is_whole, same_goods
from shopbatch.capabilities.copywriting.parts import had
from shopbatch.capabilities.copywriting.patterns import Names, patterns
from shopbatch.capabilities.copywriting.same import literally
from shopbatch.capabilities.copywriting.wording import WITH, lowered
from shopbatch.grounding.lexicon import ANYTHING, lexicon, phrase_of, stem, words_of
from shopbatch.text.vocabulary import is_english

_ASIDE = re.compile(r"\s*[\[(（].*?(?:[\])）]|$)")
_GLOW = re.compile(r"\bglow in the dark\b", re.I)
# separators between the parts of a title: numbers with their units, and signs
_BOUND = re.compile(
    r"\S*/\S*|[,;:|+]|\s[-–—]+(?=\s|\d)|[-–—]+$"
    r"|\S*\d\S*(?: (?:inch(?:es)?|[cm]m|m[lm]?|lit(?:re|er)s?|l|k?g|pieces?|pcs?|pack|pairs?|persons?|way|tier)\b)?",
    re.I,
)
_PREPOSITIONS = ("with", "for", "in", "without", "by", "from", "of", "on", "to", "at")
_TAILS = frozenset({"with", "for", "in"})
_ATTACHED = re.compile(
    r"(?:anti|non|pre|ultra|multi|self|semi|no)-[a-z]{3,}|[a-z]{3,}(?:able|ible|less|proof)|[a-z]+-[a-z]{2,}ed"
    r"|[a-z]+-(?:free|resistant|safe|repellent)",
    re.I,
)
_UNIT = re.compile(r"(?:mm|cm|m|inch(?:es)?|ft|kg|g|mg|ml|l|cl|oz|lbs?|w|kw|v|mah|wh|gb|tb|hz|iu)", re.I)
_SLASHED = re.compile(r"[^\W\d]+ (?=[^\W\d]+/[^\W\d]+)")  # a colour of one part only, as in `White Top/Black Frame`
_PAIR = re.compile(r"([^\W\d]+) / ([^\W\d]+)")  # Natural / Coral
_VITAMIN = re.compile(r"(?<=vitamin) [A-K]\d{0,2}\b", re.I)
_LONGEST_CORE = 6  # maximum words of the core
_MOST = 2  # maximum adjectives before the noun
_LONGEST_QUALITY = 3  # maximum words of one adjective


@dataclass(frozen=True)
class Title:
    """The parts of an English title.

    Attributes:
        noun: The product word with the words before it that belong to it; "" if none is found.
        whom: For whom the product is ("men's"); else "".
        qualities: Adjectives that the title writes behind the product word; a sentence has them before it.
        colour: A colour behind the product word; else "".
        material: A material behind the product word; else "".
        has: Parts that the title names behind "with", with articles ("a stand"); else "".
        tail: Words that stay behind the product word ("for kids"); else "".
        core: The title up to the first number, sign or preposition; "" if that is too long.
    """

    noun: str = ""
    whom: str = ""
    qualities: tuple[str, ...] = ()
    colour: str = ""
    material: str = ""
    has: str = ""
    tail: str = ""
    core: str = ""


@dataclass(frozen=True)
class Reader:
    """Parser for the titles of one product.

    Attributes:
        brand: The product's brand; "" if unknown.
        product_type: Its product type; "" if it has none that names a product.
        key: The product word of the lexicon to look for; "" allows any.
        known: Stems of words that are known to be common words, not proper names.
        edible: Whether the product is food, so that colours and materials in the title are ignored.
        kind: Kind of product.
        tastes: Stems of its flavours and scents.
        untyped: Whether the product has no product type at all.
    """

    brand: str
    product_type: str
    key: str
    known: frozenset[str]
    edible: bool
    kind: str = ANYTHING
    tastes: frozenset[str] = frozenset()
    untyped: bool = False

    def read(self, title: str) -> Title:
        """Parse a title into its parts; without a product word only `core` is filled.

        Example: "Hamster Wheel Silent 21cm Green" -> noun "Hamster Wheel", qualities ("silent",), colour "green".
        """
        name = bare(title, self.brand)
        core = core_of(name)
        head = self._head(name)
        if head is None:
            return Title(core=core)
        start, end = head
        noun = " ".join([*self._before(name[:start]), name[start:end]])
        said = Title(noun=noun, core=core)
        behind = name[end:]
        if (pair := _PAIR.search(behind)) and not self.edible:
            both = [lowered(part) for part in pair.groups() if _is_colour(part)]
            if both:
                said = replace(said, colour=" and ".join(both) if len(both) == 2 else "")
                behind = behind.replace(pair[0], ",")
        for part in _parts(_SLASHED.sub("", behind)):
            said = self._with_part(said, part)
        return replace(said, qualities=said.qualities[:_MOST])

    def _head(self, name: str) -> tuple[int, int] | None:
        """Return start and end of the product word in a title; None if there is none.

        The part before "with", "for" and "in" is searched first.
        """
        bound = re.search(rf"\s(?:{'|'.join(_TAILS)})\s", f"{name} ", re.I)
        for text in dict.fromkeys((name[: bound.start()] if bound else name, name)):
            if place := literally(text, self.product_type):
                vitamin = _VITAMIN.match(text, place[1])
                return place[0], vitamin.end() if vitamin else self._with_goods(text, place[1])
            if place := self._as_goods(text):
                return place
        return None

    def _with_goods(self, name: str, end: int) -> int:
        """Return the end of a longer product word in the title that begins with the product type, else `end`.

        Example: for the type "polo", the end of "Polo Shirt".

        Args:
            name: The title.
            end: End of the product type in the title.
        """
        for goods in lexicon("en").find_goods(name):
            longer = goods.start <= end + 1 and goods.end > end and name[end : goods.start].strip("-") in ("", " ")
            elsewhere = self.tastes | (self.known - set(phrase_of(self.product_type)))
            new = not set(phrase_of(name[end : goods.end])) & elsewhere
            doing = name[: goods.end].lower().endswith("ed")  # "protector quilted" is no quilt
            if longer and new and not doing and goods.kind == self.kind:
                return goods.end
        return end

    def _as_goods(self, name: str) -> tuple[int, int] | None:
        """Return start and end of the product in a title that does not contain the product type; None if there is none.

        The title may name the product by the last word of the type, by the product word `key`, or by a synonym of it.
        """
        if last := phrase_of(self.product_type)[-1:]:
            for word in words_of(name):
                behind = next(_parts(name[word.end() :]), "") if name[word.end() :][:1] == " " else ""
                ends = not behind or behind.split()[0].lower() in _PREPOSITIONS or _all_qualities(behind)
                if stem(word[0]) == last[0] and len(word[0]) > 2 and ends:
                    return word.start(), word.end()
        if self.product_type and not self.key:
            return None
        words = lexicon("en")
        every = [g for g in words.find_goods(name) if is_whole(name, g)]
        fitting = (g for g in every if not self.key or g.name == self.key)
        also = (g for g in every if same_goods(g.name, self.key, words))
        goods = next(fitting, None) or next(also, None)
        if goods is None:
            return None
        core = core_of(name)
        more = core[goods.end :].strip() if not self.product_type and name.startswith(core) else ""
        new = not set(phrase_of(more)) <= self.known
        one = len(more.split()) == 1 and not re.search("[^su]s$", name[goods.start : goods.end], re.I)
        if (
            one and new and self.untyped and is_goods_name(core) and not (_all_qualities(more) or _is_colour(more))
        ):  # as in "laptop sleeve"
            return goods.start, len(core)
        return goods.start, goods.end

    def _before(self, before: str) -> list[str]:
        """Return the words directly before the product word that belong to it, without proper names and numbers.

        Args:
            before: The title before the product word.
        """
        names, vocabulary = patterns("en").names, lexicon("en").vocabulary
        kept: list[str] = []

        def is_word(word: str) -> bool:
            """Return True if a word of the title is a common word, not a proper name."""
            low = word.lower().strip("'’")
            joined = "-" in low and all(is_english(part) for part in low.split("-"))
            listed = low in names.titles or low.replace("-", " ") in names.qualities
            return (
                joined
                or listed
                or bool(_ATTACHED.fullmatch(low))
                or stem(word) in vocabulary
                or stem(word) in self.known
            )

        every = before.split()
        for place, word in reversed(list(enumerate(every))):
            clear = is_word(word) or (is_english(word) and (self.edible or (place > 0 and is_word(every[place - 1]))))
            if kept and word.lower() in ("&", "and") and place and is_word(every[place - 1]) and self.edible:
                kept.insert(0, "and")
                continue
            counts = word.lower() in names.counts or _UNIT.fullmatch(word) or re.search(r"[\d,;:|/()&+]", word)
            if not clear or counts or len(kept) - kept.count("and") == LONGEST_NOUN - 1:
                break
            kept.insert(0, word)
        while kept and (kept[0] == "and" or len(kept) < len(every)) and kept[0].lower() in names.tails:
            kept.pop(0)
        return kept

    def _is_single(self, rest: str) -> bool:
        """Return True if the text behind "for" is one thing that would need an article.

        It is True for "for phone", False for "for dark hair" and "for kids".
        """
        names, last = patterns("en").names, rest.lower().split()[-1]
        people = last in names.whom or last in names.genders
        goods = lexicon("en").find_goods(last)
        return not (people or re.search("[^su]s$", last)) and bool(last in names.parts or goods)

    def _with_part(self, said: Title, part: str) -> Title:
        """Return the parsed title `said`, extended by one part of the text behind the product word (see `_parts`)."""
        first, _, rest = part.partition(" ")
        if first.lower() in _PREPOSITIONS:
            return self._with_tail(said, first.lower(), rest)
        return _with_qualities(said, part, patterns("en").names, self.edible)

    def _with_tail(self, said: Title, first: str, rest: str) -> Title:
        """Return the parsed title, extended by a phrase with a preposition ("for kids", "with stand").

        It is unchanged if the phrase cannot be used in a sentence.

        Args:
            said: The title as parsed so far.
            first: The preposition in lower case.
            rest: The phrase behind it.
        """
        names = patterns("en").names
        if not rest or first not in _TAILS or {w.lower() for w in rest.split()} & names.counts - {"and", "the"}:
            return said
        known = all(is_english(w[0]) or stem(w[0]) in self.known or w[0].isupper() for w in words_of(rest))
        if first == "for" and not said.tail and not (known and self._is_single(rest)):
            return replace(said, tail=f"for {lowered(rest) if known else rest}")
        small = lowered(rest)
        has = had(small, names) if first == "with" and known else ""
        if has and not self.edible:
            return replace(said, has=said.has or has)
        plural = bool(re.search("[^su]s$", small))
        if known and not said.tail and len(rest.split()) <= 3 and (self.edible or (first == "in" and plural)):
            return replace(said, tail=f"{first} {small}")
        return said


def bare(title: str, brand: str) -> str:
    """Return a title without the brand and without text in brackets; the title itself if nothing would be left."""
    name = _GLOW.sub(lambda m: m[0].replace(" ", "-"), WITH.sub("with ", _ASIDE.sub(" ", title)))
    name = re.sub(r"\b(anti|non) (?=[a-z])", r"\1-", name, flags=re.I)
    if brand:
        name = re.sub(rf"(?<!\w){re.escape(brand)}(?!\w)", " ", name, flags=re.I)
    name = re.sub(r"\s+by\s*$", "", name.rstrip(), flags=re.I)
    return " ".join(name.split()).strip(" ,-–|:") or title


def front(title: str, brand: str) -> str:
    """Return a title, without the brand, up to the first "with", "for", "in" or "by"."""
    return re.split(r"\s(?:with|for|in|by)\s", bare(title, brand), flags=re.I)[0]


def core_of(name: str) -> str:
    """Return a title up to the first number, sign or preposition; "" if that is empty or longer than six words.

    Example: "Hamster Wheel Silent 21cm Green" -> "Hamster Wheel Silent".
    """
    text = before_bound(name)
    return text if 0 < len(text.split()) <= _LONGEST_CORE else ""


def before_bound(name: str) -> str:
    """Return a title up to the first number, sign, "with", "for" or "by"; "" if it begins with one of them."""
    bound = _BOUND.search(name)
    return re.split(r"\s(?:with|for|by)\s", name[: bound.start()] if bound else name, flags=re.I)[0].strip(" ,-–")


def _parts(text: str) -> Iterator[str]:
    """Split the text behind the product word at numbers, signs and prepositions.

    Example: "Silent 21cm Green with Stand for kids" -> "Silent", "Green", "with Stand", "for kids".
    """
    starts = "|".join(_PREPOSITIONS)
    for part in _BOUND.split(text):
        for said in re.split(rf"\s(?=(?:{starts})\s)", f" {part.strip()}", flags=re.I):
            if said.strip():
                yield said.strip()


def _with_qualities(said: Title, part: str, names: Names, edible: bool = False) -> Title:
    """Return the parsed title, extended by the adjectives, colours and materials of a part of the title.

    It is unchanged if the part contains any other word.

    Args:
        said: The title as parsed so far.
        part: A part of the text behind the product word.
        names: The English word lists.
        edible: Whether the product is food; colours and materials are then ignored.
    """
    words = part.split()
    made = said
    while words:
        for length in range(min(_LONGEST_QUALITY, len(words)), 0, -1):
            text = " ".join(words[:length])
            if read := _with_quality(made, text, names, edible):
                made, words = read, words[length:]
                break
        else:
            return said
    return made


def _is_colour(word: str) -> bool:
    """Return True if a word is a colour in the lexicon or in the word list of tints."""
    colour = lexicon("en").role_of_value.get(phrase_of(word), "") == "colour"
    return colour or word.lower() in patterns("en").names.tints


def _all_qualities(part: str) -> bool:
    """Return True if a part of a title consists of adjectives, colours and materials only."""
    return _with_qualities(Title(), part, patterns("en").names) != Title()


def _with_quality(said: Title, text: str, names: Names, edible: bool) -> Title | None:
    """Return the parsed title with one more adjective, colour, material or wearer; None if the text is no such word."""
    low = lowered(text)
    key, words = phrase_of(text), lexicon("en")
    if whom := names.whom.get(low.lower().replace("’", "'")):
        return replace(said, whom=said.whom or whom)
    role = words.role_of_value.get(key, "")
    shaded = len(key) == 2 and text.split()[0].lower() in names.shades
    if not edible and (role == "colour" or (shaded and words.role_of_value.get(key[1:]) == "colour")):
        return replace(said, colour=said.colour or low)
    if role == "material" and not edible and key in words.values.get("material", ()):
        return replace(said, material=said.material or ("wooden" if low == "wood" else low))
    if not (low.lower().replace("-", " ") in names.qualities or _ATTACHED.fullmatch(low)):
        return None
    quality = re.sub(r"(?<!ly) ", "-", low)
    known = quality in said.qualities or set(phrase_of(quality)) <= set(phrase_of(said.noun))
    return said if known else replace(said, qualities=(*said.qualities, quality))
