"""Puts the facts of a product into Chinese sentences: a first sentence around the noun, then clauses.

Called by the planner (plan.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from shopbatch.capabilities.copywriting.fact import SHOWN, Fact
from shopbatch.capabilities.copywriting.patterns import Patterns, RolePatterns, fill
from shopbatch.capabilities.copywriting.product import BOOKS, holds
from shopbatch.capabilities.copywriting.speaker import Speaker
from shopbatch.grounding.lexicon import is_chinese, phrase_of

_BEFORE, _BEHIND, _CLAUSES = 2, 3, 3  # maximum facts before the noun, behind it, and per later sentence
_FRAGMENT = 7  # maximum characters of a text that is too short to be a sentence
_ADDED = 2  # maximum parts of a title that are added
_LABEL, _VALUE = 6, 10  # maximum characters of an attribute that fills up a description
_TITLE_PART = re.compile(r"[\u4e00-\u9fffA-Za-z\d.\-]{2,8}")
_OF_CONTENT = re.compile("^带(?=.*(?:精油|橄榄油|奶|精华|提取物|果肉|果粒))")


class Chinese(Speaker):
    """Writes the Chinese sentences about one product."""

    def sentences(self, facts: Sequence[Fact]) -> list[str]:
        """Return sentences that state the facts, and set `stated` to the facts that they really state.

        Args:
            facts: The facts to state, the most important first.
        """
        book, facts = self._book(facts)
        pre, rest = self._modifiers(facts) if not self._is_named() else ([], list(facts))
        phrases = [(f, p) for f in rest if (p := self._phrase(f))]
        behind, rest = phrases[:_BEHIND], [f for f, _ in phrases[_BEHIND:]]
        clauses = [(f, c) for f in rest if (c := self._clause(f))]
        self.stated = [*self.stated, *pre, *(f for f, _ in behind), *(f for f, _ in clauses)]
        posts = _merged([*book, *self._of_title(), *(p for _, p in behind)])
        said = _merged([c for _, c in clauses])
        sentences = [self._first(pre, posts)]
        for n in range(0, len(said), _CLAUSES):
            text = f"{'，'.join(said[n : n + _CLAUSES])}。"
            if len(text) <= _FRAGMENT:  # too short for a sentence, such as 防泼水
                sentences[-1] = f"{sentences[-1].removesuffix('。')}，{text}"
            else:
                sentences.append(text)
        return sentences

    def going_on(self, sentences: list[str], details: str) -> list[str]:
        """Append a sentence fragment of the shop's own description, such as 带导汁槽和把手, to the last sentence.

        Args:
            sentences: The sentences so far; at least one.
            details: The fragment.
        """
        details = _OF_CONTENT.sub("含", details)
        return [*sentences[:-1], f"{sentences[-1].removesuffix('。')}，{details}。"]

    def _is_named(self) -> bool:
        """Return True if the first sentence uses the product's name instead of a noun.

        That is the case for books and for products of unknown kind.
        """
        return self.goods.only_named or self.goods.kind == BOOKS

    def _book(self, facts: Sequence[Fact]) -> tuple[list[str], list[Fact]]:
        """Return a book's author and binding as one phrase (莫依琳著的平装小说), and reset `stated` to these facts.

        Args:
            facts: The facts to state.

        Returns:
            The phrase in a list, [] for products that are no books; and the facts that the phrase does not use.
        """
        self.stated = []
        if self.goods.kind != BOOKS:
            return [], list(facts)
        author = next((f for f in facts if f.role == "author"), None)
        binding = next(
            (f for f in self.goods.facts if f.label == "装帧" and re.fullmatch("[平精简线]装", f.shown)), None
        )
        kind = self.goods.type_name if re.fullmatch("[\u4e00-\u9fff]{2,5}", self.goods.type_name) else "书"
        what = f"{binding.shown if binding else ''}{kind}"
        self.stated = [f for f in (author, binding) if f]
        if not (author or binding or self.goods.type_name):
            return [], list(facts)
        return [f"{author.value}著的{what}" if author else what], [f for f in facts if f not in self.stated]

    def _of_title(self) -> list[str]:
        """Return up to two parts of the title that no fact states, such as 12合1."""
        goods = self.goods
        if self._is_named() or " " not in goods.name:
            return []
        known = [t for f in goods.facts for t in (f.value, f.shown, f.label)]
        said_of_goods = re.compile(self.speech.names.said_of_goods)
        parts = [p for p in goods.name.split() if said_of_goods.search(p) and _TITLE_PART.fullmatch(p)]
        parts = [p for p in parts if not (goods.noun in p or p in goods.noun)]
        news = [p for p in parts if not any(holds(p, k, "zh") or holds(k, p, "zh") or p[:2] in k for k in known)]
        return [p for p in news if p != goods.value("brand")][:_ADDED]

    def _first(self, pre: Sequence[Fact], posts: Sequence[str]) -> str:
        """Return the first sentence about the product, with a pattern that `draw` chooses.

        Args:
            pre: Facts before the noun.
            posts: Phrases behind the noun.
        """
        intros = self.speech.intros
        named = self._is_named()
        options = intros.named if named else intros.with_brand if self.brand else intros.without_brand
        options = tuple(o for o in options if posts or "是" in o or "来自" in o) or options
        if any(f.role == "origin" for f in self.goods.facts):  # 来自 (from) would read as if the brand were a place
            options = tuple(o for o in options if "来自" not in o) or options
        return fill(self.draw("intro", options), self._slots(pre, posts))

    def _modifiers(self, facts: Sequence[Fact]) -> tuple[list[Fact], list[Fact]]:
        """Choose up to two facts whose values stand before the noun.

        Returns:
            The chosen facts, and all others.
        """
        pre: list[Fact] = []
        for fact in facts:
            if len(pre) < _BEFORE and self._is_short(fact) and self.chance(f"before {fact.role}") < 0.8:
                pre.append(fact)
        return pre, [f for f in facts if f not in pre]

    def _is_short(self, fact: Fact) -> bool:
        """Return True if a fact's value can stand before the noun: short, Chinese, and not in the noun."""
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
        """Return a fact as a phrase behind the noun; "" if its role has no such pattern."""
        options = [p for p in self._role(fact).options("post", fact.value) if ":" not in p]
        return fill(self.draw(fact.label, options), self._said(fact)) if options else ""

    def _clause(self, fact: Fact) -> str:
        """Return a fact as a clause of a later sentence; "" if its role has no such pattern."""
        options = [p for p in self._role(fact).options("clauses", fact.value) if ":" not in p + fact.value]
        return fill(self.draw(fact.label, options), self._said(fact)) if options else ""

    def _role(self, fact: Fact) -> RolePatterns:
        """Return the patterns of a fact's role for this kind of product; for the role SHOWN those of "measure"."""
        return self.speech.role("measure" if fact.role == SHOWN else fact.role, self.goods.kind)

    def _slots(self, pre: Sequence[Fact], posts: Sequence[str]) -> Mapping[str, str]:
        """Return the slot values for the patterns of a first sentence."""
        goods = self.goods
        np_ = "".join(self._before(f) for f in pre) + goods.noun
        gap = " " if self.brand and self.brand[-1].isascii() == np_[:1].isascii() else ""
        return {"np": np_, "gap": gap, "noun": goods.noun, "mw": goods.measure, "brand": self.brand, "name": goods.name,
                "posts": "，".join(posts)}  # fmt: skip

    def _before(self, fact: Fact) -> str:
        """Return the value of a fact as it stands before the noun (棉 -> 棉质)."""
        value = f"{fact.value}质" if fact.role == "material" and len(fact.value) == 1 else fact.value
        return fill(self._role(fact).pre_form, {"value": value})

    def _said(self, fact: Fact) -> dict[str, str]:
        """Return the slot values for the patterns of a fact."""
        return {"value": fact.value, "label": fact.label, "noun": self.goods.noun}


