"""Constraints as filters: which products meet them, and which constraints the catalogue cannot answer."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.search.statements import COLUMNS, phrase_pattern, says, statements, texts
from shopbatch.capabilities.search.understanding.need import Constraint
from shopbatch.capabilities.search.understanding.numbers import split_amount
from shopbatch.capabilities.search.understanding.vocabulary import Vocabulary, key_of

NEAR = 0.005  # share by which a stated amount may differ from the one asked for: 16.9 fl oz are 500 ml
_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Filtered:
    """What constraints leave of a catalogue.

    Attributes:
        keep: Whether each product meets all constraints that the catalogue can answer, bool [n].
        unknown: Constraints that it cannot answer: no product states anything of that kind. They filter nothing.
        left: For each other constraint, in order, how many products are left after it and those before it.
    """

    keep: np.ndarray
    unknown: tuple[Constraint, ...] = ()
    left: tuple[tuple[Constraint, int], ...] = ()


@dataclass(frozen=True)
class Facts:
    """What the products of a catalogue state, as columns that are filtered by.

    Attributes:
        price: The price now: the reduced one where there is one; nan for none, float64 [n].
        currency: ISO 4217 code, "" for none.
        stated: "kind=value" that a product states of itself -> numbers of the products, ascending.
        mentioned: The same for all that its texts mention.
        amounts: (number of the product, unit, value) of each amount, in order of the products.
        texts: The texts of each product that may name a feature.
    """

    price: np.ndarray
    currency: np.ndarray
    stated: Mapping[str, np.ndarray]
    mentioned: Mapping[str, np.ndarray]
    amounts: tuple[tuple[int, str, float], ...]
    texts: tuple[tuple[str, ...], ...]
    _phrases: dict[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Kinds of which some product states something of itself."""
        kinds = {key.split("=", 1)[0] for key in self.stated} | {"contains"}
        kinds |= {"price"} if not np.isnan(self.price).all() else set()
        return frozenset(kinds | ({"amount"} if self.amounts else set()))

    @cached_property
    def mentioned_kinds(self) -> frozenset[str]:
        """Kinds of which some text mentions something."""
        return frozenset(key.split("=", 1)[0] for key in self.mentioned) | self.kinds

    @property
    def rows(self) -> int:
        """Number of products."""
        return len(self.price)

    def having(self, phrase: str) -> np.ndarray:
        """Return which products say that they have something, bool [n]."""
        if phrase not in self._phrases:
            pattern = phrase_pattern(phrase)
            self._phrases[phrase] = np.array([any(says(t, pattern) for t in each) for each in self.texts], bool)
        return self._phrases[phrase]


def facts_of(products: pa.Table, vocabulary: Vocabulary) -> Facts:
    """Read what the products of a catalogue state.

    Args:
        products: Rows of `products`, with the columns of `statements.COLUMNS` as far as they are there.
        vocabulary: The catalogue's.
    """
    rows = products.select([c for c in COLUMNS if c in products.column_names]).to_pylist()
    stated: dict[str, list[int]] = {}
    mentioned: dict[str, list[int]] = {}
    amounts = []
    for number, row in enumerate(rows):
        for s in statements(row, vocabulary):
            if s.kind == "amount":
                value, unit = split_amount(s.value)
                amounts.append((number, unit, value))
                continue
            for index in (stated, mentioned) if s.is_main else (mentioned,):
                places = index.setdefault(_key(s.kind, s.value), [])
                if not places or places[-1] != number:
                    places.append(number)
    return Facts(
        price=np.array([price_of(row)[0] for row in rows], np.float64),
        currency=np.array([row.get("currency") or "" for row in rows], object),
        stated={key: np.array(places) for key, places in stated.items()},
        mentioned={key: np.array(places) for key, places in mentioned.items()},
        amounts=tuple(amounts),
        texts=tuple(tuple(texts(row).values()) for row in rows),
    )


def price_of(row: Mapping[str, Any]) -> tuple[float, str]:
    """Return the price now and the column that states it; nan and "" for none."""
    for column in ("sale_price", "price"):
        if row.get(column) is not None:
            return float(row[column]), column
    return float("nan"), ""


def mask(products: pa.Table | Facts, constraints: Sequence[Constraint], vocabulary: Vocabulary) -> Filtered:
    """Find the products that meet constraints.

    A product whose value is not known does not meet a positive constraint. For "!=", a product is left out if any of
    its texts states what is excluded.

    Args:
        products: Rows of `products` [n], or what `facts_of` read from them, which is worth keeping.
        constraints: All of them must hold. A type is one, too: Constraint("type", "=", need.type).
        vocabulary: The catalogue's.
    """
    facts = products if isinstance(products, Facts) else facts_of(products, vocabulary)
    keep = np.ones(facts.rows, bool)
    unknown, left = [], []
    for constraint in constraints:
        meets = _meets(facts, constraint)
        if meets is None:
            unknown.append(constraint)
            continue
        keep &= meets
        left.append((constraint, int(keep.sum())))
    return Filtered(keep, tuple(unknown), tuple(left))


def _key(kind: str, value: str) -> str:
    return f"{kind}={key_of(value) if kind in ('brand', 'type') else value}"


def _meets(facts: Facts, constraint: Constraint) -> np.ndarray | None:
    """Which products meet a constraint; None if the catalogue says nothing of its kind."""
    if constraint.kind not in (facts.mentioned_kinds if constraint.op == "!=" else facts.kinds):
        return None
    if constraint.kind == "price":
        return _price(facts, constraint)
    if constraint.kind == "amount":
        return _amount(facts, constraint)
    value = str(constraint.value)
    if constraint.kind == "contains":
        has = facts.having(value)
        return None if not has.any() else has if constraint.op == "=" else ~has
    if constraint.op == "=":
        return _rows(facts.stated, _key(constraint.kind, value), facts.rows)
    states = _rows(facts.mentioned, _key(constraint.kind, value), facts.rows)
    if constraint.kind == "brand":  # the name in a title counts, too
        states |= facts.having(value)
    return ~states


def _rows(index: Mapping[str, np.ndarray], key: str, rows: int) -> np.ndarray:
    out = np.zeros(rows, bool)
    if key in index:
        out[index[key]] = True
    return out


def _price(facts: Facts, constraint: Constraint) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        meets: np.ndarray = _COMPARE[constraint.op](facts.price, float(constraint.value))
    return meets & (facts.currency == constraint.currency) if constraint.currency else meets


def _amount(facts: Facts, constraint: Constraint) -> np.ndarray:
    """Of several amounts of one unit each must keep a bound, and one must be the amount that is asked for."""
    wanted, unit = split_amount(str(constraint.value))
    some, every = np.zeros(facts.rows, bool), np.ones(facts.rows, bool)
    for number, its_unit, value in facts.amounts:
        if its_unit == unit:
            if constraint.op == "=":
                some[number] |= abs(value - wanted) <= NEAR * wanted
            else:
                some[number] = True
                every[number] &= bool(_COMPARE[constraint.op](value, wanted))
    return some & every
