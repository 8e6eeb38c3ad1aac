"""Presets: what the columns of the exports of well-known shops, review apps and data sets mean (data/presets.yaml)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator

from shopbatch.core.errors import UserError
from shopbatch.load.words import normal_name
from shopbatch.text.word_files import WordFile, read_words

PLAIN = "csv"  # in place of a preset: a file that no system is recognised in
ATTRIBUTE = "attributes."  # a target that begins with it is one entry of the map `attributes`


class Beside(WordFile):
    """A column that stands in another file of the same folder."""

    file: str
    """Name of that file."""

    by: str
    """The column of both files that says which rows belong together."""

    column: str
    """The column of that file."""


class Stock(WordFile):
    """The columns of an export that say whether a product can be bought."""

    quantity: tuple[str, ...]
    """The pieces in stock."""

    tracked_by: tuple[str, ...]
    """Who counts them; blank: nobody does, and there always are some."""

    oversold: tuple[str, ...]
    """Whether it is sold when there are none left."""

    oversold_words: tuple[str, ...]
    """The words in `oversold` that mean yes, in small letters."""


class Preset(WordFile):
    """What the columns of one export mean for one table."""

    recognised_by: tuple[tuple[str, ...], ...]
    """The columns by which the file is recognised: all of them must be there. Several lists (any of them will do) where
    the export has several versions."""

    columns: dict[str, tuple[str, ...]]
    """A column of the table, or `attributes.NAME` -> the file's columns for it: the first one that exists is taken."""

    codes: tuple[str, ...] = ()
    """The file's columns by which orders may also name a product: SKUs and barcodes of it and of its variants."""

    code_lists: dict[str, str] = Field(default_factory=dict)
    """The file's columns that list variants, as in `sku=A-S,size=S|sku=A-M,size=M` -> what stands before each code."""

    pairs: tuple[tuple[str, str], ...] = ()
    """The file's columns that hold the name and the value of an attribute."""

    ignored_values: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Values of `pairs` that say nothing, by the attribute's name."""

    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    """What the export's own words mean, by the table's column: case makes no difference, other values stay."""

    beside: dict[str, Beside] = Field(default_factory=dict)
    """The table's columns that the export keeps in another file of the same folder."""

    carry: tuple[str, ...] = ()
    """The file's columns whose blank cells take the value of the row before, within rows of the same `carry_by`."""

    carry_by: str | None = None
    """The column of the table that tells which rows belong together."""

    first: tuple[str, ...] = ()
    """The table's columns of which the first value that is stated counts, instead of the last one."""

    constants: dict[str, str] = Field(default_factory=dict)
    """Values of the table's columns that the export lacks by its nature."""

    dates: dict[str, Literal["dmy", "mdy"]] = Field(default_factory=dict)
    """The order of day and month in the table's columns of moments, where the values do not tell."""

    skip_rows: tuple[str, ...] = ()
    """The file's columns that are blank in every row to be loaded: a row that states something there is left out."""

    skip_values: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The file's columns -> the words (in small letters) by which a row is of something that is not for sale: it is
    left out, unless the user wants these, too."""

    skip_children: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The file's column that names the product of which a row is a variant -> the columns by which that one is named.
    It stands above its variants; if `skip_values` leaves it out, they are left out, too."""

    stock: Stock | None = None
    """What `availability` is computed from."""

    compare_at: bool = False
    """Whether `sale_price` holds the price that is crossed out. If it is the greater one of the two, they are
    exchanged; else it says nothing."""

    together: dict[str, str] = Field(default_factory=dict)
    """A column of the table -> the column with which it is taken from the same row, where several rows are merged."""

    best: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The table's columns of which, where rows are merged, the value counts that stands first in this list."""

    deepest: dict[str, str] = Field(default_factory=dict)
    """The table's columns in which the export writes several paths (`A, A > B`) -> the mark between the levels of a
    path. The path of most levels is taken."""

    wordpress: tuple[str, ...] = ()
    """The table's text columns with the marks of WordPress: `\\n` for a new line, and shortcodes in brackets."""

    html: tuple[str, ...] = ()
    """The table's text columns in which the export writes HTML."""

    @field_validator("recognised_by", mode="before")
    @classmethod
    def _one_version(cls, value: Any) -> Any:
        """Accept one list of names for an export of which there is one version."""
        return [value] if isinstance(value, list) and all(isinstance(name, str) for name in value) else value


class _Systems(WordFile):
    """presets.yaml: the systems by name, each with its presets by table."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, dict[str, Preset]]


@lru_cache(maxsize=1)
def presets() -> Mapping[str, Mapping[str, Preset]]:
    """Return all presets: system -> table -> preset."""
    return read_words(_Systems, "shopbatch.load", "data/presets.yaml").__pydantic_extra__


def preset_names(table: str) -> tuple[str, ...]:
    """Return the systems that have a preset for a table, in the order of the alphabet."""
    return tuple(sorted(system for system, by_table in presets().items() if table in by_table))


def preset(table: str, name: str) -> Preset:
    """Return the preset of a system for a table; case, blanks, _ - and dots make no difference in its name.

    Raises:
        UserError: There is none. The message names those that exist.
    """
    by_name = {normal_name(system): system for system in preset_names(table)}
    if (system := by_name.get(normal_name(name))) is None:
        there = ", ".join(preset_names(table))
        known = f"there are: {there}" if there else "it has none"
        raise UserError(f"no preset {name!r} for table {table!r}; {known}")
    return presets()[system][table]


def recognise(table: str, names: Sequence[str]) -> str | None:
    """Tell which system a file comes from.

    Args:
        table: The table that is loaded.
        names: The columns of the file.

    Returns:
        The system whose `recognised_by` is all there, or None. Of several systems, the one that asks for most columns.
    """
    there = {normal_name(name) for name in names}
    best, most = None, 0
    for system, by_table in presets().items():
        for version in by_table[table].recognised_by if table in by_table else ():
            if len(version) > most and all(normal_name(name) in there for name in version):
                best, most = system, len(version)
    return best


def file_column(name: str, names: Sequence[str]) -> str | None:
    """Return the file's column of that name: the one spelled the same, else the first that is equal when normalised."""
    if name in names:
        return name
    return next((other for other in names if normal_name(other) == normal_name(name)), None)


def extra_columns(preset: Preset) -> tuple[str, ...]:
    """Return the file's columns that are read besides those of `columns`, for a preset that spells them as the file."""
    stock = preset.stock
    of_stock = (*stock.quantity, *stock.tracked_by, *stock.oversold) if stock else ()
    of_pairs = (column for pair in preset.pairs for column in pair)
    of_codes = (*preset.codes, *preset.code_lists)
    return (*preset.carry, *of_pairs, *of_stock, *of_codes, *skip_columns(preset))


def skip_columns(preset: Preset) -> tuple[str, ...]:
    """Return the file's columns that decide which rows are left out."""
    of_children = (column for parent, names in preset.skip_children.items() for column in (parent, *names))
    return (*preset.skip_rows, *preset.skip_values, *of_children)


def spelled_as(preset: Preset, names: Sequence[str]) -> Preset:
    """Return a preset that spells the file's columns as this file does, without those that it lacks."""

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
    """Match the targets of a preset to the columns of a file.

    Returns:
        A column of the table, or `attributes.NAME` -> the file's column. Targets that the file has no column for are
        missing.
    """
    matched: dict[str, str] = {}
    for target, candidates in preset.columns.items():
        existing = (file_column(candidate, names) for candidate in candidates)
        if (column := next((c for c in existing if c is not None), None)) is not None:
            matched[target] = column
    return matched
