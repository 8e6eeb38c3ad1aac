"""Matches the columns of a user's file to the columns of a table, by the user's mapping, a preset, or the names.

Only `refuse_numbers` looks at values. `inspection.py` calls `match` in the first reading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shopbatch.core.errors import UserError
from shopbatch.core.nearest import nearest
from shopbatch.load import presets, words
from shopbatch.load.constants import checked
from shopbatch.load.options import Options
from shopbatch.load.presets import ATTRIBUTE, Preset
from shopbatch.load.raw import RawBatch
from shopbatch.load.shaping import text_cells
from shopbatch.load.words import normal_name
from shopbatch.tables.products import CODES
from shopbatch.tables.schema import Table

_FEW = 5  # a column with fewer filled cells is not judged
_NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]+)?( ?/ ?[0-9]+)?|[★☆⭐]+")


@dataclass(frozen=True)
class Match:
    """Which column of a file is loaded into which column of a table.

    Attributes:
        columns: The table's column, or `attributes.NAME` -> the file's column.
        ignored: Columns of the file that are not used.
        makes_key: Whether keys are made from the content of the rows, because the file has none.
        proposed: The table's column -> a column of the file that may be meant; it is only reported, not loaded.
        system: The system that the file comes from, such as `shopify`; "" if none was recognised.
        preset: The preset of that system, spelled as the file spells its columns; None if there is none.
        constants: The table's column -> the value for rows in which the file states none.
        codes: The file's columns that hold other codes of a product than its id (SKUs, barcodes).
        guessed: The table's columns that `--map auto` matched by a synonym of their name.
    """

    columns: Mapping[str, str]
    ignored: tuple[str, ...]
    makes_key: bool
    proposed: Mapping[str, str] = field(default_factory=dict)
    system: str = ""
    preset: Preset | None = None
    constants: Mapping[str, str] = field(default_factory=dict)
    codes: tuple[str, ...] = ()
    guessed: frozenset[str] = frozenset()


def match(table: Table, names: Sequence[str], options: Options) -> Match:
    """Match columns by the user's mapping, then by the preset, then by name.

    When names are compared, case, blanks, dots, hyphens and underscores make no difference.

    Args:
        table: The table that is loaded.
        names: The columns of the file.
        options: How the user says that the file is to be read.

    Raises:
        UserError: The mapping names a column that does not exist, two columns of the file match one column of the
            table, or a column that the table needs is missing. The message names the existing columns and similar ones.
    """
    mapping = options.mapping
    _check_mapping(table, names, mapping)
    system = options.preset or presets.recognise(table.name, names) or ""
    system = "" if system == presets.PLAIN else system
    preset = presets.spelled_as(presets.preset(table.name, system), names) if system else None
    if preset is not None and options.unpublished:
        preset = preset.model_copy(update={"skip_values": {}, "skip_children": {}})
    if preset is not None and CODES in mapping:
        preset = preset.model_copy(update={"codes": (), "code_lists": {}})
    meant = presets.columns_of(preset, names) if preset else {}
    meant = {t: s for t, s in meant.items() if t not in mapping}
    columns: dict[str, str] = {}
    entries = [t for t in (*mapping, *meant) if t.startswith(ATTRIBUTE)]
    for target in dict.fromkeys((*table.names, *entries)):
        free = [n for n in names if n not in mapping.values()]
        said = mapping.get(target, meant.get(target))
        if said is None and preset is not None and target in preset.columns:
            continue  # the system uses that name for something else (Magento's product_type)
        source_name = (said or None) if said is not None else _by_name(target, free)
        if source_name is not None:
            if (times := names.count(source_name)) > 1:
                raise UserError(f"the file has {times} columns {source_name!r}: rename those that are not meant")
            columns[target] = source_name
    # a preset leaves out columns on purpose, such as the total of the whole order, so none of them is proposed
    proposed = {} if preset is not None else _propose(table, columns, names, mapping)
    guessed: frozenset[str] = frozenset()
    if options.auto:
        columns, proposed, guessed = columns | proposed, {}, frozenset(proposed)
    makes_key = table.key_from_content and not any(k in columns for k in table.key)
    constants = (preset.constants if preset else {}) | checked(table, options.constants)
    stated = {*columns, *constants}
    needed = [*(() if makes_key else table.needed_key), *table.must_have]
    if missing := [n for n in dict.fromkeys(needed) if n not in stated]:
        raise UserError(_missing(table, missing, names, columns, proposed))
    takes_codes = CODES in table.names and CODES not in {*columns, *mapping}
    codes = _codes(columns, names, preset) if takes_codes else ()
    used = {*columns.values(), *codes, *(presets.extra_columns(preset) if preset else ())}
    ignored = tuple(n for n in names if n not in used)
    return Match(columns, ignored, makes_key, proposed, system, preset, constants, codes, guessed)


def _codes(columns: Mapping[str, str], names: Sequence[str], preset: Preset | None) -> tuple[str, ...]:
    """Return the file's columns with SKUs, barcodes or other codes of products, except the product id.

    With a preset they are those that it names, else the columns with a known name (words.yaml).
    """
    known = words.product_codes()
    listed = preset.codes if preset else [n for n in names if normal_name(n) in known and names.count(n) == 1]
    return tuple(n for n in listed if n != columns.get("product_id"))


def _check_mapping(table: Table, names: Sequence[str], mapping: Mapping[str, str]) -> None:
    """Raise UserError if `--map` names a column that the table or the file does not have."""
    for target, source in mapping.items():
        of_map = target.startswith(ATTRIBUTE) and len(target) > len(ATTRIBUTE) and "attributes" in table.names
        if target not in table.names and not of_map:
            raise UserError(f"--map {target}=...: table {table.name!r} has no such column{_hint(target, table.names)}")
        if source and source not in names:
            raise UserError(f"--map {target}={source!r}: the file has no such column{_hint(source, names)}")


def refuse_numbers(matched: Match, batch: RawBatch) -> None:
    """Raise UserError if a column that `--map auto` took for the rows' text holds nothing but numbers or stars.

    Args:
        matched: The matched columns.
        batch: The first rows of the file; fewer than 5 filled cells are not judged.
    """
    if "text" not in matched.guessed:
        return
    source = matched.columns["text"]
    cells = [cell for cell in text_cells(batch.get(source)).to_pylist() if cell and cell.strip()]
    if len(cells) >= _FEW and all(_NUMBER.fullmatch(cell.strip()) for cell in cells):
        raise UserError(
            f"the column {source!r} holds numbers ({cells[0].strip()!r}), not texts: --map text=... says which column "
            f"holds the texts, and --map text={source!r} takes this one"
        )


def _by_name(target: str, names: Sequence[str]) -> str | None:
    """Return the file's column with the name of a table's column, or None.

    A column that is spelled the same is preferred, else the only one that differs by case or separators.

    Args:
        target: The table's column.
        names: The columns of the file that are not mapped by the user.

    Raises:
        UserError: Several columns differ only by case or separators.
    """
    if target in names:
        return target
    near = sorted({n for n in names if normal_name(n) == normal_name(target)})
    if len(near) > 1:
        spelled = ", ".join(repr(n) for n in near)
        raise UserError(f"columns {spelled} could all be {target!r}: choose with --map {target}={near[0]!r}")
    return near[0] if near else None


def _propose(
    table: Table, columns: Mapping[str, str], names: Sequence[str], mapping: Mapping[str, str]
) -> dict[str, str]:
    """Return the columns of the file that may be meant for the table's unmatched columns, by known synonyms.

    Args:
        table: The table that is loaded.
        columns: The columns that are matched already.
        names: The columns of the file.
        mapping: The user's mapping; its columns are not proposed again.

    Returns:
        Column of the table -> column of the file.
    """
    proposed: dict[str, str] = {}
    free = [n for n in names if n not in columns.values() and names.count(n) == 1]
    known = words.column_synonyms(table.name)
    order = list(known)
    for name in sorted(free, key=lambda n: order.index(k) if (k := normal_name(n)) in known else len(order)):
        target = known.get(normal_name(name))
        if target is not None and target not in columns and target not in mapping:
            proposed.setdefault(target, name)
    for name in (n for n in free if n not in proposed.values()):
        target = words.second_meanings(table.name).get(normal_name(name))
        if target is not None and target not in columns and target not in mapping:
            proposed.setdefault(target, name)
    if {"quantity", "unit_price"} <= {*columns, *proposed}:
        # the amount is computed from quantity and price; a total may be the whole order's, with shipping and taxes
        proposed = {t: n for t, n in proposed.items() if t != "sales_value" or normal_name(n) not in words.totals()}
    return proposed


def _missing(
    table: Table,
    missing: Sequence[str],
    names: Sequence[str],
    columns: Mapping[str, str],
    proposed: Mapping[str, str],
) -> str:
    """Return the error message for a file that lacks needed columns, with `--map` options that may help.

    Args:
        table: The table that is loaded.
        missing: The needed columns that the file lacks.
        names: The columns of the file.
        columns: The table's column -> the file's column, as matched so far.
        proposed: The table's column -> a column of the file that may be meant.
    """
    there = ", ".join(n or "(unnamed)" for n in names) or "none"
    text = f"table {table.name!r} needs the column(s) {', '.join(missing)}; the file has: {there}"
    if not columns and sum(_like_data(name) for name in names) * 2 >= len(names):
        return text + "; the first line looks like data: name the columns with --columns a,b,c"
    if all(name in proposed for name in missing):
        maps = " ".join(f'{target}="{source}"' for target, source in proposed.items())
        return text + f"; did you mean --map {maps}? (--map auto takes these)"
    unmatched = [n for n in names if n not in columns.values()]
    near = {target: proposed.get(target) or _nearest(target, unmatched) for target in missing}
    guesses = [f'{target}="{guess}"' for target, guess in near.items() if guess]
    return text + (f"; did you mean --map {' --map '.join(guesses)}?" if guesses else "")


def _like_data(name: str) -> bool:
    """Return True if a column name looks like a value (number, date, long text), as in a file without a header."""
    return bool(re.fullmatch(r"[-+]?[\d.,:/\- T]*\d[\d.,:/\- TZ]*", name)) or len(name) > 60


def _nearest(target: str, names: Sequence[str]) -> str | None:
    """Return the name that is most similar to `target`, or None if none is.

    That is the shortest name which contains a word of `target`, else one with nearly the same letters.
    """
    parts = [w for w in target.split("_") if w != "id"]
    containing = [n for n in names if any(w in normal_name(n) for w in parts)]
    if containing:
        return min(containing, key=len)
    by_normalised = {normal_name(n): n for n in names}
    close = nearest(normal_name(target), by_normalised, 0.7)
    return by_normalised[close] if close else None


def _hint(name: str, known: Sequence[str]) -> str:
    """Return the end of an error message about an unknown name: the most similar known name, else all known names."""
    near = _nearest(name, known)
    return f"; did you mean {near!r}?" if near else f" (it has: {', '.join(known)})"
