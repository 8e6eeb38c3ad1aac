"""The planner: writes product copy without a model, by filling facts into sentence patterns (patterns.py).

It chooses facts, orders them, and draws a pattern for each. The copy states only the product's facts and sentences that
are true of any product of the kind, so the check afterwards finds no unbacked claim. Equal facts always give equal
copy. Called by `writer.py`, by `ads/plan.py`, and to make training examples for a model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import xxhash

from shopbatch.capabilities.copywriting.apt import is_apt, is_redundant
from shopbatch.capabilities.copywriting.bullets import bullets, stated_details
from shopbatch.capabilities.copywriting.chinese import Chinese, is_sayable
from shopbatch.capabilities.copywriting.english import English
from shopbatch.capabilities.copywriting.fact import MARGINAL, PART, SHOWN, TOLD, Fact
from shopbatch.capabilities.copywriting.facts import cut
from shopbatch.capabilities.copywriting.patterns import Patterns, fill, patterns
from shopbatch.capabilities.copywriting.product import EDIBLE, SHELF, Goods, capital, holds, instructs, understand
from shopbatch.capabilities.copywriting.wording import titled
from shopbatch.core.hashing import digest
from shopbatch.grounding.lexicon import ANYTHING, phrase_of

VERSION = 7  # of this module and those that it calls; raise it if equal facts and patterns give other copy
_DESCRIBED = 10  # maximum facts in the description
_DRAFTS = 5  # drafts of the description, of which the least repetitive is used
_SHORT, _SHORT_ZH = 20, 11  # a shorter description (in letters) gets another sentence
_BARE, _OWN = 60, 4  # a shorter description that states no fact (letters) gets an own sentence of so many words
_META, _META_ZH = 155, 80  # maximum characters of a meta description
_LONG, _LONG_ZH = 60, 24  # longer values (in letters) are bullets only
_WANTED = 4  # a Chinese description with fewer facts is filled up with others (`is_sayable`)
_SENTENCES, _SENTENCES_ZH = re.compile(r"(?<=[.!?]) (?=[A-Z])"), re.compile("(?<=。)")
_OPEN = re.compile(r"\s*[(（][^)）]*$")  # an opening bracket without its end
_AMOUNT_ZH = re.compile(r"[\d.]+ ?(?:g|kg|ml|l|克|千克|公斤|斤|毫升|升|片|包|袋|瓶|支|盒)(?:[x×*]\d+.?)?", re.I)
_CALLED = 25  # maximum letters of a brand or a colour in a headline


@dataclass(frozen=True)
class Style:
    """Style of the copy that the planner writes.

    Attributes:
        tone: One of `patterns.TONES`; it decides on the closing sentence.
        closing: Whether the description ends with a general sentence about this kind of product.
        keywords: Words that the meta description gets if the product's facts contain them.
    """

    tone: str = "plain"
    closing: bool = False
    keywords: tuple[str, ...] = ()

    @property
    def identity(self) -> list[object]:
        """Return the style as JSON values, for the digest by which the stage notices that it changed."""
        return [self.tone, self.closing, list(self.keywords)]


@dataclass(frozen=True)
class Limits:
    """Limits that the planner's copy must respect.

    Attributes:
        headline: Maximum length of the headline in characters.
        description: Maximum length of the description in characters.
        bullet: Maximum length of one bullet in characters.
        banned: Regular expressions of claims that copy must not make; case makes no difference.
    """

    headline: int = 120
    description: int = 900
    bullet: int = 200
    banned: tuple[str, ...] = ()

    def allow(self, text: str) -> bool:
        """Return True if a text contains no banned claim."""
        return not (self.banned and _banned(self.banned).search(text))


@lru_cache(maxsize=8)
def _banned(expressions: tuple[str, ...]) -> re.Pattern[str]:
    """Compile the expressions into one pattern that matches any of them, without regard to case; cached."""
    return re.compile("|".join(f"(?:{e})" for e in expressions), re.I)


PLAIN, DEFAULT = Style(), Limits()


def plan(
    attributes: Mapping[str, str | None],
    language: str,
    style: Style = PLAIN,
    limits: Limits = DEFAULT,
    careful: bool = False,
) -> str:
    """Write the copy of a product and return it as JSON on one line: headline, description, bullets, meta.

    The planner calls this for every product; generators fall back to it.

    Args:
        attributes: The product's attributes, as `facts.known_facts` returns them. At least one of the columns
            `goods.PLAINEST` must not be empty.
        language: One of `lexicon.LANGUAGES`.
        style: Tone, closing sentence and keywords.
        limits: Maximum lengths and banned claims. A product name that contains a banned claim is kept nevertheless.
        careful: Whether only bullets state the facts, in the shop's own words; for products whose usual copy breaks a
            rule.
    """
    goods = understand(attributes, language)
    if careful:
        shown = (f if f.role in (*SHELF, "brand") else replace(f, role=SHOWN, value=f.shown) for f in goods.facts)
        goods = replace(goods, facts=tuple(shown), details=(), qualities=(), has="", tail="")
    seed = digest({"facts": [[f.role, f.label, f.shown] for f in goods.facts], "name": goods.name})
    if limits.banned:
        kept = tuple(f for f in goods.facts if limits.allow(f"{f.label} {f.shown} {f.value}"))
        goods = replace(goods, facts=kept, details=tuple(filter(limits.allow, goods.details)))
    return json.dumps(_Planner(goods, language, style, limits, seed).copy(), ensure_ascii=False)


@dataclass
class _Planner:
    """Plans the copy of one product: which facts the description states, and which the bullets show.

    Attributes:
        goods: The product: its name, noun, kind and facts.
        language: One of `lexicon.LANGUAGES`.
        style: Tone, closing sentence and keywords.
        limits: Maximum lengths and banned claims.
        seed: Digest of the facts and the name; it decides all draws, so that equal facts give equal copy.
        draft: Number of the present draft of the description, from 0; it changes all draws.
        speech: The sentence patterns of the language.
        speaker: Puts facts into sentences.
    """

    goods: Goods
    language: str
    style: Style
    limits: Limits
    seed: str
    draft: int = 0
    speech: Patterns = field(init=False)
    speaker: English | Chinese = field(init=False)

    def __post_init__(self) -> None:
        self.speech = patterns(self.language)
        brand = self.goods.value("brand")
        brand = "" if brand.lower() in self.goods.noun.lower() else brand
        speaks = Chinese if self.language == "zh" else English
        self.speaker = speaks(self.goods, self.speech, self._draw, self._chance, brand)

    def copy(self) -> dict[str, object]:
        """Return the copy as a dictionary with the keys headline, description, bullets and meta."""
        description, stated = self._description(self._facts_to_state())
        headline = self._headline()
        brand = [f for f in self.goods.facts if f.role == "brand" and self.goods.value("brand") in description]
        told = tuple(d for d in self.goods.details if f"{capital(d)}." not in description)
        goods = replace(self.goods, details=told)
        lines = bullets(goods, [*stated, *brand], self.language, self.limits.bullet, self.limits.headline)
        return {
            "headline": headline,
            "description": description,
            "bullets": lines,
            "meta": self._meta(headline, description),
        }

    def _draw(self, topic: str, options: Sequence[str]) -> str:
        """Choose one of the options by hash (rendezvous hashing), so that equal facts always give the same choice.

        An added option changes only the draws that it wins; a removed one, only those that it had won.

        Args:
            topic: The occasion of the draw, for example the name of an attribute; draws of different topics are
                independent.
            options: The patterns to choose from; at least one.
        """
        return max(options, key=lambda option: self._hash(topic, option))

    def _chance(self, topic: str) -> float:
        """Return a pseudo-random number from 0 to 1 that depends only on the facts, the draft and the topic."""
        return self._hash(topic, "") / 2**64

    def _hash(self, topic: str, option: str) -> int:
        """Return the 64-bit hash behind `_draw` and `_chance`."""
        return xxhash.xxh3_64_intdigest(f"{self.seed} {self.draft} {topic} {option}".encode())

    def _facts_to_state(self) -> list[Fact]:
        """Choose the facts that the description states, at most `_DESCRIBED`, in the order in which it states them.

        They are facts with a role of `fact.TOLD` whose value is short and is not already part of the product's noun.
        Facts that would repeat another one are dropped, for example an age group beside a gender.
        """
        goods, zh = self.goods, self.language == "zh"
        most = _LONG_ZH if zh else _LONG
        chosen: dict[str, Fact] = {}
        for fact in goods.facts:
            known = holds(goods.noun, fact.value, self.language) or (
                not zh and (is_redundant(fact, goods.noun) or not is_apt(fact, goods.noun))
            )
            several = fact.role in (PART, "able", "measure")
            # parts of one name count as one fact: of two handles one is stated
            name = fact.value.split(" ")[-1] if fact.role == PART and not zh else fact.label
            if (fact.role in TOLD or several) and len(fact.value) <= most and not known:
                chosen.setdefault(f"{fact.role} {name}" if several else fact.role, fact)
        if not zh and goods.kind in EDIBLE:
            chosen = {key: fact for key, fact in chosen.items() if fact.role != PART}
        if zh and re.search("[男女]|中性", goods.noun):
            chosen.pop("gender", None)
        if zh and re.search("童|宝宝|婴", goods.noun) and not re.search(r"\d", goods.value("age_group")):
            chosen.pop("age_group", None)
        if not zh and re.search(r"(?:set|kit)$", goods.noun) and goods.value("package_size").startswith("set of"):
            chosen.pop("package_size", None)
        if not zh:
            _settle_people(chosen, goods.whom)
        facts = list(chosen.values())
        if zh:
            shown = [f for f in goods.facts if is_sayable(f, self.speech) and not holds(goods.noun, f.value, "zh")]
            facts += shown[: max(_WANTED - len([f for f in facts if f.role not in MARGINAL]), 0)]
        return sorted(facts, key=self._rank)[:_DESCRIBED]

    def _rank(self, fact: Fact) -> int:
        """Return the sort key of a fact in the description; facts with equal keys stay in their order.

        It is 3 for facts that nobody buys the product for (such as its weight). For product parts, properties, measures
        and facts of the role SHOWN it is 1 if the title contains the fact, else 2. For all other facts it is 0.
        """
        measured = fact.role == "length" and fact.value[:1].isdigit()
        if measured or fact.role in MARGINAL or fact.label.lower() in self.speech.names.marginal:
            return 3
        free = fact.role in (PART, "able", "measure", SHOWN)
        return (1 if holds(self.goods.name, fact.shown, self.language) else 2) if free else 0

    def _description(self, facts: Sequence[Fact]) -> tuple[str, list[Fact]]:
        """Return the description and the facts that it states: the least repetitive of several drafts.

        Drafts that contain a banned claim or are unclear are used only if there are no others. If the description is
        longer than the limit, facts are dropped from the end until it fits.
        """
        drafts = []
        for self.draft in range(_DRAFTS):
            drafts.append(self._drafted(facts))
        kept = [d for d in drafts if self.limits.allow(d[0])] or drafts
        kept = [d for d in kept if self._is_clear(d[0])] or kept
        best = min(kept, key=lambda draft: _repetition(draft[0], self.language))
        while len(best[0]) > self.limits.description and facts:
            facts = facts[:-1]
            best = self._drafted(facts)
        return best

    def _is_clear(self, description: str) -> bool:
        """Return False if a Chinese description has words that could be misread.

        That is the case if the product's name ends in a digit and the description begins with a unit ("SPF50", "日").
        The other case is a description with 美的 before 一 or 款 ("露美的").
        """
        counted = self.goods.name[-1:].isdigit() and description[:1] in "日升米克斤两寸度片只支枚包袋瓶盒件双条张月年天"
        return self.language != "zh" or not (counted or re.search("美的(?=[一款])", description))

    def _drafted(self, facts: Sequence[Fact]) -> tuple[str, list[Fact]]:
        """Write one draft of the description that states these facts.

        Adds a sentence of the shop's own description if it fits grammatically, and a closing sentence if the style asks
        for one or the text would be too short.

        Returns:
            The text, and the facts that it really states.
        """
        goods = self.goods
        sentences = self.speaker.sentences(facts)
        stated = list(self.speaker.stated)
        if details := stated_details(goods, self.language):
            sentences = self.speaker.going_on(sentences, details)
        said = sum(map(len, sentences))
        if self.language == "en" and not stated and said < _BARE:
            # nothing but the name can be said: the shop's own sentences say more
            own = (d for d in goods.details if d != details and len(d.split()) >= _OWN and not instructs(d))
            sentences += [f"{d}." for d in own if self.limits.allow(d)][:1]
        short = sum(map(len, sentences)) < (_SHORT_ZH if self.language == "zh" else _SHORT)
        if self.style.closing or short:
            bare = not (stated or self.style.closing or goods.plain or self.language == "zh")
            closings = self.speech.kinds[ANYTHING if bare else goods.kind].closings
            fitting = [c for c in closings.get(self.style.tone) or closings["plain"] if self.limits.allow(c)]
            if fitting:
                sentences.append(fill(self._draw("closing", fitting), {}, goods.plural))
        return ("" if self.language == "zh" else " ").join(capital(s) for s in sentences if s), stated

    def _headline(self) -> str:
        """Return the headline: the product's name, with brand, colour or size if there is room.

        They are added only if the name does not contain them already ("Trail Jacket, Navy").
        """
        most, name = self.limits.headline, self.goods.name
        slots = {"Name": name, "name": name} | self._named()
        fits = [fill(p, slots) for p in _fitting(self.speech.headlines, slots)]
        headline = next((h for h in fits if len(h) <= most and self.limits.allow(h)), "")
        return capital(headline or _OPEN.sub("", cut(name, most)))

    def _named(self) -> dict[str, str]:
        """Return {slot name: value} with the brand, colour and size that the headline may add.

        A value is "" if the product's name already contains it, or if it is too long or too vague for a headline.
        """
        goods, zh = self.goods, self.language == "zh"
        short = 12 if zh else _CALLED
        values = {"brand": goods.value("brand"), "colour": goods.value("colour"), "size": goods.value("package_size")}
        fits = {r: "" if holds(goods.name, v, self.language) or len(v) > short else v for r, v in values.items()}
        if zh and (re.search(r"\d", goods.name) or not _AMOUNT_ZH.fullmatch(fits["size"])):
            fits["size"] = ""
        if not zh:
            number = re.match(r"\d+(?![\d.,])", fits["size"])
            told = number and re.search(rf"(?<![\d.,]){number[0]}(?![\d.,])", goods.name)
            fits["size"] = "" if told or re.fullmatch(r"an? .*|\d+", fits["size"]) else fits["size"]
            fits["colour"] = (
                "" if fits["colour"] == "transparent" and holds(goods.name, "clear", "en") else fits["colour"]
            )
            fits["colour"] = "" if " and " in fits["colour"] else fits["colour"]
            fits["colour"] = titled(fits["colour"]) if not goods.name[1:].islower() else fits["colour"]
        return fits

    def _meta(self, headline: str, description: str) -> str:
        """Return the meta description for search engines.

        It has as many first sentences of the description as fit, then those keywords of the style that the facts
        contain.
        """
        goods, zh = self.goods, self.language == "zh"
        most, text = _META_ZH if zh else _META, ""
        for sentence in (_SENTENCES_ZH if zh else _SENTENCES).split(description):
            if len(text) + len(sentence) + 1 > most:
                break
            text = f"{text}{'' if zh or not text else ' '}{sentence}"
        text = text or f"{headline}{'。' if zh else '.'}"
        for word in self.style.keywords:
            known = any(holds(text, word, self.language) for text in (goods.name, *(f.shown for f in goods.facts)))
            if known and word.lower() not in text.lower() and len(text) + len(word) + 2 <= most:
                text += f"{word}。" if zh else f" {capital(word)}."
        return text


def _settle_people(facts: dict[str, Fact], whom: str) -> None:
    """Remove the age group and the gender from the facts where they tell a reader nothing new.

    Examples: "adult" is always removed; "kids" is removed beside the gender "boys"; a gender is removed beside the noun
    "men's boots".

    Args:
        facts: The chosen facts by role; changed in place.
        whom: The wearer or user as the product's noun names it, such as "men's"; "" if it names none.
    """
    age, gender = facts.get("age_group"), facts.get("gender")
    if whom:
        facts.pop("gender", None)
    if age is not None and (age.value in ("adult", "adults") or ((gender or whom) and not re.search(r"\d", age.value))):
        facts.pop("age_group")


def _fitting(options: Iterable[str], slots: Mapping[str, str]) -> list[str]:
    """Return the patterns whose slots all have a value; patterns with the brand come first.

    Args:
        options: Patterns with slots such as `{brand}`.
        slots: Values by slot name; "" means that there is none.
    """
    fits = [p for p in options if all(slots.get(name, "") for name in re.findall(r"\{(\w+)\}", p))]
    return [p for p in fits if "{brand}" in p] + [p for p in fits if "{brand}" not in p]


def _repetition(text: str, language: str) -> float:
    """Return the share (0 to 1) of a text's words (Chinese: pairs of characters) that occur earlier in the text."""
    units = [text[i : i + 2] for i in range(len(text) - 1)] if language == "zh" else phrase_of(text)
    return 1 - len(set(units)) / max(len(units), 1)
