"""Converts what shop systems write in their own ways: stock, crossed-out prices, category paths, WordPress markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.load import values
from shopbatch.load.column_formats import ColumnFormat
from shopbatch.load.presets import Preset, Stock
from shopbatch.load.raw import RawBatch
from shopbatch.load.shaping import text_cells
from shopbatch.load.text_values import to_ids, to_text
from shopbatch.load.words import normal_name
from shopbatch.tables.schema import TEXT_LIST, Column

_CODE = Column("code_id", pa.string(), "A code of a product, which is read like an id.")
_COMMA = re.compile(r"(?<!\\),\s*")  # WooCommerce writes a comma within a name as \,
_ATTRIBUTES = r"""(?:\s+[\w-]+=(?:"[^"]*"|'[^']*'|“[^”]*”|[^\s\]"']+))+"""
_CLOSING = re.compile(r"\[/([A-Za-z][\w-]*)\]")
_OPENING = re.compile(rf"\[([A-Za-z][\w-]*)({_ATTRIBUTES})?\s*(/)?\]")


def availability(batch: RawBatch, stock: Stock) -> pa.Array:
    """Compute from the stock columns of an export whether the product of each row can be bought.

    Args:
        batch: The rows, [n].
        stock: The names of the stock columns.

    Returns:
        `in_stock`, `backorder` or `out_of_stock`, string [n]; null where the row does not state the stock.
    """
    columns = {}
    for part in ("quantity", "tracked_by", "oversold"):
        names = getattr(stock, part)
        cells = text_cells(batch.get(names[0])) if names else pa.nulls(len(batch.rows), pa.string())
        columns[part] = pl.Series(pl.from_arrow(cells)).cast(pl.String)
    frame = pl.DataFrame(columns).with_columns(pl.col("quantity").str.strip_prefix("'").cast(pl.Float64, strict=False))
    quantity, oversold = pl.col("quantity"), pl.col("oversold").str.to_lowercase()
    untracked = pl.col("tracked_by").is_null() & oversold.is_not_null() if stock.tracked_by else pl.lit(False)
    word = (
        pl.when(untracked | (quantity > 0))
        .then(pl.lit("in_stock"))
        .when(quantity.is_not_null() & oversold.is_in(list(stock.oversold_words)))
        .then(pl.lit("backorder"))
        .when(quantity.is_not_null())
        .then(pl.lit("out_of_stock"))
    )
    return frame.select(word.alias("word"))["word"].to_arrow().cast(pa.string())


def exchange_prices(columns: dict[str, pa.Array]) -> None:
    """Change `price` and `sale_price` in place, for an export whose `sale_price` is the crossed-out, higher price.

    Where `sale_price` is greater than `price`, the columns exchange their values; elsewhere `sale_price` becomes null.

    Args:
        columns: The converted columns, with `price` and `sale_price`, [n] each.
    """
    price, crossed = columns["price"], columns["sale_price"]
    reduced = pc.fill_null(pc.greater(crossed, price), False)
    columns["price"] = pc.if_else(reduced, crossed, price)
    columns["sale_price"] = pc.if_else(reduced, price, pa.scalar(None, price.type))


def compares(preset: Preset, columns: Mapping[str, str]) -> bool:
    """Return True if the file's column for `sale_price` holds crossed-out prices (see `exchange_prices`).

    That is so if `Preset.compare_at` is set, the file has a price, and the user has not mapped `sale_price` to another
    column.

    Args:
        preset: The preset of the export.
        columns: The table's column -> the file's column.
    """
    chosen = normal_name(columns.get("sale_price", ""))
    return preset.compare_at and "price" in columns and chosen in map(normal_name, preset.columns["sale_price"])


def codes(
    batch: RawBatch, columns: Sequence[str], lists: Mapping[str, str], ids: pa.Array, stated: pa.Array | None = None
) -> pa.Array:
    """Return the codes (SKUs, barcodes) of each row's product, without repetitions and without the product's id.

    Args:
        batch: The rows, [n].
        columns: The file's columns that hold one code each.
        lists: The file's columns with several variants in a cell (`sku=A-S,size=S|sku=A-M`) -> the prefix of a code
            (`sku=`).
        ids: The products' ids, string [n].
        stated: The converted values of the file's own column `codes`, lists [n]; None if it has no such column.

    Returns:
        Lists of strings, [n]; null where a row has no codes.
    """
    rows = len(batch.rows)
    parts = []
    if stated is not None:
        known = pl.Series("codes", pl.from_arrow(stated))
        parts.append(pl.DataFrame({"codes": known}).with_row_index("row").explode("codes"))
    for name in columns:
        cells = values.convert(_CODE, batch.get(name), False, ColumnFormat(float_ids=True)).values
        parts.append(pl.DataFrame({"codes": pl.Series(pl.from_arrow(cells))}).with_row_index("row"))
    for name, mark in lists.items():
        text = pl.Series(pl.from_arrow(text_cells(batch.get(name)))).cast(pl.String)
        listed = pl.DataFrame({"codes": text.str.split("|")}).with_row_index("row").explode("codes")
        listed = listed.with_columns(pl.col("codes").str.split(",")).explode("codes")
        listed = listed.with_columns(pl.col("codes").str.strip_chars()).filter(pl.col("codes").str.starts_with(mark))
        parts.append(listed.with_columns(pl.col("codes").str.strip_prefix(mark)))
    if not parts:
        return pa.nulls(rows, TEXT_LIST)
    tall = pl.concat(part.cast({"codes": pl.String}) for part in parts)
    read = pl.Series("codes", pl.from_arrow(to_ids(tall["codes"].to_arrow().cast(pa.string()), floats=False)))
    every = pl.DataFrame({"id": pl.Series(pl.from_arrow(ids)).cast(pl.String)}).with_row_index("row")
    others = tall.with_columns(read).drop_nulls().join(every, on="row", maintain_order="left")
    others = others.filter(pl.col("codes").ne_missing(pl.col("id"))).unique(maintain_order=True)
    wide = others.group_by("row", maintain_order=True).agg("codes")
    return every.join(wide, on="row", how="left", maintain_order="left")["codes"].to_arrow().cast(TEXT_LIST)


def deepest_path(raw: pa.Array | Sequence[Any], mark: str) -> pa.Array | Sequence[Any]:
    """Reduce each cell with several category paths to the path with the most levels (the first of equals), [n].

    `Clothing, Clothing > T-Shirts` becomes `Clothing > T-Shirts`.

    Args:
        raw: The cells, [n]; values that are not text are returned as they are.
        mark: The separator between the levels of a path, such as ">".
    """
    return _mapped(raw, lambda text: _deepest(text, mark))


def _deepest(text: str, mark: str) -> str:
    """Return the path with the most levels in one cell, whose paths are separated by commas."""
    paths = [path.strip().replace("\\,", ",") for path in _COMMA.split(text)]
    return max(paths, key=lambda path: path.count(mark))


def without_marks(raw: pa.Array | Sequence[Any]) -> pa.Array | Sequence[Any]:
    r"""Remove WordPress shortcodes such as `[gallery ids="1"]` from texts [n], and turn `\n` into a line break.

    Args:
        raw: The texts; values that are not text are returned as they are.
    """
    return _mapped(raw, _without_marks)


def _without_marks(text: str) -> str:
    """Remove the WordPress markup of one text."""
    text = text.replace("\\r\\n", "\n").replace("\\n", "\n")
    if "[" not in text:
        return text
    closed = set(_CLOSING.findall(text))

    def drop(code: re.Match[str]) -> str:
        """Return a blank in place of a shortcode, and words in brackets such as `[new]` or `[sic]` as they are.

        A shortcode has attributes, a closing mark or an underscore in its name.
        """
        name, attributes, slash = code.groups()
        return " " if attributes or slash or "_" in name or name in closed else code[0]

    text = _CLOSING.sub(" ", _OPENING.sub(drop, text))
    return re.sub(r"[^\S\n]+", " ", text).strip()


def _mapped(raw: pa.Array | Sequence[Any], change: Callable[[str], str]) -> pa.Array | Sequence[Any]:
    """Apply a function to each distinct text of an array once; values that are not text are returned as they are."""
    text = to_text(raw) if isinstance(raw, pa.Array) else None
    if text is None or text.faults:
        return raw
    cells = pc.dictionary_encode(text.values)
    changed = pa.array([change(text) for text in cells.dictionary.to_pylist()], pa.string())
    return changed.take(cells.indices)