def is_sayable(fact: Fact, speech: Patterns) -> bool:
    """Return True if a fact whose role has no patterns makes a good Chinese clause "X为Y" (鞋帮为高帮).

    The planner uses it to fill up descriptions with few facts.

    Args:
        fact: A fact with the role SHOWN; others give False.
        speech: The Chinese patterns with their word lists.
    """
    if fact.shown in speech.names.vague or len(fact.label) < 2:
        return False
    if fact.role != SHOWN or not is_chinese(fact.label) or len(fact.label) > _LABEL or len(fact.shown) > _VALUE:
        return False
    counted = fact.label.endswith("数") and re.fullmatch(r"\d+", fact.shown)
    if counted or re.fullmatch(r"[\d.]+ ?[a-zA-Z/\u4e00-\u9fff℃°%²]{1,5}", fact.shown):
        return not re.search(speech.names.untold, fact.label)
    if fact.label.endswith("等级") and re.fullmatch(r"[A-Z]{1,4}\d{0,2}", fact.shown):
        return True
    return bool(re.fullmatch(r"[\u4e00-\u9fff]{2,}", fact.shown) and re.search(speech.names.told_ends, fact.label))


def _merged(phrases: Sequence[str]) -> list[str]:
    """Join all phrases that begin with 带 (with) into one: 带帽子、拇指孔."""
    parts = [p.removeprefix("带") for p in phrases if re.fullmatch("带[^，]+", p)]
    if len(parts) < 2:
        return list(phrases)
    others = [p for p in phrases if not re.fullmatch("带[^，]+", p)]
    return [*others, f"带{'、'.join(parts)}"]
