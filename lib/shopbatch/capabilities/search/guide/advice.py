"""The `Guide` of the job `guide_shoppers`: answers one request of a shopper.

The answer is a list of products with reasons, an explanation why no product fits, or a question back to the shopper.
"""

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
_POOL = 5  # the shopper's preferences are checked for the best 5 * k products


@dataclass(frozen=True)
class Pick:
    """A product that the guide recommends.

    Attributes:
        ranked: The product (its row in the catalogue) and its scores.
        reason: The reason for the shopper, in the language of the request.
        evidence: The claims of the reason, each with the quoted words of the catalogue that back it.
    """

    ranked: Ranked
    reason: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Advice:
    """The guide's answer to a request.

    Attributes:
        need: The request as it was understood; `unknown` holds the conditions that the catalogue cannot check.
        outcome: "products", "nothing_fits" or "question".
        message: Text for the shopper: the question, why nothing fits, or (with products) which wishes the catalogue
            cannot confirm; "" for none.
        picks: The products, best first; empty unless `outcome` is "products".
    """

    need: Need
    outcome: str
    message: str
    picks: tuple[Pick, ...] = ()


@dataclass(frozen=True)
class Guide:
    """Answers requests from one catalogue.

    Attributes:
        catalogue: The products and the facts that they state.
        retriever: Ranks the products that meet a request.
        k: Number of products of an answer, at most.
        available_only: Whether products that are out of stock are left out.
        margin: Share (0 to 1) by which the scores of two products may differ if they are to count as matching a request
            equally well. Among such products, those that suit the shopper's history come first (see
            `history.reordered`).
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
        """Answer one request of a shopper.

        Args:
            text: The request.
            language: ISO 639-1 code; None if unknown.
            vector: The request's vector, float32 [dim]; None if the retriever needs none.
            history: The earlier purchases of the shopper who asks.
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
        """Parse a request into a `Need`: the type of product, the constraints, and the words to search for.

        Some types of product occur only in the column `category`: no product states "tent" as its type, but a category
        contains the word "tent". For such a request the result has `type` None, `subjects` ("tent",) and `by_category`
        True, and `advise` accepts only products whose texts or category contain that word.

        Args:
            text: The request.
            language: ISO 639-1 code; None if unknown.
        """
        need = understand(text, self.catalogue.vocabulary, language)
        if need.type is None or f"type={key_of(need.type)}" in self.catalogue.facts.stated:
            return need
        named = text[slice(*need.type_span)].lower()
        if not named or not self.catalogue.categorised(named).any():
            return need
        return replace(need, type=None, subjects=(named,), head=named, by_category=True)

    def _says_subject(self, need: Need) -> np.ndarray:
        """Return a mask, bool [n]: True where a product's texts or category name the requested product.

        All are True if `need.type` is known (a constraint then checks it) or if `need.subjects` is empty. Otherwise at
        least half of the words in `need.subjects` must occur, and so must `need.head`: a request for a "bed for dogs"
        is not met by dog food.
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
        """Return a mask, bool [n]: True where a product's texts or category contain a word."""
        return np.asarray(self.catalogue.facts.having(word) | self.catalogue.categorised(word))

    def _saying(self, modifiers: Sequence[str], keep: np.ndarray) -> np.ndarray | None:
        """Return a mask, bool [n], of the products of `keep` whose texts or category contain all modifiers.

        Returns None if there is no such product, or if there are no modifiers.
        """
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
        """Return the best products with their reasons, at most k; products without any reason are left out.

        Args:
            need: The request as it was understood.
            known: The constraints that the catalogue can check.
            shown: The products that meet the request, bool [n].
            vector: The request's vector, or None.
            likes: The shopper's preferences from earlier purchases; None: products are not reordered by them.
            said: Words of the request that occur in the texts or category of each product of `shown`; each reason
                quotes them.
        """
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
        """Move products that suit the shopper's history up, but only among those that match the request equally well.

        Args:
            ranked: The ranked products, best first.
            known: The constraints that the catalogue can check. Products that match equally well meet the same ones.
            first: True for the products that are listed before all others, bool [n]: all but children's products, or
                all if the request asks for an age.
            likes: The shopper's preferences.

        Returns:
            The reordered products; and {row of a product in the catalogue: its claims from the history}, by "size",
            "brand" and "price".
        """
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
        """Rank the products of a mask, best first.

        If the type of product is known, products that the retriever does not find are appended with the score 0: they
        meet the request, although their texts may be in another language.

        Args:
            need: The request as it was understood.
            mask: The products that may be returned, bool [n].
            vector: The request's vector, or None.
            most: Number of products, at most.
        """
        ranked = self.retriever.search(need.text, need.language, vector, mask, most) if mask.any() else []
        if need.type is None or len(ranked) >= most:
            return ranked
        there = {r.number for r in ranked}
        others = (n for n in np.flatnonzero(mask).tolist() if n not in there)
        return [*ranked, *(Ranked(n, 0.0, float("nan"), float("nan")) for n in others)][:most]

    def _nothing(self, text: str, need: Need, filtered: Filtered, keep: np.ndarray) -> str:
        """Return the sentence that tells the shopper why no product fits, such as which constraint no product meets.

        Args:
            text: The request.
            need: The request as it was understood.
            filtered: The result of the filter, with the number of products that remain after each constraint.
            keep: The products that meet the request, in stock or not, bool [n].
        """
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
    """Return all constraints of a need, with its type of product as the first one."""
    kind = [Constraint("type", "=", need.type, *need.type_span)] if need.type is not None else []
    return [*kind, *need.constraints]


def span(text: str, constraint: Constraint) -> str:
    """Return the words of the request that state a constraint; the constraint's value if no words do."""
    return text[constraint.start : constraint.end].strip() or str(constraint.value)
