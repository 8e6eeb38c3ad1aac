"""What the guide answers to a request: products with reasons, what left nothing, or one question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shopbatch.capabilities.search.filters import Filtered, look, mask
from shopbatch.capabilities.search.guide.catalogue import Catalogue, Ranked, Retriever
from shopbatch.capabilities.search.guide.history import NONE as NO_HISTORY
from shopbatch.capabilities.search.guide.history import History, Preferences, reordered
from shopbatch.capabilities.search.guide.reasons import Evidence, evidence_of, reason_of, sentences
from shopbatch.capabilities.search.statements import statements
from shopbatch.capabilities.search.understanding.need import CURRENCY, Constraint, Need
from shopbatch.capabilities.search.understanding.understand import understand
from shopbatch.capabilities.search.understanding.vocabulary import key_of

PRODUCTS, NOTHING, QUESTION = "products", "nothing_fits", "question"
_POOL = 5  # times k products are looked at for what the shopper may like


@dataclass(frozen=True)
class Pick:
    """A product that is shown.

    Attributes:
        ranked: Its number and scores.
        reason: Why, in the language of the request.
        evidence: Each claim of the reason with its place in the catalogue.
    """

    ranked: Ranked
    reason: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Advice:
    """The answer to a request.

    Attributes:
        need: What was understood; `unknown` holds what the catalogue cannot tell.
        outcome: products, nothing_fits or question.
        message: What to say beside the products: the question, what left nothing, what the catalogue does not say.
        picks: The products, best first.
    """

    need: Need
    outcome: str
    message: str
    picks: tuple[Pick, ...] = ()


@dataclass(frozen=True)
class Guide:
    """Answers requests from one catalogue.

    Attributes:
        catalogue: The catalogue.
        retriever: What ranks the products that meet a request.
        k: Most products of an answer.
        available_only: Whether products that are out of stock are left out.
        margin: How much lower the score of a product may be that counts as fitting equally well, as a share.
    """

    catalogue: Catalogue
    retriever: Retriever
    k: int = 3
    available_only: bool = True
    margin: float = 0.1

    def advise(
        self,
        text: str,
        language: str | None = None,
        vector: np.ndarray | None = None,
        history: History = NO_HISTORY,
    ) -> Advice:
        """Answer one request.

        Args:
            text: The request.
            language: ISO 639-1 code, if it is known.
            vector: The request's vector, where the retriever needs one.
            history: What its shopper bought before.
        """
        need = self.read(text, language)
        words = sentences(need.language)
        if need.vague:
            return Advice(need, QUESTION, words.question)
        asked = wanted(need)
        filtered = mask(self.catalogue.facts, asked, self.catalogue.vocabulary)
        need = replace(need, unknown=filtered.unknown)
        keep = filtered.keep & self._says_subject(need)
        more = self._saying(need.modifiers, keep)
        keep = keep if more is None else more
        shown = keep & self.catalogue.in_stock if self.available_only else keep
        if not shown.any():
            return Advice(need, NOTHING, self._nothing(text, need, filtered, keep))
        likes = Preferences.of(history, need, text, self.catalogue.mean_prices) if history.text else None
        known = [c for c in asked if c not in filtered.unknown]
        claimed = (*(() if more is None else need.modifiers), *(need.subjects if need.by_category else ()))
        picks = self._picks(need, known, shown, vector, likes, claimed)
        said = [
            (words.unknown_currency if c.kind == CURRENCY else words.unknown).format(asked=span(text, c))
            for c in filtered.unknown
        ]
        if more is None and need.modifiers:
            said.append(words.unsaid.format(asked=" ".join(need.modifiers)))
        if not picks:
            return Advice(need, NOTHING, words.nothing_says.format(asked=" ".join(need.terms)))
        return Advice(need, PRODUCTS, " ".join(said), picks)

    def read(self, text: str, language: str | None = None) -> Need:
        """Read a request. A type that no product states of itself is looked for in the categories, as it is named."""
        need = understand(text, self.catalogue.vocabulary, language)
        if need.type is None or f"type={key_of(need.type)}" in self.catalogue.facts.stated:
            return need
        named = text[slice(*need.type_span)].lower()
        if not named or not self.catalogue.categorised(named).any():
            return need
        return replace(need, type=None, subjects=(named,), head=named, by_category=True)

    def _says_subject(self, need: Need) -> np.ndarray:
        """Products that name the thing.

        Without a known type, half of the words that could name it must stand there, and among them the head of a
        compound: a bed for dogs is no dog food.
        """
        rows = self.catalogue.facts.rows
        if need.type is not None or not need.subjects:
            return np.ones(rows, bool)
        said = np.zeros(rows, np.int64)
        for word in need.subjects:
            said += self._naming(word)
        keep = (said > 0) & (said * 2 >= len(need.subjects))
        return np.asarray(keep & self._naming(need.head) if need.head else keep)

    def _naming(self, word: str) -> np.ndarray:
        """Products that say a word, or that stand in a category of that name, bool [n]."""
        return np.asarray(self.catalogue.facts.having(word) | self.catalogue.categorised(word))

    def _saying(self, modifiers: Sequence[str], keep: np.ndarray) -> np.ndarray | None:
        """Those of some products that say all the words before the type; None if none does."""
        if not modifiers:
            return None
        for word in modifiers:
            keep = keep & self._naming(word)
        return keep if keep.any() else None

    def _picks(
        self,
        need: Need,
        known: Sequence[Constraint],
        shown: np.ndarray,
        vector: np.ndarray | None,
        likes: Preferences | None,
        said: Sequence[str] = (),
    ) -> tuple[Pick, ...]:
        """The best products that meet everything and of which something can be claimed."""
        first = shown if any(c.kind == "age" for c in known) else shown & ~self.catalogue.for_children
        most = self.k if likes is None else _POOL * self.k
        ranked = self._ranked(need, first, vector, most)
        ranked += self._ranked(need, shown & ~first, vector, most)
        claims: dict[int, dict[str, Evidence]] = {}
        if likes is not None:
            ranked, claims = self._by_history(ranked, known, first, likes)
        picks = []
        for each in ranked[: self.k]:
            row = self.catalogue.row(each.number)
            evidence = evidence_of(row, known, need.terms, self.catalogue.vocabulary, need.language, said)
            if evidence:
                evidence += claims.get(each.number, {}).values()
                picks.append(Pick(each, reason_of(evidence, need.language), tuple(evidence)))
        return tuple(picks)

    def _by_history(
        self, ranked: list[Ranked], known: Sequence[Constraint], first: np.ndarray, likes: Preferences
    ) -> tuple[list[Ranked], dict[int, dict[str, Evidence]]]:
        """Put what the shopper may like first among products that fit equally well; also what may be said of each."""
        looked = [found for c in known if (found := look(self.catalogue.facts, c, known)) is not None]
        claims = {}
        for each in ranked:
            row = self.catalogue.row(each.number)
            claims[each.number] = likes.claims(row, statements(row, self.catalogue.vocabulary))

        def fits(each: Ranked) -> object:
            return (bool(first[each.number]), *(bool(found.meets[each.number]) for found in looked))

        def liked(each: Ranked) -> tuple[bool, ...]:
            return tuple(kind in claims[each.number] for kind in ("size", "brand", "price"))

        return reordered(ranked, fits, lambda each: each.score, liked, self.margin), claims

    def _ranked(self, need: Need, mask: np.ndarray, vector: np.ndarray | None, most: int) -> list[Ranked]:
        """Rank some products; of a known type all of them, since what meets a request is shown in any language."""
        ranked = self.retriever.search(need.text, need.language, vector, mask, most) if mask.any() else []
        if need.type is None or len(ranked) >= most:
            return ranked
        there = {r.number for r in ranked}
        others = (n for n in np.flatnonzero(mask).tolist() if n not in there)
        return [*ranked, *(Ranked(n, 0.0, float("nan"), float("nan")) for n in others)][:most]

    def _nothing(self, text: str, need: Need, filtered: Filtered, keep: np.ndarray) -> str:
        """Say which constraint left nothing."""
        words = sentences(need.language)
        if keep.any():
            return words.nothing_available
        for constraint, left in filtered.left:
            if not left:
                sentence = words.nothing_type if constraint.kind == "type" else words.nothing
                sentence = words.nothing_without if constraint.op == "!=" else sentence
                return sentence.format(asked=span(text, constraint))
        whole = not need.head or need.subjects[-1] == need.head
        return words.nothing_says.format(asked=" ".join(need.subjects) if whole else need.head)


def wanted(need: Need) -> list[Constraint]:
    """Return all constraints of a need, its type first."""
    kind = [Constraint("type", "=", need.type, *need.type_span)] if need.type is not None else []
    return [*kind, *need.constraints]


def span(text: str, constraint: Constraint) -> str:
    """Return what the request says, word for word."""
    return text[constraint.start : constraint.end].strip() or str(constraint.value)
