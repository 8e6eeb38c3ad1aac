"""Puts the facts of a product into English sentences: a first sentence around the noun, then sentences with verbs.

Called by the planner (plan.py). Facts stand before the noun ("navy jacket"), behind it ("jacket with a hood"), or in
clauses ("It has a hood").
"""

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

_WITH, _OTHERS, _CLAUSES = 3, 3, 3  # maximum phrases with "with", other phrases, clauses per sentence
_SHORTEST = 20  # letters from which a description is long enough
_LONG = 150  # maximum letters of a first sentence
_VERBS = {"with": "{has}", "made": "{is} made", "in": "{comes} in", "filled": "{is} filled", "set": "{is} set",
          "scented": "{is} scented"}  # fmt: skip
_JOINED = frozenset({"is", "are", "has", "have", "comes", "come"})  # verbs whose clauses are joined into one list
_SAID = ("in", "made", "filled", "set", "scented", "with")  # order of verb phrases, by the first word of their phrase
_ORDER = ("by", "for", "from", "in", "made", "set", "filled")  # order of phrases behind a noun; "with" is last


class English(Speaker):
    """Writes the English sentences about one product."""

    def sentences(self, facts: Sequence[Fact]) -> list[str]:
        """Return sentences that state the facts, and set `stated` to the facts that they really state.

        Args:
            facts: The facts to state, the most important first.
        """
        self.stated = []
        goods = self.goods
        if goods.core:
            facts = [f for f in facts if not (is_redundant(f, goods.core) or holds(goods.core, f.value, "en"))]
        before, rest = self._modifiers(facts)
        behind, rest = self._behind(rest)
        clauses = [(f, c) for f in rest if (c := self._clause(f))]
        return self._in_sentences(before, behind, clauses, facts)

    def going_on(self, sentences: list[str], details: str) -> list[str]:
        """Add a fragment of the shop's own description, such as "With a hood and two pockets", to the sentences.

        It is joined to the first or the last sentence if the grammar allows, else it becomes a sentence of its own.
        Called by the planner after `sentences`.

        Args:
            sentences: The sentences so far; at least one.
            details: The fragment, which begins with "with", "made" or a similar word.
        """
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
        """Combine the chosen phrases and clauses into sentences; the form depends on what is known of the product.

        Args:
            before: Words before the noun.
            behind: Phrases behind the noun, as `_behind` returns them.
            clauses: (fact, verb phrase) pairs of the remaining facts.
            facts: All facts, for books and for products of which only the range is known.
        """
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
        """Return sentences about a book, which begin with its title, and set `stated` to the facts in them.

        Example: "Sourdough at Home by Nora Fenn is a hardback cookbook of 192 pages."
        """
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
        """Return a sentence of the form "<name in the title> is a <noun>", for titles that do not contain the noun.

        Example: "Pinot Grigio by Rosa is a white wine from Italy."
        """
        goods = self.goods
        by = f" by {self.brand}" if self.brand and not holds(goods.core, self.brand, "en") else ""
        np_ = self._np(before)
        are = AGREEING[goods.plural]["is"]
        return f"{capital(goods.core)}{by} {are} {np_ if goods.plural else article(np_)}{self._joined(behind)}."

    def _ranged(self, facts: Sequence[Fact]) -> list[str]:
        """Return sentences about a product of which only the range is known, and set `stated` to the facts in them.

        Example: "A 12 oz pack from our molasses and syrups range."
        """
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
        rest = rest if self.goods.plain else []  # the facts are about the content, not about the pack
        return [f"{capital(what)} from our {lowered(self.goods.ranged)} range{by}.", *self._more(rest)]

    def _shelved(self, before: list[str]) -> str:
        """Return a short text with the noun and the range or department that the product is from.

        Example: "Salad mix from our produce range." The category or department is left out if it only repeats the noun
        or belongs to another kind of product.

        Args:
            before: Words before the noun.
        """
        counters, said = self.speech.names.counters, set(phrase_of(self.goods.noun))
        shelf = [f for f in self.goods.facts if f.role == "category" or f.value in counters]
        fresh = (f for f in shelf if not set(phrase_of(f.value)) & said)  # not "makeup from our makeup range"
        fact = next((f for f in fresh if len(f.value.split()) <= 4 and "(" not in f.value), None)
        goods = lexicon("en").find_goods(fact.value) if fact and fact.value not in counters else ()
        # for example a thermos in the category coffee filters
        if goods and self.goods.kind not in (ANYTHING, goods[-1].kind):
            fact = None
        if fact is None and self.goods.kind == ANYTHING and len(self._np(before)) < _SHORTEST - 1:
            fact = next((f for f in self.goods.facts if f.role == "department"), None)
        post = f" {self._phrase(fact)}" if fact else ""
        return f"{capital(self._np(before))}{post}."

    def _subject(self) -> str:
        """Return the pattern for the subject of a sentence, with the brand if there is one."""
        return self.speech.intros.subject_by if self.brand else self.speech.intros.subject

    def _role(self, fact: Fact) -> RolePatterns:
        """Return the patterns for a fact of this kind of product."""
        return self.speech.role(fact.role, self.goods.kind)

    def _said(self, fact: Fact) -> dict[str, str]:
        """Return the slot values for the patterns of a fact: value and label, each with and without its article."""
        label = re.sub(r"^max(?:imum)?\b\.? ", "", lowered(fact.label)) if fact.role == "most" else lowered(fact.label)
        return {"value": fact.value, "label": label, "a_value": article(fact.value), "a_label": article(label)}

    def _modifiers(self, facts: Sequence[Fact]) -> tuple[list[str], list[Fact]]:
        """Choose the words that stand before the noun.

        They are the number of pieces, the wearer ("men's") and adjectives from the title; then short values of facts,
        as long as there are fewer than three words. The facts that these words state are added to `stated`.

        Returns:
            The words in their order, and the facts that are not used.
        """
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
        """Return True if a fact's value can stand before the noun: short, without numbers, and with words that are new.

        Args:
            fact: The fact.
            seen: Stems of the noun and of the words that were chosen before.
        """
        value = fact.value
        plain = not re.search(r"[\d,;/&%+]|\b(?:and|with|of|in)\b", value) and len(value.split()) <= 2
        fresh = fact.role == "own_label" or not set(phrase_of(value)) & seen
        return self._role(fact).pre and plain and fresh and not (fact.role == "pattern" and value.endswith("s"))

    def _behind(self, facts: Sequence[Fact]) -> tuple[dict[str, list[str]], list[Fact]]:
        """Choose the phrases that stand behind the noun, as many as a first sentence can take.

        The chosen facts are added to `stated`.

        Returns:
            The phrases and the facts that are not used. The phrases are grouped by their first word, {"in": ["in size
            M"], "with": ["a hood", "2 pockets"]}; those of "with" are stored without that word.
        """
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
        """Return a fact as a phrase behind the noun ("with a hood"); "" if its role has no such pattern."""
        options = [p for p in self._role(fact).options("post", fact.value) if ":" not in p]
        if not options or (fact.role == "measure" and fact.label.lower() in self.speech.names.marginal):
            return ""
        return fill(self.draw(fact.label, options), self._said(fact) | {"noun": self.goods.noun}, self.goods.plural)

    def _joined(self, behind: dict[str, list[str]]) -> str:
        """Join the phrases behind the noun into one text (" in size M, with a hood"); "" if there are none."""
        order = {head: place for place, head in enumerate(_ORDER)}
        if re.match("in (?!an? )", behind.get("in", [""])[0]):  # "in green for winter", but "for dry skin in a pack"
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
        """Return the noun phrase: words before the noun, the noun, and the title's words behind it ("for kids")."""
        return " ".join([*before, self.goods.noun, *([self.goods.tail] if self.goods.tail else [])])

    def _slots(self, before: Sequence[str], behind: dict[str, list[str]]) -> dict[str, str]:
        """Return the slot values for the patterns of a first sentence."""
        goods = self.goods
        np_ = self._np(before)
        name = goods.noun if goods.plain or (goods.only_named and goods.kind != BOOKS) else goods.name
        return {
            "np": np_, "Np": capital(np_), "A_np": capital(article(np_)), "Name": name, "brand": self.brand,
            "This_np": f"{'These' if goods.plural else 'This'} {np_}", "posts": self._joined(behind),
        }  # fmt: skip

    def _first(self, before: Sequence[str], behind: dict[str, list[str]]) -> str:
        """Return the first sentence about the product.

        Either `draw` chooses a pattern for it ("A jacket with a hood."), or, at random, the phrases become verb phrases
        ("This jacket has a hood.").
        """
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
        """Return the phrases behind the noun as verb phrases ("is made of oak", "has a hood").

        It is [] if a phrase has no form with a verb, or if there are more than two verb phrases.
        """
        if any(head not in _VERBS for head in behind) or not behind:
            return []
        order = [head for head in _SAID if head in behind]
        said = []
        for head in order:
            rest = listed(behind[head]) if head == "with" else behind[head][0].removeprefix(f"{head} ")
            said.append(f"{fill(_VERBS[head], {}, self.goods.plural)} {rest}")
        return said if len(said) < 3 else []

    def _clause(self, fact: Fact) -> str:
        """Return a fact as a verb phrase ("has a hood"); "" if its role has no such pattern."""
        options = [p for p in self._role(fact).options("clauses", fact.value) if ":" not in p + fact.value]
        return fill(self.draw(fact.label, options), self._said(fact), self.goods.plural) if options else ""

    def _more(self, clauses: Sequence[tuple[Fact, str]], subject: str = "") -> list[str]:
        """Return sentences of up to three clauses each; clauses with the same verb are joined into one list.

        The facts of these clauses are added to `stated`.

        Args:
            clauses: (fact, verb phrase) pairs.
            subject: Subject of the first sentence; all others begin with It or They, and so does the first if it is "".
        """
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
            for rests in by_verb.values():  # "magnetic and recommended for ages 6+"
                rests.sort(key=lambda rest: rest.startswith(("recommended", "for ", "made ", "filled ")))
            joined = [f"{verb} {listed(rests)}" for verb, rests in by_verb.items()]
            last = joined[-1]
            text = f"{', '.join(joined[:-1])} and {last}" if len(joined) > 1 else last
            if len(joined) > 1 and any(" and " in part for part in joined):
                text = f"{', '.join(joined[:-1])}, and {it.lower()} {last}"
            made.append(f"{it if made or not subject else subject} {text}.")
        return made
