"""Says the facts of a product in English: a noun phrase with what stands before and behind it, then sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shopbatch.capabilities.copywriting.apt import is_redundant
from shopbatch.capabilities.copywriting.fact import BINDINGS, Fact
from shopbatch.capabilities.copywriting.patterns import AGREEING, RolePatterns, fill
from shopbatch.capabilities.copywriting.product import BOOKS, holds
from shopbatch.capabilities.copywriting.speaker import Speaker
from shopbatch.capabilities.copywriting.titles import bare
from shopbatch.capabilities.copywriting.wording import article, capital, listed, lowered
from shopbatch.grounding.lexicon import ANYTHING, lexicon, phrase_of

_WITH, _OTHERS, _CLAUSES = 3, 3, 3  # phrases with `with`, other phrases, and clauses of a sentence, at most
_SHORTEST = 20  # letters of a description that needs no more
_LONG = 150  # letters of a first sentence that takes no more phrases
_VERBS = {"with": "{has}", "made": "{is} made", "in": "{comes} in", "filled": "{is} filled", "set": "{is} set",
          "scented": "{is} scented"}  # fmt: skip
_JOINED = frozenset({"is", "are", "has", "have", "comes", "come"})  # verbs of which what follows makes one list
_SAID = ("in", "made", "filled", "set", "scented", "with")  # the order of verbs
_ORDER = ("by", "for", "from", "in", "made", "set", "filled")  # of what stands behind a noun; `with` comes last


class English(Speaker):
    """Says the facts of one product in English."""

    def sentences(self, facts: Sequence[Fact]) -> list[str]:
        """The facts in sentences; those that are said are `stated` then."""
        self.stated = []
        goods = self.goods
        if goods.core:
            facts = [f for f in facts if not (is_redundant(f, goods.core) or holds(goods.core, f.value, "en"))]
        before, rest = self._modifiers(facts)
        behind, rest = self._behind(rest)
        clauses = [(f, c) for f in rest if (c := self._clause(f))]
        return self._in_sentences(before, behind, clauses, facts)

    def going_on(self, sentences: list[str], details: str) -> list[str]:
        """The sentences with one of the shop's own that goes on from the noun: `With a hood and two pockets`."""
        first, _, rest = details.partition(" ")
        own = f"{first.lower()} {rest}"
        opening, last = sentences[0].removesuffix("."), sentences[-1].removesuffix(".")
        if len(opening) + len(own) < _LONG and not re.search(r" (?:with|has|have|are|is) ", opening):
            return [f"{opening}, {own}.", *sentences[1:]]
        if len(sentences) == 1 and not re.search(r" (?:with|has|have) ", last):
            return [f"{last}, {own}."]
        agreeing = AGREEING[self.goods.plural]
        said = f"{agreeing['has']} {rest}" if first.lower() == "with" else f"{agreeing['is']} {own}"
        if re.match(r"(?:It|They) (?!.*(?:,| and ))", last):
            return [*sentences[:-1], f"{last} and {said}."]
        return [*sentences, f"{agreeing['It']} {said}."]

    def _in_sentences(
        self,
        before: list[str],
        behind: dict[str, list[str]],
        clauses: list[tuple[Fact, str]],
        facts: Sequence[Fact],
    ) -> list[str]:
        """What was chosen in sentences."""
        if self.goods.kind == BOOKS and not self.goods.plain:
            return self._book(facts)
        if self.goods.ranged:
            return self._ranged(facts)
        if not (behind or clauses) and self.goods.plain:
            return [self._shelved(before)]
        if self.goods.core:
            return [self._called(before, behind), *self._more(clauses)]
        if self.goods.plain and not clauses and len(first := self._first(before, behind)) < _SHORTEST:
            shelf = self._shelved(before).removeprefix(capital(self._np(before))).rstrip(".")
            what, comma, size = first.removesuffix(".").partition(",")
            return [f"{what}{shelf}{comma}{size}."]
        if not behind and clauses and not (self.goods.only_named or self.goods.plain):
            subject = fill(self._subject(), self._slots(before, behind))
            return self._more(clauses, subject)
        first = self._first(before, behind)
        if not (behind or clauses) and len(first) < _SHORTEST and not self.goods.only_named:
            place = next((f for f in self.goods.facts if f.role in ("category", "department")), None)
            first = f"{first.removesuffix('.')} {self._phrase(place).replace(' & ', ' and ')}." if place else first
        return [first, *self._more(clauses)]

    def _book(self, facts: Sequence[Fact]) -> list[str]:
        """A book by its title: `Sourdough at Home by Nora Fenn is a hardback cookbook of 192 pages.`"""
        self.stated = []
        binding = next((f for f in facts if f.label.lower() in BINDINGS and f.bare), None)
        pages = next((f for f in facts if f.label.lower() == "pages" and f.bare), None)
        kind = lowered(self.goods.type_name)
        name = self.goods.noun if self.goods.only_named else re.split(r"\s[-–—|]+\s", bare(self.goods.name, ""))[0]
        what = " ".join(dict.fromkeys([*([binding.shown.lower()] if binding else []), *([kind] if kind else [])]))
        fits = (kind or binding) and not kind.endswith("s") and len(kind.split()) < 4
        rest = [f for f in facts if not (fits and f in (binding, pages))]
        behind, others = self._behind(rest)
        by = f" {behind.pop('by')[0]}" if "by" in behind else ""
        by = "" if by and name.lower().endswith(by.lower()) else by
        clauses = [(f, c) for f in others if (c := self._clause(f))]
        if not fits:
            return [f"{name}{by}{self._joined(behind)}.", *self._more(clauses)]
        self.stated += [f for f in (binding, pages) if f]
        length = f" of {pages.shown}" if pages else ""
        return [f"{name}{by} is {article(what)}{length}{self._joined(behind)}.", *self._more(clauses)]

    def _called(self, before: list[str], behind: dict[str, list[str]]) -> str:
        """Goods by what the title calls them: `Pinot Grigio by Rosa is a white wine from Italy.`"""
        goods = self.goods
        by = f" by {self.brand}" if self.brand and not holds(goods.core, self.brand, "en") else ""
        np_ = self._np(before)
        are = AGREEING[goods.plural]["is"]
        return f"{capital(goods.core)}{by} {are} {np_ if goods.plural else article(np_)}{self._joined(behind)}."

    def _ranged(self, facts: Sequence[Fact]) -> list[str]:
        """Goods of which no more is known than their range: `A 12 oz pack from our molasses and syrups range.`"""
        self.stated = [f for f in facts if f.role == "own_label"]
        own = "own-label " if self.stated else ""
        size = next((f for f in facts if f.role == "package_size"), None)
        pack = self._phrase(size).removeprefix("in ") if size else ""
        rest = [(f, c) for f in facts if f.role not in ("own_label", "package_size") and (c := self._clause(f))]
        if size and re.match(r"an? ", pack):
            self.stated.append(size)
            what = article(f"{own}{pack.partition(' ')[2]}")
        else:
            what = article(f"{own}product")
        by = f" by {self.brand}" if self.brand and not self.goods.plain else ""
        rest = rest if self.goods.plain else []  # of a pack nothing is said that is of the goods in it
        return [f"{capital(what)} from our {lowered(self.goods.ranged)} range{by}.", *self._more(rest)]

    def _shelved(self, before: list[str]) -> str:
        """What the goods are, and where they stand in the shop if that is a counter or says more of them."""
        counters, said = self.speech.names.counters, set(phrase_of(self.goods.noun))
        shelf = [f for f in self.goods.facts if f.role == "category" or f.value in counters]
        fresh = (f for f in shelf if not set(phrase_of(f.value)) & said)  # no makeup from our makeup range
        fact = next((f for f in fresh if len(f.value.split()) <= 4 and "(" not in f.value), None)
        goods = lexicon("en").find_goods(fact.value) if fact and fact.value not in counters else ()
        if goods and self.goods.kind not in (ANYTHING, goods[-1].kind):  # a thermos among the coffee filters
            fact = None
        if fact is None and self.goods.kind == ANYTHING and len(self._np(before)) < _SHORTEST - 1:
            fact = next((f for f in self.goods.facts if f.role == "department"), None)
        post = f" {self._phrase(fact)}" if fact else ""
        return f"{capital(self._np(before))}{post}."

    def _subject(self) -> str:
        return self.speech.intros.subject_by if self.brand else self.speech.intros.subject

    def _role(self, fact: Fact) -> RolePatterns:
        return self.speech.role(fact.role, self.goods.kind)

    def _said(self, fact: Fact) -> dict[str, str]:
        label = re.sub(r"^max(?:imum)?\b\.? ", "", lowered(fact.label)) if fact.role == "most" else lowered(fact.label)
        return {"value": fact.value, "label": label, "a_value": article(fact.value), "a_label": article(label)}

    def _modifiers(self, facts: Sequence[Fact]) -> tuple[list[str], list[Fact]]:
        """What stands before the noun: whom it is for, and up to two facts; and the other facts."""
        rest: list[Fact] = []
        before, seen = [self.goods.whom] if self.goods.whom else [], set(phrase_of(self.goods.noun))
        pieces = next((f for f in facts if f.role == "pieces" and not self.goods.plural), None)
        if pieces and not re.search(r"\d", self.goods.noun):
            before.append(f"{pieces.value}-piece")
            self.stated.append(pieces)
        before += self.goods.qualities
        for fact in facts:
            if fact is pieces:
                continue
            form = self.speech.names.genders.get(fact.value) if fact.role in ("gender", "age_group") else None
            if form:
                before.insert(0, form)
            elif len(before) < 3 and self._is_short(fact, seen):
                said = "wooden" if fact.value == "wood" else fact.value
                before.append(fill(self._role(fact).pre_form, {"value": said}))
                seen |= set(phrase_of(fact.value))
            else:
                rest.append(fact)
                continue
            self.stated.append(fact)
        before.sort(key=lambda word: word in ("mini", "midi", "maxi"))
        return before, rest

    def _is_short(self, fact: Fact, seen: set[str]) -> bool:
        value = fact.value
        plain = not re.search(r"[\d,;/&%+]|\b(?:and|with|of|in)\b", value) and len(value.split()) <= 2
        fresh = fact.role == "own_label" or not set(phrase_of(value)) & seen
        return self._role(fact).pre and plain and fresh and not (fact.role == "pattern" and value.endswith("s"))

    def _behind(self, facts: Sequence[Fact]) -> tuple[dict[str, list[str]], list[Fact]]:
        """What stands behind the noun, by its first word; and the other facts."""
        behind: dict[str, list[str]] = {"with": [self.goods.has]} if self.goods.has else {}
        rest: list[Fact] = []
        length = len(self.goods.noun)
        for fact in facts:
            phrase = self._phrase(fact)
            head = phrase.split(" ")[0]
            several = head == "with"
            room = len(behind.get("with", ())) < _WITH if several else head not in behind
            room = room and (several or len([h for h in behind if h != "with"]) < _OTHERS)
            if phrase and room and (length + len(phrase) <= _LONG or not behind):
                behind.setdefault(head, []).append(phrase.removeprefix("with ") if several else phrase)
                length += len(phrase)
                self.stated.append(fact)
            else:
                rest.append(fact)
        return behind, rest

    def _phrase(self, fact: Fact) -> str:
        options = [p for p in self._role(fact).options("post", fact.value) if ":" not in p]
        if not options or (fact.role == "measure" and fact.label.lower() in self.speech.names.marginal):
            return ""
        return fill(self.draw(fact.label, options), self._said(fact) | {"noun": self.goods.noun}, self.goods.plural)

    def _joined(self, behind: dict[str, list[str]]) -> str:
        """What stands behind the noun, with a blank or a comma before it."""
        order = {head: place for place, head in enumerate(_ORDER)}
        if re.match("in (?!an? )", behind.get("in", [""])[0]):  # in green for winter, but for dry skin in a pack
            order["in"] = -1
        heads = sorted((h for h in behind if h not in ("with", ",")), key=lambda h: order.get(h, 9))
        text = ""
        for head in heads:
            own = head in ("by", "for", "in", "from") or not text
            text += f"{' ' if own else ', '}{behind[head][0]}"
        size = "".join(behind.get(",", ()))
        if "with" in behind:
            text += f"{size}{', ' if heads or size or self.goods.tail else ' '}with {listed(behind['with'])}"
            size = ""
        return text + size

    def _np(self, before: Sequence[str]) -> str:
        return " ".join([*before, self.goods.noun, *([self.goods.tail] if self.goods.tail else [])])

    def _slots(self, before: Sequence[str], behind: dict[str, list[str]]) -> dict[str, str]:
        goods = self.goods
        np_ = self._np(before)
        name = goods.noun if goods.plain else goods.name
        return {
            "np": np_, "Np": capital(np_), "A_np": capital(article(np_)), "Name": name, "brand": self.brand,
            "This_np": f"{'These' if goods.plural else 'This'} {np_}", "posts": self._joined(behind),
        }  # fmt: skip

    def _first(self, before: Sequence[str], behind: dict[str, list[str]]) -> str:
        goods, intros = self.goods, self.speech.intros
        slots = self._slots(before, behind)
        single = not (goods.plural or goods.mass or goods.plain)
        if goods.only_named:
            return fill(self.draw("intro", intros.named), slots)
        verbs = self._verbs(behind)
        if (
            verbs
            and self.chance("sentence") < 0.4
            and not goods.plain
            and not re.search(r"\(| (?:and|or) ", slots["np"])
        ):
            return f"{fill(self._subject(), slots)} {listed(verbs)}."
        options = intros.with_brand if self.brand else intros.without_brand
        return fill(self.draw("intro", [o for o in options if single or "{A_np}" not in o]), slots)

    def _verbs(self, behind: dict[str, list[str]]) -> list[str]:
        """What stands behind the noun as clauses with verbs; none if it cannot be said so."""
        if any(head not in _VERBS for head in behind) or not behind:
            return []
        order = [head for head in _SAID if head in behind]
        said = []
        for head in order:
            rest = listed(behind[head]) if head == "with" else behind[head][0].removeprefix(f"{head} ")
            said.append(f"{fill(_VERBS[head], {}, self.goods.plural)} {rest}")
        return said if len(said) < 3 else []

    def _clause(self, fact: Fact) -> str:
        options = [p for p in self._role(fact).options("clauses", fact.value) if ":" not in p + fact.value]
        return fill(self.draw(fact.label, options), self._said(fact), self.goods.plural) if options else ""

    def _more(self, clauses: Sequence[tuple[Fact, str]], subject: str = "") -> list[str]:
        """The clauses in sentences of up to three; what begins with the same verb is one list."""
        made: list[str] = []
        it = AGREEING[self.goods.plural]["It"]
        while clauses:
            now, clauses = clauses[:_CLAUSES], clauses[_CLAUSES:]
            verbs = [c.partition(" ")[0] for _, c in now]
            now = [c for n, c in enumerate(now) if verbs[n] in _JOINED or verbs[n] not in verbs[:n]]
            self.stated += [fact for fact, _ in now]
            by_verb: dict[str, list[str]] = {}
            for _, clause in now:
                verb, _, rest = clause.partition(" ")
                by_verb.setdefault(verb, []).append(rest)
            for rests in by_verb.values():  # magnetic and recommended for ages 6+
                rests.sort(key=lambda rest: rest.startswith(("recommended", "for ", "made ", "filled ")))
            joined = [f"{verb} {listed(rests)}" for verb, rests in by_verb.items()]
            last = joined[-1]
            text = f"{', '.join(joined[:-1])} and {last}" if len(joined) > 1 else last
            if len(joined) > 1 and any(" and " in part for part in joined):
                text = f"{', '.join(joined[:-1])}, and {it.lower()} {last}"
            made.append(f"{it if made or not subject else subject} {text}.")
        return made
