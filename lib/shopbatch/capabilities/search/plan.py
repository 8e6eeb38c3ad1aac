"""What a query asks for: the text that is searched for, its language, and the conditions that products must meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.search.conditions import mask_of, split_filters
from shopbatch.text.language import detect_language


@dataclass(frozen=True)
class Asked:
    """A query as it was asked.

    Attributes:
        text: What the shopper typed.
        language: ISO 639-1 code; None where not given.
        filters: Conditions on products (see `conditions`).
    """

    text: str
    language: str | None = None
    filters: tuple[str, ...] = ()

    @classmethod
    def row(cls, text: str, language: str | None, filters: str | None) -> Asked:
        """Make it of the columns of `queries`."""
        return cls(text, language, tuple(split_filters(filters)))


@dataclass(frozen=True)
class Plan:
    """How a query is searched for.

    Attributes:
        text: The text whose words are looked up.
        language: ISO 639-1 code; None where unknown.
        mask: bool [products]: those that may be shown; None for all.
        conditions: The conditions behind the mask, as text.
    """

    text: str
    language: str | None
    mask: np.ndarray | None
    conditions: tuple[str, ...] = ()


def plans(asked: list[Asked], products: pa.Table) -> list[Plan]:
    """Plan queries. This is the one place where a query is understood; equal conditions share one mask.

    Args:
        asked: The queries.
        products: The products' columns, in the order of the index.

    Raises:
        UserError: A condition names no column, or a value of another type.
    """
    shown = detect_language(pa.array([query.text for query in asked], pa.string())).to_pylist()
    masks = {query.filters: mask_of(products, query.filters) for query in asked}
    return [
        Plan(query.text, query.language or script, masks[query.filters], query.filters)
        for query, script in zip(asked, shown, strict=True)
    ]
