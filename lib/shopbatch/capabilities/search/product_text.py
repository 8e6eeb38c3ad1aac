"""What is read of a product: one text for the encoder, and one text for each field of the lexical index."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

CONTENT = ("title", "brand", "category", "product_type", "attributes", "description")
VERSION = 1  # of `encoder_text`; another version computes every vector again


def encoder_text(content: pa.Table) -> pa.Array:
    """Return what the encoder reads: title, brand, product type, category, attributes and description.

    Args:
        content: The columns of CONTENT, [n].

    Returns:
        string [n], no nulls. A brand, type or category that the text says already is not said again.
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


def lexical_fields(rows: pl.DataFrame) -> dict[str, pl.Series]:
    """Return the text of each field of the lexical index, String [n].

    Args:
        rows: Rows of product_embeddings.
    """

    def text(*names: str) -> pl.Series:
        return rows.select(pl.concat_str([pl.col(n).fill_null("") for n in names], separator=" ")).to_series()

    values = pl.element().struct.field("value").fill_null("")
    return {
        "title": text("title"),
        "brand": text("brand"),
        "category": text("department", "category"),
        "type": text("product_type"),
        "attributes": rows.select(
            pl.concat_str(
                pl.col("attributes").list.eval(values).list.join(" ").fill_null(""),
                pl.col("tags").list.join(" ").fill_null(""),
                pl.col("package_size").fill_null(""),
                separator=" ",
            )
        ).to_series(),
        "description": text("description"),
    }
