"""Filters products by constraints that were read from a query (`price<=50`, `colour=black`).

Search and the shopping guide use it. If no product of the catalogue states a value of a constraint's kind (no colour at
all), the constraint filters nothing and is reported as unknown.
"""

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

NEAR = 0.005  # tolerance of a stated amount, as a share: 16.9 fl oz count as 500 ml
LOOSE = frozenset(("colour", "material", "season", "gender", "age", "brand", "size"))  # often not stated
_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Filtered:
    """The result of filtering a catalogue by constraints (see `mask`).

    Attributes:
        keep: True for a product that meets all constraints that can be checked, bool [n].
        unknown: Constraints that cannot be checked, because no product states a value of that kind. If a price names a
            currency and no product states one, this holds a constraint on the currency; the amount still filters.
        left: Each constraint that was checked, in order, with the number of products that meet it and all earlier ones.
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
    """The facts that a catalogue's products state, as columns and inverted lists to check constraints against.

    Attributes:
        price: The current price (the sale price if there is one), nan for none, float64 [n].
        currency: ISO 4217 code, "" for none, [n].
        stated: "kind=value" ("colour=red") -> row numbers of the products that state it about themselves, ascending.
        mentioned: "kind=value" -> row numbers of the products whose texts mention it anywhere, perhaps about a part of
            the product or another thing, ascending.
        amounts: "500 ml" -> row numbers of the products that state this amount, ascending.
        texts: The texts of each product that may name a feature, one per line, string [n].
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
        """Build the facts from the rows of `facts_table`."""
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
        """The kinds of constraint ("price", "colour", ...) of which some product states a value about itself."""
        kinds = {key.split("=", 1)[0] for key in self.stated} | {"contains"}
        kinds |= {"price"} if not np.isnan(self.price).all() else set()
        return frozenset(kinds | ({"amount"} if self.amounts else set()))

    @cached_property
    def mentioned_kinds(self) -> frozenset[str]:
        """The kinds of constraint of which some product's text mentions a value anywhere; includes `kinds`."""
        return frozenset(key.split("=", 1)[0] for key in self.mentioned) | self.kinds

    def stating(self, kind: str) -> np.ndarray:
        """Return a mask, bool [n]: True where the product states a value of this kind ("colour") about itself."""
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
        """The units in which at least one product states an amount ("ml", "g", ...)."""
        return frozenset(split_amount(amount)[1] for amount in self.amounts)

    @cached_property
    def has_currency(self) -> bool:
        """True if at least one product states the currency of its price."""
        return bool((self.currency != "").any())

    def with_variant(self, excluded: frozenset[str]) -> np.ndarray:
        """Return a mask, bool [n]: True where the product comes in several colours, at least one of them not excluded.

        Args:
            excluded: The colours that the shopper does not want.
        """
        out = np.zeros(self.rows, bool)
        for key, rows in self.mentioned.items():
            if key.startswith(f"{LISTED}=") and is_left(key.removeprefix(f"{LISTED}="), excluded):
                out[rows] = True
        return out

    def having(self, phrase: str) -> np.ndarray:
        """Return a mask, bool [n]: True where the product's text says that it has `phrase` (for example "pockets").

        A product whose text only denies it ("without pockets") gets False. Results are cached by phrase.
        """
        if phrase not in self._phrases:
            pattern = phrase_pattern(phrase)
            out = np.zeros(self.rows, bool)
            hits = pc.match_substring_regex(pc.utf8_lower(self.texts), pattern)
            for number in pc.indices_nonzero(hits).to_pylist():
                out[number] = any(says(line, pattern) for line in self.texts[number].as_py().split("\n"))
            self._phrases[phrase] = out
        return self._phrases[phrase]


def facts_of(products: pa.Table, vocabulary: Vocabulary) -> Facts:
    """Read the facts that the products of a catalogue state.

    Args:
        products: Rows of `products`, with those columns of `statements.COLUMNS` that exist.
        vocabulary: The names of types, brands and values to look for in the texts.
    """
    return Facts.of(facts_table(products, vocabulary))


