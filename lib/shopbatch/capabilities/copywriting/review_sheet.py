"""The sheet on which people review copy: how it is written for a spreadsheet, and read back from one."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from shopbatch.capabilities.copywriting.copy_format import Copy
from shopbatch.core.errors import UserError
from shopbatch.core.spreadsheet_cells import protect, restore
from shopbatch.load.formats import open_input
from shopbatch.text.word_files import WordFile, read_words

TEXTS = ("headline", "description", "bullets", "meta_description")
NEW = tuple(f"new_{name}" for name in TEXTS)
READ = (*TEXTS, "verdict", *NEW, "reason", "text_digest")
COLUMNS = ("product_id", "language", "facts", *TEXTS, "writer", "verdict", *NEW, "reason", "text_digest")
_BOM = "\ufeff"  # without it, Excel takes UTF-8 for Western Windows text
_UNREADABLE = "\ufffd"
_BULLET = re.compile(r"^\s*[•·*–-]\s+")


class _Verdicts(WordFile):
    """words: what people write for each verdict."""

    words: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class SheetRow:
    """A row of a sheet. number: as the spreadsheet numbers it, the header being row 1. cells: text by column."""

    number: int
    cells: Mapping[str, str]

    @property
    def new(self) -> dict[str, str]:
        """The new texts that the reviewer wrote, by the column of the text."""
        return {name: self.cells[new] for name, new in zip(TEXTS, NEW, strict=True) if self.cells[new]}

    @property
    def verdict(self) -> str | None:
        """The verdict; None if the word is not known."""
        return _meanings().get(self.cells["verdict"].strip(" .!。！").casefold())


@lru_cache(maxsize=1)
def _meanings() -> dict[str, str]:
    words = read_words(_Verdicts, "shopbatch.capabilities.copywriting", "verdicts.yaml").words
    return {word: verdict for verdict, listed in words.items() for word in listed}


def sheet_cells(copy: Copy) -> dict[str, str]:
    """Return the cells of a text: one bullet per line."""
    values = (copy.headline, copy.description, "\n".join(copy.bullets), copy.meta or "")
    return dict(zip(TEXTS, values, strict=True))


def columns_of(cells: Mapping[str, str]) -> dict[str, Any]:
    """Return the text of such cells as columns of product_descriptions; bullets without their marks."""
    lines = [_BULLET.sub("", line).strip() for line in cells["bullets"].splitlines()]
    return {**cells, "bullets": [line for line in lines if line], "meta_description": cells["meta_description"] or None}


def write_sheet(out: IO[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write rows with COLUMNS as CSV for a spreadsheet; a column that a row does not have is left empty."""
    out.write(_BOM)
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    writer.writerows([protect(row.get(name, "")) for name in COLUMNS] for row in rows)


def read_sheet(path: str | Path) -> tuple[list[SheetRow], list[tuple[int, str]]]:
    """Read a sheet that a spreadsheet has saved: CSV of any delimiter and encoding, or a workbook.

    Returns:
        The rows, and (number, what is wrong) of those that cannot be read.

    Raises:
        UserError: The file cannot be read, or lacks a column.
    """
    opened = open_input(path)
    if missing := [name for name in READ if name not in opened.names]:
        raise UserError(f"{path}: no column {missing[0]!r}; load a file that `--output` wrote, with all its columns")
    rows: list[SheetRow] = []
    broken: list[tuple[int, str]] = []
    for batch in opened.batches(READ):
        columns = [_texts(batch.get(name)) for name in READ]
        # a workbook says where its rows are; lines of a text file are none of the rows that a spreadsheet shows
        numbers = batch.lines if opened.kind == "sheet" and batch.lines is not None else batch.rows + 1
        for number, *cells in zip(numbers.tolist(), *columns, strict=True):
            if any(_UNREADABLE in cell for cell in cells):
                broken.append((number, "some of its letters cannot be read; save the file as CSV UTF-8"))
            else:
                rows.append(SheetRow(number, dict(zip(READ, cells, strict=True))))
        broken += [(number + 1, f"it cannot be split into cells ({reason})") for number, _, reason in batch.broken]
    return rows, broken


def _texts(values: Any) -> list[str]:
    """The cells of a column as text, without what `protect` put before them."""
    cells: Sequence[Any] = values if isinstance(values, list) else values.to_pylist()
    texts = [c.decode("utf-8", "replace") if isinstance(c, bytes) else "" if c is None else str(c) for c in cells]
    return [restore(text).strip() for text in texts]
