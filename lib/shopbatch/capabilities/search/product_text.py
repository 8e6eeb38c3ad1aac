"""Makes the texts of a product: one text for the encoder, and one per field for the lexical index."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

FIELDS = ("title", "brand", "category", "type", "attributes", "description")  # of the lexical index
CONTENT = ("title", "brand", "category", "product_type", "attributes", "description")
VERSION = 1  # of `encoder_text`; after a change every vector is computed again


def encoder_text(content: pa.Table) -> pa.Array:
    """Join each product's columns into one text for the encoder.

    The order is title, brand, product type, category, attributes, description.

    Args:
        content: The columns of CONTENT, [n].

    Returns:
        string [n], no nulls. A brand, type or category that the text contains already is not repeated.
    """
    columns = [content[name].to_pylist() for name in CONTENT]
    return pa.array([_joined(*row) for row in zip(*columns, strict=True)], pa.string())


def _joined(
    title: str | None,
    brand: str | None,
    category: str | None,
    kind: str | None,
    attributes: list[tuple[str, str | None]] | None,
    description: str | None,
) -> str:
    pieces: list[str] = []
    for piece in (title, brand, kind, category):
        if piece and piece.strip() and piece.lower() not in " ".join(pieces).lower():
            pieces.append(piece.strip())
    pieces += [f"{name}: {value}" for name, value in sorted(attributes or []) if value]
    if description and description.strip():
        pieces.append(description.strip())
    return ". ".join(pieces)


def lexical_fields(rows: pa.Table) -> dict[str, pl.Series]:
    """Return the text of each field of the lexical index by the field's name, String [n].

    `category` includes the department; `attributes` includes the tags and the package size.

    Args:
        rows: Rows of `product_embeddings`.
    """
    texts = {name: _filled(rows[name]) for name in _TEXTS}
    texts["attributes"] = pc.binary_join_element_wise(
        _values(rows["attributes"]), _values(rows["tags"]), texts["package_size"], " "
    )
    texts["category"] = pc.binary_join_element_wise(texts["department"], texts["category"], " ")
    texts["type"] = texts["product_type"]
    return {name: pl.Series(name, texts[name]) for name in FIELDS}


_TEXTS = ("title", "brand", "department", "category", "product_type", "description", "package_size")


def _filled(column: pa.ChunkedArray) -> pa.Array:
    return pc.fill_null(column.combine_chunks(), "")


def _values(column: pa.ChunkedArray) -> pa.Array:
    """Join the values of each row's map or list with spaces; null becomes an empty text."""
    lists = column.combine_chunks()
    if pa.types.is_map(lists.type):
        lists = pa.ListArray.from_arrays(lists.offsets, lists.items, mask=lists.is_null())
    flat = pa.ListArray.from_arrays(lists.offsets, pc.fill_null(lists.values, ""), mask=lists.is_null())
    return pc.fill_null(pc.binary_join(flat, " "), "")