def facts_table(products: pa.Table, vocabulary: Vocabulary) -> pa.Table:
    """Read what each product states, row by row, so that separate tasks can read parts of a catalogue.

    Args:
        products: Rows of `products`, with those columns of `statements.COLUMNS` that exist.
        vocabulary: The names of types, brands and values to look for in the texts.

    Returns:
        The columns price, currency, stated, mentioned, amounts and texts (see `Facts`), in the order of `products`.
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
    """Invert a column of lists: for each distinct value return the numbers of the rows that hold it, ascending."""
    column = lists.combine_chunks()
    values, rows = pc.list_flatten(column), pc.list_parent_indices(column).to_numpy()
    coded = values.dictionary_encode()
    codes = coded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(coded.dictionary)))
    pieces = np.split(rows[order], ends[:-1]) if len(ends) else []
    return dict(zip(coded.dictionary.to_pylist(), pieces, strict=True))


def price_of(row: Mapping[str, Any]) -> tuple[float, str]:
    """Return the current price of a product and the name of its column: "sale_price" if the row has one, else "price".

    Returns:
        (price, column); (nan, "") for a product without a price.
    """
    for column in ("sale_price", "price"):
        if row.get(column) is not None:
            return float(row[column]), column
    return float("nan"), ""


def mask(products: pa.Table | Facts, constraints: Sequence[Constraint], vocabulary: Vocabulary) -> Filtered:
    """Find the products that meet all constraints.

    A product that states no colour does not meet `colour=red`. A product does not meet `colour!=red` if any of its
    texts mentions red, unless it comes in several colours of which at least one is not excluded.

    Args:
        products: Rows of `products` [n], or their facts from `facts_of`, which a caller can cache.
        constraints: All of them must be met. The wanted type of product is one of them: Constraint("type", "=",
            "dress").
        vocabulary: The names to look for in the rows; not used if `products` are facts.
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
    """Return True if a search filters by a constraint; False if the constraint only affects the ranking.

    A type, a feature and an exact amount only rank: catalogues name them in too many ways, so that a filter would drop
    products that the shopper wants. (The shopping guide, which promises to meet a need, filters by these as well.)
    """
    return constraint.op != "=" or constraint.kind in LOOSE


@dataclass(frozen=True)
class Looked:
    """The products checked against one constraint of a query.

    Attributes:
        meets: True for a product that states that it meets the constraint, bool [n].
        allowed: True for a product that a search may show, bool [n]. For a price or an exclusion this equals `meets`.
            For other constraints (`colour=red`) it also holds for products that state no value of that kind, since in
            most catalogues only some products do.
    """

    meets: np.ndarray
    allowed: np.ndarray


def unchecked(facts: Facts, constraint: Constraint, known: bool) -> Constraint | None:
    """Return the part of a constraint that no product can be checked for.

    Args:
        facts: The products' facts.
        constraint: The constraint.
        known: Whether any product states a value of the constraint's kind.

    Returns:
        The whole constraint if not `known`; a constraint on the currency alone if the constraint is a price in a
        currency and no product states a currency; None if everything can be checked.
    """
    if not known:
        return constraint
    if constraint.currency and not facts.has_currency:
        return Constraint(CURRENCY, "=", constraint.currency, constraint.start, constraint.end)
    return None


def look(facts: Facts, constraint: Constraint, beside: Sequence[Constraint] = ()) -> Looked | None:
    """Check all products against one constraint of a query.

    Args:
        facts: The products' facts.
        constraint: One constraint of the query.
        beside: All constraints of the query. They name all excluded colours: a product in several colours is left out
            only if each of its colours is excluded.

    Returns:
        The result for each product; None if no product states a value of the constraint's kind.
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
    """Return a mask of the products that meet a constraint, bool [n]; None if no product states a value of its kind.

    Args:
        facts: The products' facts.
        constraint: The constraint.
        excluded: All colours that the query excludes; a product with another colour variant still meets `colour!=red`.
    """
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
    if constraint.kind == "brand":  # a brand's name in the texts counts, too
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
    """Return a mask of the products whose amounts meet a constraint such as `amount<=500 ml`, bool [n].

    If a product states several amounts in that unit, all must be within a bound; for `=`, one of them must match,
    within the tolerance NEAR.

    Args:
        facts: The products' facts.
        constraint: The constraint.
        unknown: Whether a product that states no amount in that unit meets a bound.
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
