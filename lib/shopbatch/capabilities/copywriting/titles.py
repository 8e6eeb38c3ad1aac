"""A title taken apart: what it says the goods are, and what it says of them, wherever it says it.

Titles of shops are lists of words, `Hamster Wheel Silent 21cm Green`: as they are they stand in no sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from shopbatch.capabilities.copywriting.goods import LONGEST_NOUN, is_goods_name, is_whole, same_goods
from shopbatch.capabilities.copywriting.parts import had
from shopbatch.capabilities.copywriting.patterns import Names, patterns
from shopbatch.capabilities.copywriting.same import literally
from shopbatch.capabilities.copywriting.wording import lowered
from shopbatch.grounding.lexicon import ANYTHING, lexicon, phrase_of, stem, words_of
from shopbatch.text.vocabulary import is_english

_ASIDE = re.compile(r"\s*[\[(（].*?(?:[\])）]|$)")
_GLOW = re.compile(r"\bglow in the dark\b", re.I)
_WITH = re.compile(r"\bw/\s?", re.I)
# where one thing that a title says ends, and another begins: numbers, signs, prepositions
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
_SLASHED = re.compile(r"[^\W\d]+ (?=[^\W\d]+/[^\W\d]+)")  # the colour in `White Top/Black Frame`, which is of the top
_PAIR = re.compile(r"([^\W\d]+) / ([^\W\d]+)")  # Natural / Coral
_VITAMIN = re.compile(r"(?<=vitamin) [A-K]\d{0,2}\b", re.I)
_LONGEST_CORE = 6  # words that name goods by themselves
_MOST = 2  # qualities in front of the goods
_LONGEST_QUALITY = 3  # words


@dataclass(frozen=True)
class Title:
    """What an English title says.

    noun: the goods with what stands before them, "" if it names none. whom: whom it is for. qualities: what the title
    names behind the goods and a sentence says before them. colour, material: the same, of a kind. has: what the goods
    have, with articles. tail: what stays behind the goods: `for kids`. core: the title up to the first number or
    sign.
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
    """Reads titles of one product. brand, product_type: as the product has them. key: the goods in the lexicon.

    known: the stems of words that are no names. edible: whether the goods are food. kind: of the goods. tastes: the
    stems of flavours and scents. untyped: whether the product has no type.
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
        """What a title says."""
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
        """Where a title names the goods."""
        bound = re.search(rf"\s(?:{'|'.join(_TAILS)})\s", f"{name} ", re.I)
        for text in dict.fromkeys((name[: bound.start()] if bound else name, name)):
            if place := literally(text, self.product_type):
                vitamin = _VITAMIN.match(text, place[1])
                return place[0], vitamin.end() if vitamin else self._with_goods(text, place[1])
            if place := self._as_goods(text):
                return place
        return None

    def _with_goods(self, name: str, end: int) -> int:
        """Where the goods end that begin with the product type: `Polo Shirt`, where the type is a polo."""
        for goods in lexicon("en").find_goods(name):
            longer = goods.start <= end + 1 and goods.end > end and name[end : goods.start].strip("-") in ("", " ")
            elsewhere = self.tastes | (self.known - set(phrase_of(self.product_type)))
            if longer and goods.kind == self.kind and not set(phrase_of(name[end : goods.end])) & elsewhere:
                return goods.end
        return end

    def _as_goods(self, name: str) -> tuple[int, int] | None:
        """The goods of the product type in a title, by another name."""
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
        ):  # a laptop sleeve
            return goods.start, len(core)
        return goods.start, goods.end

    def _before(self, before: str) -> list[str]:
        """The words before the goods that say what these are, without names and numbers."""
        names, vocabulary = patterns("en").names, lexicon("en").vocabulary
        kept: list[str] = []

        def is_word(word: str) -> bool:
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
        """Whether `for` names one thing, which would need an article: `for phone`, but not `for dark hair`."""
        names, last = patterns("en").names, rest.lower().split()[-1]
        people = last in names.whom or last in names.genders
        goods = lexicon("en").find_goods(last)
        return not (people or re.search("[^su]s$", last)) and bool(last in names.parts or goods)

    def _with_part(self, said: Title, part: str) -> Title:
        """A title with what a part of it says."""
        first, _, rest = part.partition(" ")
        if first.lower() in _PREPOSITIONS:
            return self._with_tail(said, first.lower(), rest)
        return _with_qualities(said, part, patterns("en").names, self.edible)

    def _with_tail(self, said: Title, first: str, rest: str) -> Title:
        names = patterns("en").names
        if not rest or first not in _TAILS or {w.lower() for w in rest.split()} & names.counts - {"and", "the"}:
            return said
        known = all(is_english(w[0]) or stem(w[0]) in self.known for w in words_of(rest))
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
    """A title without the brand and without what stands in brackets."""
    name = _GLOW.sub(lambda m: m[0].replace(" ", "-"), _WITH.sub("with ", _ASIDE.sub(" ", title)))
    name = re.sub(r"\b(anti|non) (?=[a-z])", r"\1-", name, flags=re.I)
    if brand:
        name = re.sub(rf"(?<!\w){re.escape(brand)}(?!\w)", " ", name, flags=re.I)
    name = re.sub(r"\s+by\s*$", "", name.rstrip(), flags=re.I)
    return " ".join(name.split()).strip(" ,-–|:") or title


def front(title: str, brand: str) -> str:
    """A title up to what it says with `with` or `for`."""
    return re.split(r"\s(?:with|for|in|by)\s", bare(title, brand), flags=re.I)[0]


def core_of(name: str) -> str:
    """A title up to the first number or sign, "" if that is nothing or long."""
    text = before_bound(name)
    return text if 0 < len(text.split()) <= _LONGEST_CORE else ""


def before_bound(name: str) -> str:
    """A title up to the first number, sign or preposition."""
    bound = _BOUND.search(name)
    return re.split(r"\s(?:with|for|by)\s", name[: bound.start()] if bound else name, flags=re.I)[0].strip(" ,-–")


def _parts(text: str) -> Iterator[str]:
    """What a title says behind the goods, thing by thing."""
    starts = "|".join(_PREPOSITIONS)
    for part in _BOUND.split(text):
        for said in re.split(rf"\s(?=(?:{starts})\s)", f" {part.strip()}", flags=re.I):
            if said.strip():
                yield said.strip()


def _with_qualities(said: Title, part: str, names: Names, edible: bool = False) -> Title:
    """A title with the qualities that a part of it lists; as it is if the part names anything else."""
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
    colour = lexicon("en").role_of_value.get(phrase_of(word), "") == "colour"
    return colour or word.lower() in patterns("en").names.tints


def _all_qualities(part: str) -> bool:
    """Whether a part of a title names nothing but qualities."""
    return _with_qualities(Title(), part, patterns("en").names) != Title()


def _with_quality(said: Title, text: str, names: Names, edible: bool) -> Title | None:
    """A title with a colour, a material or another quality; None if the text is none of these."""
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
