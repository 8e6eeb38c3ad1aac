"""What the guide answers to a request: products with reasons, what left nothing, or one question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shopbatch.capabilities.search.filters import Filtered, mask
from shopbatch.capabilities.search.guide.catalogue import Catalogue, Ranked, Retriever
from shopbatch.capabilities.search.guide.reasons import Evidence, evidence_of, reason_of, sentences
from shopbatch.capabilities.search.understanding.need import Constraint, Need
from shopbatch.capabilities.search.understanding.understand import understand

PRODUCTS, NOTHING, QUESTION = "products", "nothing_fits", "question"


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
    """

    catalogue: Catalogue
    retriever: Retriever
    k: int = 3
    available_only: bool = True

    def advise(self, text: str, language: str | None = None, vector: np.ndarray | None = None) -> Advice:
        """Answer one request.

        Args:
            text: The request.
            language: ISO 639-1 code, if it is known.
            vector: The request's vector, where the retriever needs one.
        """
        need = understand(text, self.catalogue.vocabulary, language)
        words = sentences(need.language)
        if need.vague:
            return Advice(need, QUESTION, words.question)
        asked = wanted(need)
        filtered = mask(self.catalogue.facts, asked, self.catalogue.vocabulary)
        need = replace(need, unknown=filtered.unknown)
        keep = filtered.keep & self._says_subject(need)
        shown = keep & self.catalogue.in_stock if self.available_only else keep
        if not shown.any():
            return Advice(need, NOTHING, self._nothing(text, need, filtered, keep))
        picks = self._picks(need, asked, filtered, shown, vector)
        said = [words.unknown.format(asked=span(text, c)) for c in filtered.unknown]
        if not picks:
            return Advice(need, NOTHING, words.nothing_says.format(asked=" ".join(need.terms)))
        return Advice(need, PRODUCTS, " ".join(said), picks)

    def _says_subject(self, need: Need) -> np.ndarray:
        """Products that name the thing: without a known type, half of the words that could name it must stand there."""
        facts = self.catalogue.facts
        if need.type is not None or not need.subjects:
            return np.ones(facts.rows, bool)
        said = np.zeros(facts.rows, np.int64)
        for word in need.subjects:
            said += facts.having(word)
        return np.asarray((said > 0) & (said * 2 >= len(need.subjects)))

    def _picks(
        self, need: Need, asked: Sequence[Constraint], filtered: Filtered, shown: np.ndarray, vector: np.ndarray | None
    ) -> tuple[Pick, ...]:
        """The best products that meet everything and of which something can be claimed."""
        first = shown if any(c.kind == "age" for c in asked) else shown & ~self.catalogue.for_children
        ranked = self._ranked(need, first, vector)
        ranked += self._ranked(need, shown & ~first, vector)
        known = [c for c in asked if c not in filtered.unknown]
        picks = []
        for each in ranked[: self.k]:
            row = self.catalogue.row(each.number)
            evidence = evidence_of(row, known, need.terms, self.catalogue.vocabulary, need.language)
            if evidence:
                picks.append(Pick(each, reason_of(evidence, need.language), tuple(evidence)))
        return tuple(picks)

    def _ranked(self, need: Need, mask: np.ndarray, vector: np.ndarray | None) -> list[Ranked]:
        """Rank some products; of a known type all of them, since what meets a request is shown in any language."""
        ranked = self.retriever.search(need.text, need.language, vector, mask, self.k) if mask.any() else []
        if need.type is None or len(ranked) >= self.k:
            return ranked
        there = {r.number for r in ranked}
        others = (n for n in np.flatnonzero(mask).tolist() if n not in there)
        return [*ranked, *(Ranked(n, 0.0, float("nan"), float("nan")) for n in others)][: self.k]

    def _nothing(self, text: str, need: Need, filtered: Filtered, keep: np.ndarray) -> str:
        """Say which constraint left nothing."""
        words = sentences(need.language)
        if keep.any():
            return words.nothing_available
        for constraint, left in filtered.left:
            if not left:
                place = constraint.kind == "type" and constraint.op == "="
                return (words.nothing_type if place else words.nothing).format(asked=span(text, constraint))
        return words.nothing_says.format(asked=" ".join(need.subjects))


def wanted(need: Need) -> list[Constraint]:
    """Return all constraints of a need, its type first."""
    kind = [Constraint("type", "=", need.type, *need.type_span)] if need.type is not None else []
    return [*kind, *need.constraints]


def span(text: str, constraint: Constraint) -> str:
    """Return what the request says, word for word."""
    return text[constraint.start : constraint.end].strip() or str(constraint.value)
