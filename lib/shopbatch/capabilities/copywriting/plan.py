"""Writes copy by plan: chooses facts, orders them, and says them in the patterns of the language (patterns.py).

Nothing is said that is not a fact or true of any goods of the kind, so the check that follows finds nothing. Equal
facts give equal copy; other facts draw other patterns. Called by `writer.py` and by whoever teaches a model.
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
from shopbatch.capabilities.copywriting.product import EDIBLE, Goods, capital, holds, understand
from shopbatch.capabilities.copywriting.wording import titled
from shopbatch.core.hashing import digest
from shopbatch.grounding.lexicon import ANYTHING, phrase_of

VERSION = 6  # of what this module and those that it calls make of facts and patterns
_DESCRIBED = 10  # facts in the description at most
_DRAFTS = 5  # descriptions of which the least repetitive is taken
_SHORT, _SHORT_ZH = 20, 11  # letters of a description that needs another sentence
_META, _META_ZH = 155, 80  # characters of a meta description
_LONG, _LONG_ZH = 60, 24  # letters of a value that has a bullet of its own and no sentence
_WANTED = 4  # facts of a Chinese description, if no more are known that patterns are about
_SENTENCES, _SENTENCES_ZH = re.compile(r"(?<=[.!?]) (?=[A-Z])"), re.compile("(?<=。)")
_OPEN = re.compile(r"\s*[(（][^)）]*$")  # a parenthesis without its end
_AMOUNT_ZH = re.compile(r"[\d.]+ ?(?:g|kg|ml|l|克|千克|公斤|斤|毫升|升|片|包|袋|瓶|支|盒)(?:[x×*]\d+.?)?", re.I)
_CALLED = 25  # letters of a brand or a colour in a headline


@dataclass(frozen=True)
class Style:
    """How copy is written: tone, one of TONES; closing: whether a last sentence of the kind follows; keywords: words
    that the meta description holds where the facts back them."""

    tone: str = "plain"
    closing: bool = False
    keywords: tuple[str, ...] = ()

    @property
    def identity(self) -> list[object]:
        """The style as JSON values."""
        return [self.tone, self.closing, list(self.keywords)]


@dataclass(frozen=True)
class Limits:
    """What copy has to keep to: characters of its parts at most, and regular expressions of what it may not say."""

    headline: int = 120
    description: int = 900
    bullet: int = 200
    banned: tuple[str, ...] = ()

    def allow(self, text: str) -> bool:
        """Whether a text says nothing that is banned."""
        return not (self.banned and _banned(self.banned).search(text))


@lru_cache(maxsize=8)
def _banned(expressions: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{e})" for e in expressions), re.I)


PLAIN, DEFAULT = Style(), Limits()


def plan(attributes: Mapping[str, str | None], language: str, style: Style = PLAIN, limits: Limits = DEFAULT) -> str:
    """Copy of a product as JSON on one line: headline, description, bullets, meta.

    Args:
        attributes: As `facts.known_facts` returns them; one of `product.PLAINEST` must say something.
        language: One of `lexicon.LANGUAGES`.
        style: Tone and length.
        limits: What the copy keeps to, as far as the product's name does.
    """
    goods = understand(attributes, language)
    seed = digest({"facts": [[f.role, f.label, f.shown] for f in goods.facts], "name": goods.name})
    if limits.banned:
        kept = tuple(f for f in goods.facts if limits.allow(f"{f.label} {f.shown} {f.value}"))
        goods = replace(goods, facts=kept, details=tuple(filter(limits.allow, goods.details)))
    return json.dumps(_Planner(goods, language, style, limits, seed).copy(), ensure_ascii=False)


@dataclass
class _Planner:
    """Chooses what is said of one product, and where."""

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
        """The parts of the copy."""
        description, stated = self._description(self._facts_to_state())
        headline = self._headline()
        brand = [f for f in self.goods.facts if f.role == "brand" and self.goods.value("brand") in description]
        lines = bullets(self.goods, [*stated, *brand], self.language, self.limits.bullet, self.limits.headline)
        return {
            "headline": headline,
            "description": description,
            "bullets": lines,
            "meta": self._meta(headline, description),
        }

    def _draw(self, topic: str, options: Sequence[str]) -> str:
        """One of the options. A new option or one that is gone changes no draw but those that it wins or won."""
        return max(options, key=lambda option: self._hash(topic, option))

    def _chance(self, topic: str) -> float:
        """A number from 0 to 1."""
        return self._hash(topic, "") / 2**64

    def _hash(self, topic: str, option: str) -> int:
        return xxhash.xxh3_64_intdigest(f"{self.seed} {self.draft} {topic} {option}".encode())

    def _facts_to_state(self) -> list[Fact]:
        """The facts for the description: those of TOLD that its noun does not hold already."""
        goods, zh = self.goods, self.language == "zh"
        most = _LONG_ZH if zh else _LONG
        chosen: dict[str, Fact] = {}
        for fact in goods.facts:
            known = holds(goods.noun, fact.value, self.language) or (
                not zh and (is_redundant(fact, goods.noun) or not is_apt(fact, goods.noun))
            )
            several = fact.role in (PART, "able", "measure")
            # of two handles one is stated
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
        """What no one buys goods for comes last; of what can be in any order, what the title says comes first."""
        measured = fact.role == "length" and fact.value[:1].isdigit()
        if measured or fact.role in MARGINAL or fact.label.lower() in self.speech.names.marginal:
            return 3
        free = fact.role in (PART, "able", "measure", SHOWN)
        return (1 if holds(self.goods.name, fact.shown, self.language) else 2) if free else 0

    def _description(self, facts: Sequence[Fact]) -> tuple[str, list[Fact]]:
        """The least repetitive of some descriptions that keep to the limits, and the facts that it states."""
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
        """Whether no word of a Chinese description runs into another: SPF50 before 日, 露美 before 的."""
        counted = self.goods.name[-1:].isdigit() and description[:1] in "日升米克斤两寸度片只支枚包袋瓶盒件双条张月年天"
        return self.language != "zh" or not (counted or re.search("美的(?=[一款])", description))

    def _drafted(self, facts: Sequence[Fact]) -> tuple[str, list[Fact]]:
        goods = self.goods
        sentences = self.speaker.sentences(facts)
        stated = list(self.speaker.stated)
        if details := stated_details(goods, self.language):
            sentences = self.speaker.going_on(sentences, details)
        short = sum(map(len, sentences)) < (_SHORT_ZH if self.language == "zh" else _SHORT)
        if self.style.closing or short:
            bare = not (stated or self.style.closing or goods.plain or self.language == "zh")
            closings = self.speech.kinds[ANYTHING if bare else goods.kind].closings
            fitting = [c for c in closings.get(self.style.tone) or closings["plain"] if self.limits.allow(c)]
            if fitting:
                sentences.append(fill(self._draw("closing", fitting), {}, goods.plural))
        return ("" if self.language == "zh" else " ").join(capital(s) for s in sentences if s), stated

    def _headline(self) -> str:
        """The name with the brand, and perhaps the colour or the size, where the name does not hold them."""
        most, name = self.limits.headline, self.goods.name
        slots = {"Name": name, "name": name} | self._named()
        fits = [fill(p, slots) for p in _fitting(self.speech.headlines, slots)]
        headline = next((h for h in fits if len(h) <= most and self.limits.allow(h)), "")
        return capital(headline or _OPEN.sub("", cut(name, most)))

    def _named(self) -> dict[str, str]:
        """Brand, colour and size, "" where the name of the product holds them."""
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
        """What search engines show: the sentences of the description that fit, then keywords that are facts."""
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
    """Leave out whom goods are for where it is said already: adults beside women, kids beside boys."""
    age, gender = facts.get("age_group"), facts.get("gender")
    if whom:
        facts.pop("gender", None)
    if age is not None and (age.value in ("adult", "adults") or ((gender or whom) and not re.search(r"\d", age.value))):
        facts.pop("age_group")


def _fitting(options: Iterable[str], slots: Mapping[str, str]) -> list[str]:
    """The patterns all of whose slots have a value, those with the brand if there is one."""
    fits = [p for p in options if all(slots.get(name, "") for name in re.findall(r"\{(\w+)\}", p))]
    return [p for p in fits if "{brand}" in p] + [p for p in fits if "{brand}" not in p]


def _repetition(text: str, language: str) -> float:
    """Share of words of a text (Chinese: pairs of characters) that occur more than once."""
    units = [text[i : i + 2] for i in range(len(text) - 1)] if language == "zh" else phrase_of(text)
    return 1 - len(set(units)) / max(len(units), 1)
