"""Presets: the known column layouts of exports of common shop systems, review apps and data sets (data/presets.yaml).

A preset says which column of the export is which column of our table, and how its values are to be read. It is chosen
by the file's column names or by `--preset`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from shopbatch.core.errors import UserError
from shopbatch.load.words import normal_name
from shopbatch.text.word_files import WordFile, read_words

PLAIN = "csv"  # `--preset csv`: read as a plain file, without recognising a system
ATTRIBUTE = "attributes."  # prefix of a target that is one entry of the table's map column `attributes`


class Beside(WordFile):
    """A column that the export keeps in a second file of the same folder; `beside.py` joins it."""

    file: str
    """Name of the second file, such as `query.csv`."""

    by: str
    """The column, present in both files, by which the rows are joined."""

    column: str
    """The column of the second file that is added to the first."""


class Stock(WordFile):
    """The columns of an export from which `shop_values.availability` computes whether a product can be bought."""

    quantity: tuple[str, ...]
    """Columns with the number of pieces in stock; several names for several versions of the export."""

    tracked_by: tuple[str, ...]
    """Columns that name the system which counts the stock. A blank cell means that nobody counts it and the product can
    always be bought. () if the export has no such column."""

    oversold: tuple[str, ...]
    """Columns that say whether the product is still sold when none are in stock."""

    oversold_words: tuple[str, ...]
    """The values of `oversold`, in lower case, that mean yes."""


class Preset(WordFile):
    """How the export of one system is read into one table.

    The fields name columns of the file ("the file's columns") or columns of our table ("the table's columns").
    """

    recognised_by: tuple[tuple[str, ...], ...]
    """The columns by which the file is recognised: all of one list must be present. There are several lists where the
    export has several versions."""

    columns: dict[str, tuple[str, ...]]
    """A column of the table, or `attributes.NAME` -> the file's columns for it; the first one that exists in the file
    is used."""

    codes: tuple[str, ...] = ()
    """The file's columns that hold SKUs or barcodes of the product or of its variants, by which orders may name it."""

    code_lists: dict[str, str] = Field(default_factory=dict)
    """The file's columns that list variants in one cell (`sku=A-S,size=S|sku=A-M,size=M`) -> the prefix of each code
    (`sku=`)."""

    pairs: tuple[tuple[str, str], ...] = ()
    """Pairs of the file's columns, of which the first holds the name and the second the value of an attribute."""

    ignored_values: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Name of an attribute -> its placeholder values in `pairs`, which are not loaded (Shopify's `Title: Default
    Title`)."""

    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    """The table's column -> the export's word for a value -> our word for it. Case makes no difference; words that are
    not listed are loaded as they are."""

    beside: dict[str, Beside] = Field(default_factory=dict)
    """The table's column -> where to find it, for columns that the export keeps in another file of the same folder."""

    carry: tuple[str, ...] = ()
    """The file's columns whose blank cells are filled with the value of the row before, as long as the rows belong to
    the same order or product (see `carry_by`)."""

    carry_by: str | None = None
    """The table's column that is equal in rows that belong together, for `carry`; None if nothing is filled."""

    first: tuple[str, ...] = ()
    """The table's columns for which, when rows of one key are merged, the first non-null value is kept instead of the
    last."""

    constants: dict[str, str] = Field(default_factory=dict)
    """The table's column -> the value of all rows, for facts that hold for every file of this export, such as its
    language."""

    dates: dict[str, Literal["dmy", "mdy"]] = Field(default_factory=dict)
    """The table's timestamp column -> the order of day and month (`dmy` or `mdy`), used where the values do not show
    it."""

    skip_rows: tuple[str, ...] = ()
    """The file's columns that must be blank: a row with a value in one of them is left out, such as a translation."""

    skip_values: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The file's columns -> the values, in lower case, that mark a row as not for sale (`Status: draft`). Such a row is
    left out, unless the user adds `--unpublished`."""

    skip_children: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The file's column that names the parent product of a variant -> the columns that hold the parent's names in the
    parent's own row. Variants of a parent that `skip_values` leaves out are left out, too, if the parent's row comes
    before theirs."""

    stock: Stock | None = None
    """The columns from which `availability` is computed; None if the export has none."""

    compare_at: bool = False
    """Whether `sale_price` holds the crossed-out price, as in Shopify's exports. If it is the greater price, it is
    exchanged with `price`; otherwise it becomes null."""

    together: dict[str, str] = Field(default_factory=dict)
    """A column of the table -> another column. When rows of one key are merged, the value of the first column is taken
    from the first row in which the other column has a value (such as `sale_price` from the row of `price`)."""

    best: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The table's column -> its values in order of preference. When rows of one key are merged, the value that stands
    first in this list is kept."""

    deepest: dict[str, str] = Field(default_factory=dict)
    """The table's columns in which the export writes several category paths (`A, A > B`) -> the separator between the
    levels of a path. The path with most levels is loaded."""

    wordpress: tuple[str, ...] = ()
    r"""The table's text columns that contain WordPress markup: `\n` for a line break, and shortcodes in square
    brackets."""

    html: tuple[str, ...] = ()
    """The table's text columns in which the export writes HTML; they are loaded as plain text."""

    @field_validator("recognised_by", mode="before")
    @classmethod
    def _one_version(cls, value: Any) -> Any:
        """Accept a single list of column names in `recognised_by`, for an export that has one version."""
        return [value] if isinstance(value, list) and all(isinstance(name, str) for name in value) else value


class _Systems(WordFile):
    """The content of presets.yaml: name of the system -> name of the table -> preset."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, dict[str, Preset]]


@lru_cache(maxsize=1)
def presets() -> Mapping[str, Mapping[str, Preset]]:
    """Return all presets: name of the system -> name of the table -> preset."""
    return read_words(_Systems, "shopbatch.load", "data/presets.yaml").__pydantic_extra__


def preset_names(table: str) -> tuple[str, ...]:
    """Return the names of the systems that have a preset for a table, in alphabetical order."""
    return tuple(sorted(system for system, by_table in presets().items() if table in by_table))


def preset(table: str, name: str) -> Preset:
    """Return the preset of a system for a table.

    Args:
        table: Name of the table.
        name: Name of the system; case, blanks, underscores, hyphens and dots make no difference.

    Raises:
        UserError: There is no such preset. The message names those that exist.
    """
    by_name = {normal_name(system): system for system in preset_names(table)}
    if (system := by_name.get(normal_name(name))) is None:
        there = ", ".join(preset_names(table))
        known = f"there are: {there}" if there else "it has none"
        raise UserError(f"no preset {name!r} for table {table!r}; {known}")
    return presets()[system][table]


def recognise(table: str, names: Sequence[str]) -> str | None:
    """Return the name of the system that exported a file, judged by the file's column names; None if unknown.

    Args:
        table: The table that is loaded.
        names: The columns of the file.

    Returns:
        The system whose `Preset.recognised_by` columns are all in the file. If there are several such systems, it is
        the one that requires the most columns.
    """
    there = {normal_name(name) for name in names}
    best, most = None, 0
    for system, by_table in presets().items():
        for version in by_table[table].recognised_by if table in by_table else ():
            if len(version) > most and all(normal_name(name) in there for name in version):
                best, most = system, len(version)
    return best


def file_column(name: str, names: Sequence[str]) -> str | None:
    """Return the column of a file that has a given name, spelled as in the file; None if it has no such column.

    A column with exactly this name is preferred; otherwise it is the first one that differs only by case, blanks,
    underscores, hyphens or dots (`normal_name`).

    Args:
        name: The name, as the preset spells it.
        names: The columns of the file.
    """
    if name in names:
        return name
    return next((other for other in names if normal_name(other) == normal_name(name)), None)


def extra_columns(preset: Preset) -> tuple[str, ...]:
    """Return the file's columns that a preset needs besides those in `columns`, such as stock and codes.

    Args:
        preset: A preset that spells column names as the file does (see `spelled_as`).
    """
    stock = preset.stock
    of_stock = (*stock.quantity, *stock.tracked_by, *stock.oversold) if stock else ()
    of_pairs = (column for pair in preset.pairs for column in pair)
    of_codes = (*preset.codes, *preset.code_lists)
    return (*preset.carry, *of_pairs, *of_stock, *of_codes, *skip_columns(preset))


def skip_columns(preset: Preset) -> tuple[str, ...]:
    """Return the file's columns that have to be read to decide which rows the preset leaves out."""
    of_children = (column for parent, names in preset.skip_children.items() for column in (parent, *names))
    return (*preset.skip_rows, *preset.skip_values, *of_children)


def spelled_as(preset: Preset, names: Sequence[str]) -> Preset:
    """Return a copy of a preset with column names spelled as in this file, without the columns that the file lacks.

    `recognised_by`, `columns` (see `columns_of`) and `beside` stay as they are.

    Args:
        preset: The preset.
        names: The columns of the file.
    """

    def present(columns: Sequence[str]) -> tuple[str, ...]:
        return tuple(column for name in columns if (column := file_column(name, names)) is not None)

    pairs = [pair for pair in map(present, preset.pairs) if len(pair) == 2]
    skipped = {column: words for name, words in preset.skip_values.items() for column in present([name])}
    stock = preset.stock
    if stock is not None:
        columns = {part: present(getattr(stock, part)) for part in ("quantity", "tracked_by", "oversold")}
        stock = stock.model_copy(update=columns) if columns["quantity"] else None
    spelled: dict[str, object] = {name: present(getattr(preset, name)) for name in ("carry", "skip_rows", "codes")}
    spelled["code_lists"] = {c: mark for name, mark in preset.code_lists.items() for c in present([name])}
    children = {c: present(names_of) for name, names_of in preset.skip_children.items() for c in present([name])}
    spelled |= {"pairs": tuple(pairs), "skip_values": skipped, "skip_children": children, "stock": stock}
    return preset.model_copy(update=spelled)


def columns_of(preset: Preset, names: Sequence[str]) -> dict[str, str]:
    """Match the table's columns that a preset names to the columns of a file.

    Args:
        preset: The preset.
        names: The columns of the file.

    Returns:
        A column of the table, or `attributes.NAME` -> the file's column. Columns of the table for which the file has
        none are missing.
    """
    matched: dict[str, str] = {}
    for target, candidates in preset.columns.items():
        existing = (file_column(candidate, names) for candidate in candidates)
        if (column := next((c for c in existing if c is not None), None)) is not None:
            matched[target] = column
    return matched
