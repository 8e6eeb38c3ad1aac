"""The result of understanding a query: `Need` (what the shopper asks for) and its `Constraint`s."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("price", "colour", "material", "season", "gender", "age", "size", "amount", "brand", "type", "contains")
CURRENCY = "currency"  # kind of the unknown constraint if a price names a currency and no product states one


@dataclass(frozen=True)
class Constraint:
    """One condition that a product must meet, such as `price<=50` or `colour!=red`.

    Attributes:
        kind: One of KINDS.
        op: "=", "!=", "<=" or ">=".
        value: A number for a price; else the canonical value ("black", "XL", "500 ml"), or a phrase of the query.
        start: Where the condition begins in the query.
        end: Where the condition ends in the query.
        currency: ISO 4217 code of a price; None if the query names none.
    """

    kind: str
    op: str
    value: str | float
    start: int = 0
    end: int = 0
    currency: str | None = None

    @property
    def triple(self) -> tuple[str, str, str | float]:
        """Kind, operator and value; constraints with the same triple count as equal."""
        return self.kind, self.op, self.value

    def __str__(self) -> str:
        """Return the constraint as the option `--where` writes it: price<=50."""
        value = f"{self.value:g}" if isinstance(self.value, float) else self.value
        return f"{self.kind}{self.op}{value}{f' {self.currency}' if self.currency else ''}"


@dataclass(frozen=True)
class Need:
    """A query as it was understood.

    Attributes:
        language: "zh" if the query has Chinese characters; else the language given by the caller, else "en".
        terms: The words to search for, in order, with corrected spelling; without excluded things and numbers of
            prices.
        type: Canonical name of the type of product; None if the query names no known type.
        constraints: The conditions. The type is not among them, unless it is excluded.
        unknown: Those of `constraints` of whose kind no product of the catalogue states a value, so that they cannot be
            checked.
        vague: True if nothing in the query says what kind of product is meant.
        subjects: Words that could name the product, for a query without a known type.
        head: The word of `subjects` that names the product itself ("food" of "salmon dog food"); "" if that is
            undecided.
        modifiers: Unknown words right before the type, which narrow it ("noise cancelling" headphones).
        by_category: True if `subjects` is a type of product that only the catalogue's categories name.
        type_span: Begin and end of the type in the query; (0, 0) without a type.
        corrections: Misspelt words of the query, each with its corrected form.
    """

    language: str
    terms: tuple[str, ...] = ()
    type: str | None = None
    constraints: tuple[Constraint, ...] = ()
    unknown: tuple[Constraint, ...] = ()
    vague: bool = False
    subjects: tuple[str, ...] = ()
    head: str = ""
    modifiers: tuple[str, ...] = ()
    by_category: bool = False
    type_span: tuple[int, int] = (0, 0)
    corrections: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The terms joined by spaces, as input of an encoder."""
        return " ".join(self.terms)
