"""Writes copy by plan: chooses facts, orders them, and says them in the patterns of the language (patterns.py).

Nothing is said that is not a fact or true of any goods of the kind, so the check that follows finds nothing. Equal
facts give equal copy; other facts draw other patterns. Called by `writer.py` and by whoever teaches a model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import xxhash

from shopbatch.capabilities.copywriting.copy_format import MOST_BULLETS
from shopbatch.capabilities.copywriting.facts import cut
from shopbatch.capabilities.copywriting.patterns import AGREEING, Patterns, RolePatterns, fill, patterns
from shopbatch.capabilities.copywriting.product import (
    SHELF,
    TOLD,
    Fact,
    Goods,
    capital,
    holds,
    lowered,
    understand,
)
from shopbatch.core.hashing import digest
from shopbatch.grounding.lexicon import phrase_of

VERSION = 1  # of what this module and product.py make of facts and patterns
_DESCRIBED, _FEWEST = 6, 2  # facts in the description: at most, and at least where there are so many
_DRAFTS = 3  # descriptions of which the least repetitive is taken
_BULLETS = 2  # at least
_SHORT, _SHORT_ZH = 22, 11  # letters of a description that needs another sentence
_META, _META_ZH = 155, 80  # characters of a meta description
_LONG, _LONG_ZH = 60, 24  # letters of a value that has a bullet of its own and no sentence
_HEADLINE, _BULLET = 120, 200  # letters at most; those of config.Rules
_JOINED = 180  # letters of facts that share a bullet
_VOWEL = re.compile(r"[ai]|e(?!u)|o(?!ne\b|nce\b)|u(?!ni[^n]|s[ae]|ti|-)|8|11\b|18\b|hour|honest|heir", re.I)
_SPELT = re.compile(r"[A-Z]{1,5}\d*(?![a-z])")  # read letter by letter
_OPEN = re.compile(r"\s*[(（][^)）]*$")  # a parenthesis without its end
_SENTENCES = re.compile(r"[^.。]+(?:\.(?=\S)[^.。]*)*[.。]\s*")


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


PLAIN = Style()


def plan(attributes: Mapping[str, str | None], language: str, style: Style = PLAIN) -> str:
    """Copy of a product as JSON on one line: headline, description, bullets, meta.

    Args:
        attributes: As `facts.known_facts` returns them; one of `product.PLAINEST` must say something.
        language: One of `lexicon.LANGUAGES`.
        style: Tone and length.
    """
    goods = understand(attributes, language)
    seed = digest({"facts": [[f.role, f.label, f.shown] for f in goods.facts], "name": goods.name})
    writer = _Realiser(goods, language, style, seed)
    return json.dumps(writer.copy(), ensure_ascii=False)


@dataclass
class _Realiser:
    """Says the facts of one product."""

    goods: Goods
    language: str
    style: Style
    seed: str
    draft: int = 0
    speech: Patterns = field(init=False)

    def __post_init__(self) -> None:
        self.speech = patterns(self.language)

    def copy(self) -> dict[str, object]:
        """The parts of the copy."""
        drafts = []
        for self.draft in range(_DRAFTS):
            drafts.append(self._description())
        description, left = min(drafts, key=lambda draft: _repetition(draft[0], self.language))
        headline = self._headline()
        return {
            "headline": headline,
            "description": description,
            "bullets": self._bullets(left),
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

    def _told(self) -> list[Fact]:
        """The facts for the description: those of TOLD that its noun does not hold already."""
        noun = self.goods.noun
        most = _LONG_ZH if self.language == "zh" else _LONG
        told: dict[str, Fact] = {}
        for fact in self.goods.facts:
            if fact.role in TOLD and len(fact.value) <= most and not holds(noun, fact.value, self.language):
                told.setdefault(fact.role, fact)
        if len(told) < _FEWEST:
            measures = [f for f in self.goods.facts if f.role == "measure" and len(f.shown) <= most // 2]
            told |= {f.label: f for f in measures[: _FEWEST - len(told)]}
        shelf = next((f for f in self.goods.facts if f.role in SHELF and f.role in self.speech.roles), None)
        if shelf is not None and (not told or shelf.role == "own_label"):
            told[shelf.role] = shelf
        return list(told.values())

    def _description(self) -> tuple[str, list[Fact]]:
        """A description, and the facts that it does not state."""
        goods = self.goods
        told = self._told()[:_DESCRIBED]
        pre, rest = self._modifiers(told)
        posts, rest = self._posts(rest, 2 if self.language == "zh" else 1)
        slots = self._slots(pre, posts)
        intro = self._intro(slots)
        sentences = [fill(intro, slots, goods.plural), *self._sentences(rest, slots)]
        short = sum(map(len, sentences)) < (_SHORT_ZH if self.language == "zh" else _SHORT)
        if self.style.closing or short:
            closings = self.speech.kinds[goods.kind].closings
            closing = self._draw("closing", closings.get(self.style.tone) or closings["plain"])
            sentences.append(fill(closing, slots, goods.plural))
        text = ("" if self.language == "zh" else " ").join(capital(s) for s in sentences if s)
        named = "{brand}" in intro
        left = [f for f in goods.facts if f not in told and not (named and f.role == "brand")]
        return text, left

    def _intro(self, slots: Mapping[str, str]) -> str:
        intros = self.speech.intros
        options = (
            intros.named if self.goods.only_named else intros.with_brand if slots["brand"] else intros.without_brand
        )
        options = tuple(p for p in options if all(slots.get(s) for s in ("made", "with") if f"{{{s}}}" in p))
        return self._draw("intro", options)

    def _modifiers(self, told: Sequence[Fact]) -> tuple[list[Fact], list[Fact]]:
        """Up to two facts that stand before the noun, and the others."""
        pre: list[Fact] = []
        for fact in told:
            short = len(fact.value) <= 6 if self.language == "zh" else len(fact.value.split()) <= 2
            plain = not re.search(r"[\d,;/&%+、，]|\band\b|\bwith\b", fact.value)
            plain = plain and not set(phrase_of(fact.value)) & set(phrase_of(self.goods.noun))
            if len(pre) < 2 and self._role(fact).pre and short and plain and self._chance(f"before {fact.role}") < 0.8:
                pre.append(fact)
        return pre, [f for f in told if f not in pre]

    def _posts(self, rest: Sequence[Fact], most: int) -> tuple[list[tuple[Fact, str]], list[Fact]]:
        """Facts that stand behind the noun, with their patterns, and the others."""
        chosen: list[tuple[Fact, str]] = []
        for fact in rest:
            options = [p for p in self._role(fact).options("post", fact.value) if ":" not in p]
            heads = {p.split(" ")[0] for _, p in chosen}
            options = [p for p in options if p.split(" ")[0] not in heads] if self.language == "en" else options
            if options and len(chosen) < most:
                chosen.append((fact, self._draw(fact.label, options)))
        return chosen, [f for f in rest if not any(f is c for c, _ in chosen)]

    def _role(self, fact: Fact) -> RolePatterns:
        return self.speech.role(fact.role, self.goods.kind)

    def _slots(self, pre: Sequence[Fact], posts: Sequence[tuple[Fact, str]]) -> dict[str, str]:
        goods = self.goods
        before = [fill(self._role(f).pre_form, {"value": f.value}) for f in pre]
        behind = [fill(p, self._said(f) | {"noun": goods.noun}, goods.plural) for f, p in posts]
        brand = goods.value("brand")
        brand = "" if brand.lower() in goods.noun.lower() else brand
        if self.language == "zh":
            np_ = "".join(before) + goods.noun
            np_ = f" {np_}" if brand and brand[-1].isascii() and np_[:1].isascii() else np_
            return {"np": np_, "noun": goods.noun, "mw": goods.measure, "brand": brand, "name": goods.name,
                    "posts": "，".join(behind)}  # fmt: skip
        np_ = " ".join([*before, goods.noun])
        a_np = np_ if goods.plural or goods.mass else article(np_)
        this_np = self._this(np_)
        posts_ = (", " if len(behind) > 2 else " ").join(behind)
        return {
            "with": posts_ if posts_.startswith(("with ", "in ")) else "",
            "made": posts_ if posts_.startswith("made ") else "",
            "np": np_,
            "Np": capital(np_),
            "noun": goods.noun,
            "a_np": a_np,
            "A_np": capital(a_np),
            "this_np": this_np,
            "This_np": capital(this_np),
            "brand": brand,
            "Name": goods.name,
            "posts": posts_,
        }

    def _sentences(self, rest: Sequence[Fact], slots: Mapping[str, str]) -> list[str]:
        """The facts that are left in sentences: two clauses in one where both can be joined, else one by one."""
        found: list[str] = []
        waiting = list(rest)
        bare = dict(slots) | {"np": self.goods.noun}
        if self.language == "en":
            bare["this_np"] = self._this(self.goods.noun)
            bare["This_np"] = capital(bare["this_np"])
        while waiting:
            fact = waiting.pop(0)
            clause = self._clause(fact, bare)
            partner = next((f for f in waiting if self._clause(f, bare)), None) if clause else None
            if partner is not None:
                waiting.remove(partner)
                other = self._clause(partner, bare)
                found.append(self._sentence(clause, other))
            else:
                pattern = self._draw(fact.label, self._role(fact).options("sentences", fact.value))
                found.append(fill(pattern, bare | self._said(fact), self.goods.plural))
        return found

    def _sentence(self, clause: str, other: str) -> str:
        """Two clauses in one sentence: "It has A and B", "It has A and is B"."""
        if self.language == "zh":
            return f"{clause}，{other}。"
        verb, _, rest = other.partition(" ")
        other = rest if clause.startswith(f"{verb} ") and " and " not in clause + other else other
        return f"{AGREEING[self.goods.plural]['It']} {clause} and {other}."

    def _clause(self, fact: Fact, slots: Mapping[str, str]) -> str:
        """A fact as a clause that can be joined to another, "" if there is none."""
        options = [p for p in self._role(fact).options("clauses", fact.value) if ":" not in p + fact.value]
        if not options:
            return ""
        return fill(self._draw(fact.label, options), dict(slots) | self._said(fact), self.goods.plural)

    def _said(self, fact: Fact) -> dict[str, str]:
        return {"value": fact.value, "label": lowered(fact.label), "a_value": article(fact.value),
                "a_label": article(lowered(fact.label))}  # fmt: skip

    def _this(self, np: str) -> str:
        return f"{'these' if self.goods.plural else 'this'} {np}"

    def _bullets(self, left: Sequence[Fact]) -> list[str]:
        """Two to six bullets, `label: value`: the facts that the description leaves out first."""
        facts = [*left, *(f for f in self.goods.facts if f not in left)]
        known = ("brand", *SHELF)  # the headline has the brand
        lines = [self._bullet(f) for f in facts if f.role not in known]
        rest = [self._bullet(f) for f in facts if f.role in known]
        lines += rest[: max(_BULLETS - len(lines), 0)]
        if len(lines) > MOST_BULLETS:
            over = lines[MOST_BULLETS - 1 :] if len(left) > MOST_BULLETS else lines[MOST_BULLETS - 1 : MOST_BULLETS]
            lines = [*lines[: MOST_BULLETS - 1], _joined(over, self.language)]
        if len(self.goods.name) > _HEADLINE:  # which the headline cuts
            lines = [self._line(self.speech.labels["name"], self.goods.name), *lines[: MOST_BULLETS - 1]]
        goods = self.goods
        noun = "" if goods.only_named else goods.noun
        name = goods.name if len(goods.name) <= _HEADLINE else ""
        for part, value in (("description", goods.details), ("noun", noun), ("name", name)):
            if len(lines) < _BULLETS and value:
                lines.append(self._line(self.speech.labels[part], value))
        if len(lines) < _BULLETS:
            lines.append(self.speech.page)
        return list(dict.fromkeys(lines))

    def _bullet(self, fact: Fact) -> str:
        return self._line(fact.label, fact.shown)

    def _line(self, label: str, value: str) -> str:
        """A bullet, cut to the length of one."""
        return fill(
            self.speech.bullet, {"label": capital(label), "value": capital(cut(value, _BULLET - len(label) - 2))}
        )

    def _headline(self) -> str:
        """The name with the brand, and perhaps the colour, where the name does not hold them."""
        slots = self._slots([], []) | self._named()
        fits = _fitting(self.speech.headlines, slots)
        headline = capital(fill(self._draw("headline", fits), slots, self.goods.plural))
        return headline if len(headline) <= _HEADLINE else capital(_OPEN.sub("", cut(self.goods.name, _HEADLINE)))

    def _named(self) -> dict[str, str]:
        """Brand and colour, "" where the name of the product holds them."""
        name = self.goods.name
        values = {role: self.goods.value(role) for role in ("brand", "colour")}
        short = 12 if self.language == "zh" else 25
        return {r: "" if holds(name, v, self.language) or len(v) > short else v for r, v in values.items()}

    def _meta(self, headline: str, description: str) -> str:
        """What search engines show: the headline, the sentences that fit, then the keywords that are facts."""
        goods = self.goods
        zh = self.language == "zh"
        most = _META_ZH if zh else _META
        text = f"{headline}。" if zh else f"{headline}."
        for sentence in _SENTENCES.findall(description):
            if len(text) + len(sentence) + 1 <= most:
                text += sentence if zh else f" {sentence.strip()}"
        for word in self.style.keywords:
            known = any(holds(text, word, self.language) for text in (goods.name, *(f.shown for f in goods.facts)))
            if known and word.lower() not in text.lower() and len(text) + len(word) + 2 <= most:
                text += f"{word}。" if zh else f" {capital(word)}."
        return text


def _fitting(options: Iterable[str], slots: Mapping[str, str]) -> list[str]:
    """The patterns all of whose slots have a value, those with the brand if there is one."""
    fits = [p for p in options if all(slots.get(name, "") for name in re.findall(r"\{(\w+)\}", p))]
    return [p for p in fits if "{brand}" in p] or fits


def article(text: str) -> str:
    """A noun phrase with a or an, by how it is spoken: an LED strip, a USB hub."""
    first = text.split(" ")[0]
    if _SPELT.fullmatch(re.split(r"[-/]", first)[0]) and not first.isdigit():
        return f"{'an' if first[0] in 'AEFHILMNORSX' else 'a'} {text}"
    return f"{'an' if _VOWEL.match(text) else 'a'} {text}"


def _joined(lines: Sequence[str], language: str) -> str:
    """As many lines in one bullet as there is room for, at least one."""
    joined = lines[0]
    for line in lines[1:]:
        if len(joined) + len(line) + 2 <= _JOINED:
            joined = f"{joined}；{line}" if language == "zh" else f"{joined}; {line}"
    return joined


def _repetition(text: str, language: str) -> float:
    """Share of words of a text (Chinese: pairs of characters) that occur more than once."""
    units = [text[i : i + 2] for i in range(len(text) - 1)] if language == "zh" else phrase_of(text)
    return 1 - len(set(units)) / max(len(units), 1)
