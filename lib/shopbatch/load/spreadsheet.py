"""Reads a sheet of a workbook (.xlsx, .xls, .xlsb, .ods) as Python values; its first row with cells is the header.

A sheet has no more than about a million rows, so it is read as a whole and passed on in blocks.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, SheetVisibleEnum

from shopbatch.core.errors import UserError, one_line

SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_NAMED = re.compile(rf"(?P<file>.*?(?:{'|'.join(map(re.escape, SUFFIXES))}))#(?P<sheet>.+)", re.IGNORECASE | re.DOTALL)
_BLOCK_ROWS = 16_384
_EXACT = 2**53  # a sheet stores numbers as floats, which are exact for whole numbers below this

Row = list[Any]


@dataclass(frozen=True)
class Block:
    """Some consecutive rows of a sheet.

    Attributes:
        rows: Row numbers, from 1, without the header and without empty rows, int64 [n].
        lines: The sheet's own row numbers, int64 [n].
        columns: Column name -> values [n]: text, int, float, bool, `datetime`, `date`, or None.
    """

    rows: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    columns: dict[str, list[Any]]


@dataclass(frozen=True)
class Sheet:
    """The sheet of a workbook that is to be loaded, with its header.

    Attributes:
        file: Path of the workbook.
        name: Name of the sheet.
        names: The column names in the header, in order. A column without a name appears as "" if it has values, and is
            left out if it is empty.
        note: Message to the user that says which of several sheets with rows was chosen and which ones were not read;
            "" if the user named the sheet or only one has rows.
    """

    file: Path
    name: str
    names: tuple[str, ...]
    note: str

    def read(self, wanted: Sequence[str]) -> Iterator[Block]:
        """Read the wanted columns block by block.

        Args:
            wanted: Column names; names that the sheet lacks are ignored. Of columns with the same name, the first is
                read.

        Raises:
            UserError: The workbook cannot be read any more.
        """
        with _open(self.file) as workbook:
            table = _Table(workbook.get_sheet_by_name(self.name))
            positions = {name: table.positions[table.names.index(name)] for name in wanted if name in table.names}
            filled = ((line, row) for line, row in table.rows if any(not _is_empty(row[p]) for p in table.positions))
            number = 0
            while block := list(islice(filled, _BLOCK_ROWS)):
                columns = {name: [_value(row[p]) for _, row in block] for name, p in positions.items()}
                rows = np.arange(number + 1, number + 1 + len(block))
                number += len(block)
                yield Block(rows, np.array([line for line, _ in block], np.int64), columns)


def open_sheet(file: Path, name: str | None = None) -> Sheet:
    """Open a sheet of a workbook and read its header.

    Args:
        file: The workbook.
        name: Name of the sheet; None: the first visible sheet that has a header.

    Raises:
        UserError: The workbook is damaged, empty or protected by a password, or it has no such sheet.
    """
    with _open(file) as workbook:
        visible = [s.name for s in workbook.sheets_metadata if s.visible == SheetVisibleEnum.Visible]
        if name is not None and name not in workbook.sheet_names:
            raise UserError(f"{file}: no sheet {name!r}; it has {', '.join(map(repr, visible))}")
        filled = [n for n in visible if workbook.get_sheet_by_name(n).height]
        for candidate in [name] if name is not None else filled:
            names = tuple(_Table(workbook.get_sheet_by_name(candidate)).names)
            if names:
                return Sheet(file, candidate, names, _note(candidate, filled) if name is None else "")
    where = f"sheet {name!r}" if name is not None else "no visible sheet"
    raise UserError(f"{file}: {where} {'has no' if name is not None else 'has a'} row with names of columns")


def split_name(path: str) -> tuple[str, str | None]:
    """Split `shop.xlsx#Orders` into the path of the workbook and the sheet; the sheet is None if none is named."""
    named = _NAMED.fullmatch(path)
    return (named["file"], named["sheet"]) if named else (path, None)


def _note(taken: str, filled: Sequence[str]) -> str:
    """Return a note that lists the sheets with rows that are not read; "" if there are none."""
    others = [name for name in filled if name != taken]
    if not others:
        return ""
    return f"read sheet {taken!r} of {len(filled)} with rows; the others: {', '.join(map(repr, others))}"


class _Table:
    """The cells of a sheet, from its header on.

    Attributes:
        names: The names in the header, in order. A column without a name appears as "" if it has values, and is left
            out if it is empty.
        positions: The position of each of these columns in a row, from 0.
        rows: The rows after the header, with their row numbers in the sheet; an iterator that can be read once.
    """

    def __init__(self, sheet: CalamineSheet) -> None:
        numbered = enumerate(sheet.iter_rows(), 1) if sheet.height else iter(())
        header: Row = next((row for _, row in numbered if not all(map(_is_empty, row))), [])
        texts = [_name(cell) for cell in header]
        self.rows: Iterator[tuple[int, Row]] = ((line, list(row)) for line, row in numbered)
        if "" in texts:  # as in a CSV file, a column without a name counts if it has values
            kept = list(self.rows)
            used = {p for _, row in kept for p, cell in enumerate(row) if not texts[p] and not _is_empty(cell)}
            self.rows = iter(kept)
        else:
            used = set()
        self.positions = [p for p, text in enumerate(texts) if text or p in used]
        self.names = [texts[p] for p in self.positions]


def _open(file: Path) -> CalamineWorkbook:
    """Open a workbook. UserError if it is damaged or protected by a password."""
    try:
        return CalamineWorkbook.from_path(file)
    except PasswordError:
        raise UserError(f"{file}: the workbook is protected by a password; save it without one") from None
    except CalamineError as error:
        raise UserError(f"{file}: not a readable workbook: {one_line(error, 200)}") from None


def _is_empty(cell: Any) -> bool:
    """Return True if a cell is empty or blank text."""
    return isinstance(cell, str) and not cell.strip()


def _name(cell: Any) -> str:
    """Return a header cell as a column name with single blanks; "" for an empty cell."""
    return "" if _is_empty(cell) else " ".join(str(_value(cell)).split())


def _value(cell: Any) -> Any:
    """Return a cell as the value that is loaded: 5.0 as the integer 5, a time or duration as text ("14:05:00").

    An empty cell and an error such as #N/A become None.
    """
    if isinstance(cell, str):
        return cell or None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT:
        return int(cell)
    if isinstance(cell, dt.timedelta):
        seconds = round(cell.total_seconds())
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return cell.isoformat() if isinstance(cell, dt.time) else cell
