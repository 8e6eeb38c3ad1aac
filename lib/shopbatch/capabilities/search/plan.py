"""What a query asks for: the text that is searched for, its language, and the conditions that products must meet."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.search.conditions import mask_of, split_filters
from shopbatch.capabilities.search.filters import Looked, is_filter, look, unchecked
from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.understanding.need import Constraint
from shopbatch.capabilities.search.understanding.understand import understand
from shopbatch.capabilities.search.variants import excluded_colours
from shopbatch.text.language import detect_language


@dataclass(frozen=True)
class Asked:
    """A query as it was asked.

    Attributes:
        text: What the shopper typed.
        language: ISO 639-1 code; None where not given.
        filters: Conditions on products (see `conditions`).
        literal: Whether the text is only words: nothing that it says is taken for a condition.
    """

    text: str
    language: str | None = None
    filters: tuple[str, ...] = ()
    literal: bool = False

    @classmethod
    def row(cls, text: str, language: str | None, filters: str | None, literal: bool = False) -> Asked:
        """Make it of the columns of `queries`."""
        return cls(text, language, tuple(split_filters(filters)), literal)


@dataclass(frozen=True)
class Plan:
    """How a query is searched for.

    Attributes:
        text: The text whose words are looked up.
        language: ISO 639-1 code; None where unknown.
        mask: bool [products]: those that may be shown; None for all.
        conditions: The conditions of `Asked.filters`, as text.
        constraints: What the query itself demands, and the mask holds.
        met: For each constraint the products that state that they meet it, bool [products].
        synonyms: What is looked up as well, as the index knows it.
        unknown: What it demands and no product could be checked for: the catalogue states nothing of that kind. Of a
            price in a currency that no product states, the currency.
    """

    text: str
    language: str | None
    mask: np.ndarray | None
    conditions: tuple[str, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    met: tuple[np.ndarray, ...] = ()
    unknown: tuple[Constraint, ...] = ()
    synonyms: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """All words that are looked up."""
        return " ".join((self.text, *self.synonyms))


def plans(asked: list[Asked], index: SearchIndex) -> list[Plan]:
    """Plan queries. This is the one place where a query is understood; equal conditions share one mask.

    Args:
        asked: The queries.
        index: The index that they are asked of.

    Raises:
        UserError: A condition names no column, or a value of another type.
    """
    planner = _Planner(index)
    shown = detect_language(pa.array([query.text for query in asked], pa.string())).to_pylist()
    return [planner.plan(query, query.language or script) for query, script in zip(asked, shown, strict=True)]


@dataclass
class _Planner:
    """Plans the queries of one call, and looks at the products once for each constraint."""

    index: SearchIndex
    looked: dict[tuple[object, ...], Looked | None] = field(default_factory=dict)
    masks: dict[tuple[object, ...], np.ndarray | None] = field(default_factory=dict)

    def plan(self, query: Asked, language: str | None) -> Plan:
        stated = self.index.stated
        wanted: list[Constraint] = []
        if stated is not None and not query.literal:
            wanted = [c for c in understand(query.text, stated.vocabulary, language).constraints if is_filter(c)]
        known = [(c, looked) for c in wanted if (looked := self._look(c, wanted)) is not None]
        constraints = tuple(c for c, _ in known)
        key = (query.filters, *map(_key, constraints))
        if key not in self.masks:
            mask = mask_of(self.index.products, query.filters)
            for _, looked in known:
                mask = looked.allowed if mask is None else mask & looked.allowed
            self.masks[key] = mask
        met = tuple(looked.meets for _, looked in known)
        unknown: list[Constraint] = []
        if stated is not None:
            cannot = (unchecked(stated.facts, c, self._look(c, wanted) is not None) for c in wanted)
            unknown = [c for c in cannot if c is not None]
        text = _without(query.text, wanted)
        synonyms = () if query.literal else self.index.synonyms.of(text, language)
        return Plan(text, language, self.masks[key], query.filters, constraints, met, tuple(unknown), synonyms)

    def _look(self, constraint: Constraint, wanted: list[Constraint]) -> Looked | None:
        assert self.index.stated is not None
        key = (*_key(constraint), excluded_colours(wanted))
        if key not in self.looked:
            self.looked[key] = look(self.index.stated.facts, constraint, wanted)
        return self.looked[key]


def _key(constraint: Constraint) -> tuple[object, ...]:
    return (*constraint.triple, constraint.currency)


def _without(text: str, constraints: list[Constraint]) -> str:
    """A query without its prices and without what it excludes: these words must not find anything."""
    left = list(text)
    for constraint in constraints:
        if constraint.kind == "price" or constraint.op == "!=":
            left[constraint.start : constraint.end] = " " * (constraint.end - constraint.start)
    return " ".join("".join(left).split()) or text
