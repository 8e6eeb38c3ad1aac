"""Parses conditions on products as users write them (`price<50; brand=Acme`), and finds the products that meet them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from shopbatch.core.errors import UserError
from shopbatch.tables.product_embeddings import CATALOGUE, PRODUCT_EMBEDDINGS
from shopbatch.warehouse.filters import parse_condition

COLUMNS = ("product_id", "language", *CATALOGUE)


def split_filters(text: str | None) -> list[str]:
    """Split a text of `queries.filters` into conditions ("price<50; brand=Acme" -> ["price<50", "brand=Acme"])."""
    return [term.strip() for term in (text or "").split(";") if term.strip()]


def wrong_filters(text: str | None) -> str | None:
    """Return the error message for a text of `queries.filters` that cannot be parsed; None if it can."""
    try:
        for term in split_filters(text):
            parse_condition(term, _schema())
    except UserError as error:
        return str(error)
    return None


def mask_of(products: pa.Table, terms: Sequence[str]) -> np.ndarray | None:
    """Find the products that meet all conditions.

    Args:
        products: The products with the columns of `COLUMNS` (`product_id`, `language`, `title`, `price`, ...), [n].
        terms: The conditions, one per text ("price<50").

    Returns:
        A mask, bool [n]; None if there are no conditions. As in SQL, a null meets no condition except `column=` (is
        null).

    Raises:
        UserError: A condition names an unknown column, or has a value of the wrong type.
    """
    if not terms:
        return None
    numbered = products.append_column("_row", pa.array(np.arange(products.num_rows)))
    mask = np.ones(products.num_rows, bool)
    for term in terms:
        condition = parse_condition(term, _schema())
        rows = numbered.filter(condition.expression)["_row"].to_numpy()
        meets = np.zeros(products.num_rows, bool)
        meets[rows] = True
        mask &= meets
    return mask


def _schema() -> pa.Schema:
    return pa.schema([PRODUCT_EMBEDDINGS.schema().field(name) for name in COLUMNS])
