"""Plans a query: which text is searched for, in which language, and which conditions the products must meet."""

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
    """A query as the shopper asked it, before it is understood.

    Attributes:
        text: The text that the shopper typed.
        language: ISO 639-1 code; None where not given.
        filters: Conditions on products, such as "price<50" (see `conditions`).
        literal: Whether the text is taken as words alone: no part of it becomes a condition.
    """

    text: str
    language: str | None = None
    filters: tuple[str, ...] = ()
    literal: bool = False

    @classmethod
    def row(cls, text: str, language: str | None, filters: str | None, literal: bool = False) -> Asked:
        """Make a query from the columns of the table `queries`.

        Args:
            text: The query.
            language: ISO 639-1 code, or None.
            filters: Conditions separated by semicolons ("price<50; brand=Acme"), or None.
            literal: Whether the text is taken as words alone.
        """
        return cls(text, language, tuple(split_filters(filters)), literal)


@dataclass(frozen=True)
class Plan:
    """How a query is searched for.

    Attributes:
        text: The text whose words are looked up: the query without prices and without excluded things.
        language: ISO 639-1 code; None where unknown.
        mask: The products that may be shown, bool [products]; None for all.
        conditions: The conditions of `Asked.filters`, as text.
        constraints: The conditions that were read from the query's text; the mask enforces them.
        met: For each of `constraints` the products that state that they meet it, bool [products].
        unknown: Conditions of the query that cannot be checked, because no product states a value of that kind. For a
            price with a currency, if no product states one: a condition on the currency (the amount is checked).
        synonyms: The synonyms that are looked up besides the words of `text`.
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
        """All words that are looked up, as one text: those of the query and the synonyms."""
        return " ".join((self.text, *self.synonyms))


def plans(asked: list[Asked], index: SearchIndex) -> list[Plan]:
    """Plan queries: read their conditions, and find the products that meet them.

    All callers understand queries through this function alone. Queries with equal conditions share one mask object, so
    that `SearchIndex.search` can search them together.

    Args:
        asked: The queries.
        index: The index that they are searched in.

    Returns:
        One plan per query, in the order of `asked`.

    Raises:
        UserError: A condition of `filters` names an unknown column, or has a value of the wrong type.
    """
    planner = _Planner(index)
    shown = detect_language(pa.array([query.text for query in asked], pa.string())).to_pylist()
    return [planner.plan(query, query.language or script) for query, script in zip(asked, shown, strict=True)]


@dataclass
class _Planner:
    """Plans the queries of one call; each distinct constraint is checked against the products only once.

    Attributes:
        index: The index.
        looked: Cache: the products checked against a constraint, by the constraint and the query's excluded colours;
            None if no product states a value of its kind.
        masks: Cache: the products that may be shown, by all conditions of a query; None if all may be shown.
    """

    index: SearchIndex
    looked: dict[tuple[object, ...], Looked | None] = field(default_factory=dict)
    masks: dict[tuple[object, ...], np.ndarray | None] = field(default_factory=dict)

    def plan(self, query: Asked, language: str | None) -> Plan:
        """Plan one query whose language is known (ISO 639-1) or None."""
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
        """Check all products against one constraint by `filters.look`; the result is cached.

        Args:
            constraint: One condition of the query.
            wanted: All conditions of the query.

        Returns:
            The products that meet it and those that may be shown; None if no product states a value of its kind.
        """
        assert self.index.stated is not None
        key = (*_key(constraint), excluded_colours(wanted))
        if key not in self.looked:
            self.looked[key] = look(self.index.stated.facts, constraint, wanted)
        return self.looked[key]


def _key(constraint: Constraint) -> tuple[object, ...]:
    return (*constraint.triple, constraint.currency)


def _without(text: str, constraints: list[Constraint]) -> str:
    """Return a query without its prices and without what it excludes, because these words must not match any product.

    Returns the whole query if nothing would remain.
    """
    left = list(text)
    for constraint in constraints:
        if constraint.kind == "price" or constraint.op == "!=":
            left[constraint.start : constraint.end] = " " * (constraint.end - constraint.start)
    return " ".join("".join(left).split()) or text
