"""What a shopper asks for, as `understand` reads it from a query."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("price", "colour", "material", "season", "gender", "age", "size", "amount", "brand", "type", "contains")
CURRENCY = "currency"  # kind of what is unknown if a price is asked for in a currency and no product states one


@dataclass(frozen=True)
class Constraint:
    """One condition that a product must meet.

    Attributes:
        kind: One of KINDS.
        op: "=", "!=", "<=" or ">=".
        value: A number for a price; else the canonical value ("black", "XL", "500 ml"), or a phrase of the query.
        start: Where the query states it.
        end: Where that ends.
        currency: ISO 4217 code of a price, if the query names one.
    """

    kind: str
    op: str
    value: str | float
    start: int = 0
    end: int = 0
    currency: str | None = None

    @property
    def triple(self) -> tuple[str, str, str | float]:
        """Kind, operator and value: what two equal constraints share."""
        return self.kind, self.op, self.value

    def __str__(self) -> str:
        """As `--where` writes it: price<=50."""
        value = f"{self.value:g}" if isinstance(self.value, float) else self.value
        return f"{self.kind}{self.op}{value}{f' {self.currency}' if self.currency else ''}"


@dataclass(frozen=True)
class Need:
    """What a query asks for.

    Attributes:
        language: "zh" if it has Chinese characters, else as asked for, else "en".
        terms: The words to search for, in order, corrected; none of what is excluded, and no numbers of prices.
        type: Canonical name of the type of product, or None.
        constraints: What must hold; the type is not among them, unless it is excluded.
        unknown: Constraints of a kind that the catalogue does not state, which no product can be checked for.
        vague: Whether nothing says what kind of product is meant.
        subjects: Words that could name the thing, for a query without a known type.
        head: The word of `subjects` that names the thing itself: the food of "salmon dog food"; "" where that is open.
        modifiers: Unknown words right before the type, which say more of it: "noise cancelling headphones".
        by_category: Whether `subjects` names a type that the catalogue has as a category only.
        type_span: Where the query names the type.
        corrections: Words of the query and how they were read, where that differs.
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
        """The terms as one text, for an encoder."""
        return " ".join(self.terms)
