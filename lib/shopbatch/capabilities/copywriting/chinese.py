"""Says the facts of a product in Chinese: a first sentence with what stands before and behind the noun, then others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shopbatch.capabilities.copywriting.patterns import Patterns, RolePatterns, fill
from shopbatch.capabilities.copywriting.product import Goods
from shopbatch.capabilities.copywriting.values import Fact
from shopbatch.grounding.lexicon import phrase_of

_BEHIND = 2  # facts behind the noun


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
        posts, rest = self._posts(rest, _BEHIND)
        slots = self._slots(pre, posts)
        intros = self.speech.intros
        options = intros.named if self.goods.only_named else intros.with_brand if self.brand else intros.without_brand
        self.stated = list(facts)
        return [fill(self.draw("intro", options), slots), *self._sentences(rest, slots)]

    def meta(self, headline: str, facts: Sequence[Fact]) -> list[str]:
        """Sentences for search engines: the headline, then the facts."""
        return [f"{headline}。", *self.sentences(facts)]

    def _modifiers(self, told: Sequence[Fact]) -> tuple[list[Fact], list[Fact]]:
        """Up to two facts that stand before the noun, and the others."""
        pre: list[Fact] = []
        for fact in told:
            plain = not re.search(r"[\d,;/&%+、，]", fact.value)
            plain = plain and not set(phrase_of(fact.value)) & set(phrase_of(self.goods.noun))
            short = len(fact.value) <= 6
            if len(pre) < 2 and self._role(fact).pre and short and plain and self.chance(f"before {fact.role}") < 0.8:
                pre.append(fact)
        return pre, [f for f in told if f not in pre]

    def _posts(self, rest: Sequence[Fact], most: int) -> tuple[list[tuple[Fact, str]], list[Fact]]:
        """Facts that stand behind the noun, with their patterns, and the others."""
        chosen: list[tuple[Fact, str]] = []
        for fact in rest:
            options = [p for p in self._role(fact).options("post", fact.value) if ":" not in p]
            if options and len(chosen) < most:
                chosen.append((fact, self.draw(fact.label, options)))
        return chosen, [f for f in rest if not any(f is c for c, _ in chosen)]

    def _role(self, fact: Fact) -> RolePatterns:
        return self.speech.role(fact.role, self.goods.kind)

    def _slots(self, pre: Sequence[Fact], posts: Sequence[tuple[Fact, str]]) -> dict[str, str]:
        goods = self.goods
        before = [fill(self._role(f).pre_form, {"value": f.value}) for f in pre]
        behind = [fill(p, self._said(f) | {"noun": goods.noun}) for f, p in posts]
        np_ = "".join(before) + goods.noun
        np_ = f" {np_}" if self.brand and self.brand[-1].isascii() and np_[:1].isascii() else np_
        return {"np": np_, "noun": goods.noun, "mw": goods.measure, "brand": self.brand, "name": goods.name,
                "posts": "，".join(behind)}  # fmt: skip

    def _sentences(self, rest: Sequence[Fact], slots: Mapping[str, str]) -> list[str]:
        """The facts that are left in sentences: two clauses in one where both can be joined, else one by one."""
        made: list[str] = []
        waiting = list(rest)
        bare = dict(slots) | {"np": self.goods.noun}
        while waiting:
            fact = waiting.pop(0)
            clause = self._clause(fact, bare)
            partner = next((f for f in waiting if self._clause(f, bare)), None) if clause else None
            if partner is not None:
                waiting.remove(partner)
                made.append(f"{clause}，{self._clause(partner, bare)}。")
            else:
                pattern = self.draw(fact.label, self._role(fact).options("sentences", fact.value))
                made.append(fill(pattern, bare | self._said(fact)))
        return made

    def _clause(self, fact: Fact, slots: Mapping[str, str]) -> str:
        """A fact as a clause that can be joined to another, "" if there is none."""
        options = [p for p in self._role(fact).options("clauses", fact.value) if ":" not in p + fact.value]
        return fill(self.draw(fact.label, options), dict(slots) | self._said(fact)) if options else ""

    def _said(self, fact: Fact) -> dict[str, str]:
        return {"value": fact.value, "label": fact.label}
