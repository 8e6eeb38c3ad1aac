"""Constraints as filters: which products meet them, and which constraints the catalogue cannot answer."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.search.statements import COLUMNS, colour_variants, phrase_pattern, says, statements, texts
from shopbatch.capabilities.search.understanding.need import CURRENCY, Constraint
from shopbatch.capabilities.search.understanding.numbers import split_amount
from shopbatch.capabilities.search.understanding.vocabulary import Vocabulary, key_of
from shopbatch.capabilities.search.variants import KIND, LISTED, excluded_colours, is_left, written

NEAR = 0.005  # share by which a stated amount may differ from the one asked for: 16.9 fl oz are 500 ml
LOOSE = frozenset(("colour", "material", "season", "gender", "age", "brand", "size"))  # often left unsaid
_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Filtered:
    """What constraints leave of a catalogue.

    Attributes:
        keep: Whether each product meets all constraints that the catalogue can answer, bool [n].
        unknown: Constraints that it cannot answer: no product states anything of that kind. They filter nothing. For a
            price in a currency, where no product states one: that currency, while the amount filters.
        left: For each other constraint, in order, how many products are left after it and those before it.
    """

    keep: np.ndarray
    unknown: tuple[Constraint, ...] = ()
    left: tuple[tuple[Constraint, int], ...] = ()


_STATED = pa.schema(
    [
        ("price", pa.float64()),
        ("currency", pa.string()),
        ("stated", pa.list_(pa.string())),
        ("mentioned", pa.list_(pa.string())),
        ("amounts", pa.list_(pa.string())),
        ("texts", pa.string()),
    ]
)


@dataclass(frozen=True, eq=False)
class Facts:
    """What the products of a catalogue state, as columns that are filtered by.

    Attributes:
        price: The price now: the reduced one where there is one; nan for none, float64 [n].
        currency: ISO 4217 code, "" for none.
        stated: "kind=value" that a product states of itself -> numbers of the products, ascending.
        mentioned: The same for all that its texts mention.
        amounts: "500 ml" -> the same.
        texts: The texts of each product that may name a feature, one a line, string [n].
    """

    price: np.ndarray
    currency: np.ndarray
    stated: Mapping[str, np.ndarray]
    mentioned: Mapping[str, np.ndarray]
    amounts: Mapping[str, np.ndarray]
    texts: pa.Array
    _phrases: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    _stating: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, table: pa.Table) -> Facts:
        """Index the rows of `facts_table`."""
        return cls(
            price=table["price"].to_numpy(),
            currency=np.array(table["currency"].to_pylist(), object),
            stated=_places(table["stated"]),
            mentioned=_places(table["mentioned"]),
            amounts=_places(table["amounts"]),
            texts=table["texts"].combine_chunks(),
        )

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

    def stating(self, kind: str) -> np.ndarray:
        """Return which products state something of a kind of themselves, bool [n]."""
        if kind not in self._stating:
            out = np.zeros(self.rows, bool)
            for key, rows in self.stated.items():
                if key.startswith(f"{kind}="):
                    out[rows] = True
            self._stating[kind] = out
        return self._stating[kind]

    @property
    def rows(self) -> int:
        """Number of products."""
        return len(self.price)

    @cached_property
    def units(self) -> frozenset[str]:
        """Units of which some product states an amount."""
        return frozenset(split_amount(amount)[1] for amount in self.amounts)

    @cached_property
    def has_currency(self) -> bool:
        """Whether some product states the currency of its price."""
        return bool((self.currency != "").any())

    def with_variant(self, excluded: frozenset[str]) -> np.ndarray:
        """Return which products come in a colour that is not excluded, beside others, bool [n]."""
        out = np.zeros(self.rows, bool)
        for key, rows in self.mentioned.items():
            if key.startswith(f"{LISTED}=") and is_left(key.removeprefix(f"{LISTED}="), excluded):
                out[rows] = True
        return out

    def having(self, phrase: str) -> np.ndarray:
        """Return which products say that they have something, bool [n]."""
        if phrase not in self._phrases:
            pattern = phrase_pattern(phrase)
            out = np.zeros(self.rows, bool)
            hits = pc.match_substring_regex(pc.utf8_lower(self.texts), pattern)
            for number in pc.indices_nonzero(hits).to_pylist():
                out[number] = any(says(line, pattern) for line in self.texts[number].as_py().split("\n"))
            self._phrases[phrase] = out
        return self._phrases[phrase]


def facts_of(products: pa.Table, vocabulary: Vocabulary) -> Facts:
    """Read what the products of a catalogue state.

    Args:
        products: Rows of `products`, with the columns of `statements.COLUMNS` as far as they are there.
        vocabulary: The catalogue's.
    """
    return Facts.of(facts_table(products, vocabulary))


def facts_table(products: pa.Table, vocabulary: Vocabulary) -> pa.Table:
    """Read what each product states, row by row, so that parts of a catalogue can be read apart; arguments as above.

    Returns:
        price, currency, stated, mentioned, amounts and texts of each product, in the order of `products`.
    """
    rows = products.select([c for c in COLUMNS if c in products.column_names]).to_pylist()
    return pa.Table.from_pylist([_stated(row, vocabulary) for row in rows], _STATED)


def _stated(row: Mapping[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
    stated: dict[str, None] = {}
    mentioned: dict[str, None] = {}
    amounts: dict[str, None] = {}
    for s in statements(row, vocabulary):
        if s.kind == "amount":
            amounts[s.value] = None
            continue
        mentioned[_key(s.kind, s.value)] = None
        if s.is_main:
            stated[_key(s.kind, s.value)] = None
    if listed := colour_variants(row, vocabulary)[1]:
        mentioned[f"{LISTED}={written(listed)}"] = None
    lines = (text.replace("\n", " ") for text in texts(row).values())
    return {
        "price": price_of(row)[0],
        "currency": row.get("currency") or "",
        "stated": list(stated),
        "mentioned": list(mentioned),
        "amounts": list(amounts),
        "texts": "\n".join(lines),
    }


def _places(lists: pa.ChunkedArray) -> dict[str, np.ndarray]:
    """The numbers of the rows, ascending, in whose list a value stands, by value."""
    column = lists.combine_chunks()
    values, rows = pc.list_flatten(column), pc.list_parent_indices(column).to_numpy()
    coded = values.dictionary_encode()
    codes = coded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(coded.dictionary)))
    pieces = np.split(rows[order], ends[:-1]) if len(ends) else []
    return dict(zip(coded.dictionary.to_pylist(), pieces, strict=True))


def price_of(row: Mapping[str, Any]) -> tuple[float, str]:
    """Return the price now and the column that states it; nan and "" for none."""
    for column in ("sale_price", "price"):
        if row.get(column) is not None:
            return float(row[column]), column
    return float("nan"), ""


def mask(products: pa.Table | Facts, constraints: Sequence[Constraint], vocabulary: Vocabulary) -> Filtered:
    """Find the products that meet constraints.

    A product whose value is not known does not meet a positive constraint. For "!=", a product is left out if any of
    its texts states what is excluded, unless it lists several colours and one of them is not excluded.

    Args:
        products: Rows of `products` [n], or what `facts_of` read from them, which is worth keeping.
        constraints: All of them must hold. A type is one, too: Constraint("type", "=", need.type).
        vocabulary: The catalogue's.
    """
    facts = products if isinstance(products, Facts) else facts_of(products, vocabulary)
    keep = np.ones(facts.rows, bool)
    unknown, left = [], []
    for number, constraint in enumerate(constraints):
        meets = _meets(facts, constraint, excluded_colours(constraints[: number + 1]))
        if (cannot := unchecked(facts, constraint, meets is not None)) is not None:
            unknown.append(cannot)
        if meets is None:
            continue
        keep &= meets
        left.append((constraint, int(keep.sum())))
    return Filtered(keep, tuple(unknown), tuple(left))


def is_filter(constraint: Constraint) -> bool:
    """Whether a search filters by a constraint.

    A type, a feature and an exact amount only rank: catalogues name them in too many ways, and a filter would drop what
    the shopper means. (The guide, which promises to meet a need, filters by these, too.)
    """
    return constraint.op != "=" or constraint.kind in LOOSE


@dataclass(frozen=True)
class Looked:
    """The products, looked at for one constraint of a query.

    Attributes:
        meets: Those that state that they meet it, bool [n].
        allowed: Those that a search may show, bool [n]. A bound of a price must be kept, and what is excluded must not
            be there. A product that states another colour (or material, size, brand ...) than the one that is asked for
            is left out; one that states none stays, since most catalogues say it of some products only.
    """

    meets: np.ndarray
    allowed: np.ndarray


def unchecked(facts: Facts, constraint: Constraint, known: bool) -> Constraint | None:
    """Return what of a constraint no product can be checked for: all of it, the currency of a price, or None.

    Args:
        facts: The products.
        constraint: The condition.
        known: Whether the catalogue says something of its kind.
    """
    if not known:
        return constraint
    if constraint.currency and not facts.has_currency:
        return Constraint(CURRENCY, "=", constraint.currency, constraint.start, constraint.end)
    return None


def look(facts: Facts, constraint: Constraint, beside: Sequence[Constraint] = ()) -> Looked | None:
    """Look at the products for a constraint; None if the catalogue says nothing of its kind.

    Args:
        facts: The products.
        constraint: One condition of a query.
        beside: All conditions of the query: a product in several colours is left out if all of them are excluded.
    """
    meets = _meets(facts, constraint, excluded_colours(beside))
    if meets is None:
        return None
    if constraint.op == "!=" or constraint.kind == "price":
        return Looked(meets, meets)
    if constraint.kind == "amount":
        return Looked(meets, _amount(facts, constraint, unknown=True))
    return Looked(meets, meets | ~facts.stating(constraint.kind))


def _key(kind: str, value: str) -> str:
    return f"{kind}={key_of(value) if kind in ('brand', 'type') else value}"


def _meets(facts: Facts, constraint: Constraint, excluded: frozenset[str] = frozenset()) -> np.ndarray | None:
    """Which products meet a constraint; None if the catalogue says nothing of its kind."""
    if constraint.kind not in (facts.mentioned_kinds if constraint.op == "!=" else facts.kinds):
        return None
    if constraint.kind == "price":
        return _price(facts, constraint)
    if constraint.kind == "amount":
        return _amount(facts, constraint) if split_amount(str(constraint.value))[1] in facts.units else None
    value = str(constraint.value)
    if constraint.kind == "contains":
        has = facts.having(value)
        return None if not has.any() else has if constraint.op == "=" else ~has
    if constraint.op == "=":
        return _rows(facts.stated, _key(constraint.kind, value), facts.rows)
    states = _rows(facts.mentioned, _key(constraint.kind, value), facts.rows)
    if constraint.kind == "brand":  # the name in a title counts, too
        states |= facts.having(value)
    if constraint.kind == KIND and states.any():
        states &= ~facts.with_variant(excluded | {value})
    return ~states


def _rows(index: Mapping[str, np.ndarray], key: str, rows: int) -> np.ndarray:
    out = np.zeros(rows, bool)
    if key in index:
        out[index[key]] = True
    return out


def _price(facts: Facts, constraint: Constraint) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        meets: np.ndarray = _COMPARE[constraint.op](facts.price, float(constraint.value))
    if constraint.currency and facts.has_currency:
        meets &= facts.currency == constraint.currency
    return meets


def _amount(facts: Facts, constraint: Constraint, unknown: bool = False) -> np.ndarray:
    """Of several amounts of one unit each must keep a bound, and one must be the amount that is asked for.

    `unknown`: whether a product without an amount of that unit meets a bound.
    """
    wanted, unit = split_amount(str(constraint.value))
    some, every = np.full(facts.rows, unknown), np.ones(facts.rows, bool)
    for amount, rows in facts.amounts.items():
        value, its_unit = split_amount(amount)
        if its_unit != unit:
            continue
        if constraint.op == "=":
            some[rows] |= abs(value - wanted) <= NEAR * wanted
        else:
            some[rows] = True
            every[rows] &= bool(_COMPARE[constraint.op](value, wanted))
    return some & every
