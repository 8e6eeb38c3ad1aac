"""Says the facts of a product in Chinese: a first sentence with what stands around the noun, then clauses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shopbatch.capabilities.copywriting.patterns import Patterns, RolePatterns, fill
from shopbatch.capabilities.copywriting.product import BOOKS, Goods, holds
from shopbatch.capabilities.copywriting.values import SHOWN, Fact
from shopbatch.grounding.lexicon import is_chinese, phrase_of

_BEFORE, _BEHIND, _CLAUSES = 2, 3, 3  # facts before the noun, behind it, and in a later sentence, at most
_FEW, _ADDED = 2, 2  # facts with which a description is thin, and those that are added to it then
_LABEL, _VALUE = 6, 10  # characters of an attribute that is added
_MADE = re.compile(r"[制质]$")


@dataclass
class Chinese:
    """Says the facts of one product. draw: chooses one of several patterns. chance: a number from 0 to 1."""

    goods: Goods
    speech: Patterns
    draw: Callable[[str, Sequence[str]], str]
    chance: Callable[[str], float]
    brand: str = ""
    stated: list[Fact] = field(default_factory=list)

    def sentences(self, facts: Sequence[Fact]) -> list[str]:
        """The facts in sentences; those that are said are `stated` then."""
        pre, rest = self._modifiers(facts)
        phrases = [(f, p) for f in rest if (p := self._phrase(f))]
        behind, rest = phrases[:_BEHIND], [f for f, _ in phrases[_BEHIND:]]
        clauses = [(f, c) for f in rest if (c := self._clause(f))]
        self.stated = [*pre, *(f for f, _ in behind), *(f for f, _ in clauses)]
        added = self._added() if len(self.stated) < _FEW else []
        self.stated += added
        posts = _merged([*(p for _, p in behind), *(f"{f.label}为{f.shown}" for f in added)])
        said = _merged([c for _, c in clauses])
        return [
            self._first(pre, posts),
            *(f"{'，'.join(said[n : n + _CLAUSES])}。" for n in range(0, len(said), _CLAUSES)),
        ]

    def meta(self, headline: str, facts: Sequence[Fact]) -> list[str]:
        """Sentences for search engines: the headline with the facts that it does not hold."""
        phrases = [(f, p) for f in facts if not holds(headline, f.value, "zh") and (p := self._phrase(f))]
        behind, rest = _merged([p for _, p in phrases[:_BEHIND]]), [f for f, _ in phrases[_BEHIND:]]
        behind = behind or [f"{f.label}为{f.shown}" for f in self._added()]
        clauses = [c for f in rest if (c := self._clause(f))]
        first = f"{headline}，{'，'.join(behind)}。" if behind else f"{headline}。"
        return [first, *([f"{'，'.join(clauses[:_CLAUSES])}。"] if clauses else [])]

    def _first(self, pre: Sequence[Fact], posts: Sequence[str]) -> str:
        goods, intros = self.goods, self.speech.intros
        options = (
            intros.named
            if goods.only_named or goods.kind == BOOKS
            else intros.with_brand
            if self.brand
            else intros.without_brand
        )
        options = tuple(o for o in options if posts or "是" in o or "来自" in o) or options
        return fill(self.draw("intro", options), self._slots(pre, posts))

    def _modifiers(self, told: Sequence[Fact]) -> tuple[list[Fact], list[Fact]]:
        """Up to two facts that stand before the noun, and the others."""
        pre: list[Fact] = []
        for fact in told:
            if len(pre) < _BEFORE and self._is_short(fact) and self.chance(f"before {fact.role}") < 0.8:
                pre.append(fact)
        return pre, [f for f in told if f not in pre]

    def _is_short(self, fact: Fact) -> bool:
        role, value = self._role(fact), fact.value
        plain = is_chinese(value) and len(value) <= 6 and not re.search(r"[\d,;/&%+、，\s]", value)
        fits = not role.pre_if or bool(re.search(role.pre_if, value))
        overlap = (
            set(phrase_of(value)) & set(phrase_of(self.goods.noun))
            or value[-1:] == self.goods.noun[:1]
            or value[-2:] == self.goods.noun[:2]
        )
        return role.pre and plain and fits and not overlap

    def _phrase(self, fact: Fact) -> str:
        options = [p for p in self._role(fact).options("post", fact.value) if ":" not in p]
        return fill(self.draw(fact.label, options), self._said(fact)) if options else ""

    def _clause(self, fact: Fact) -> str:
        options = [p for p in self._role(fact).options("clauses", fact.value) if ":" not in p + fact.value]
        return fill(self.draw(fact.label, options), self._said(fact)) if options else ""

    def _added(self) -> list[Fact]:
        """Facts that no pattern is about, for a description that would say little: `鞋帮为高帮`."""
        shown = (f for f in self.goods.facts if f.role == SHOWN and is_chinese(f.label))
        fitting = (f for f in shown if len(f.label) <= _LABEL and len(f.shown) <= _VALUE)
        sayable = (
            f
            for f in fitting
            if re.fullmatch(r"[\u4e00-\u9fff]{2,}|[\d.]+[-~]?[\d.]* ?[a-zA-Z\u4e00-\u9fff]{1,3}", f.shown)
        )
        return [f for f in sayable if re.search(self.speech.names.told_ends, f.label)][:_ADDED]

    def _role(self, fact: Fact) -> RolePatterns:
        return self.speech.role(fact.role, self.goods.kind)

    def _slots(self, pre: Sequence[Fact], posts: Sequence[str]) -> Mapping[str, str]:
        goods = self.goods
        np_ = "".join(self._before(f) for f in pre) + goods.noun
        gap = " " if self.brand and self.brand[-1].isascii() and np_[:1].isascii() else ""
        return {"np": np_, "gap": gap, "noun": goods.noun, "mw": goods.measure, "brand": self.brand, "name": goods.name,
                "posts": "，".join(posts)}  # fmt: skip

    def _before(self, fact: Fact) -> str:
        value = f"{fact.value}质" if fact.role == "material" and len(fact.value) == 1 else fact.value
        return fill(self._role(fact).pre_form, {"value": value})

    def _said(self, fact: Fact) -> dict[str, str]:
        return {"value": fact.value, "label": fact.label, "noun": self.goods.noun}


def _merged(phrases: Sequence[str]) -> list[str]:
    """Phrases in which all that a product has is one: `带帽子、拇指孔`."""
    parts = [p.removeprefix("带") for p in phrases if re.fullmatch("带[^，]+", p)]
    if len(parts) < 2:
        return list(phrases)
    others = [p for p in phrases if not re.fullmatch("带[^，]+", p)]
    return [*others, f"带{'、'.join(parts)}"]
