"""Writes and reads the review sheet: a CSV or workbook in which people review published copy."""

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
_BOM = "\ufeff"  # byte order mark; without it, Excel reads UTF-8 as Western Windows text
_UNREADABLE = "\ufffd"
_BULLET = re.compile(r"^\s*[•·*–-]\s+")


class _Verdicts(WordFile):
    """The content of verdicts.yaml.

    Attributes:
        words: For each verdict (accept, edit, refuse) the words that reviewers may write for it.
    """

    words: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class SheetRow:
    """A row of a review sheet.

    Attributes:
        number: Row number in the spreadsheet; the header is row 1.
        cells: Text of each column in READ; "" for empty cells.
    """

    number: int
    cells: Mapping[str, str]

    @property
    def new(self) -> dict[str, str]:
        """Return the parts of the copy that the reviewer rewrote, {"headline": new text, ...}; {} if there are none."""
        return {name: self.cells[new] for name, new in zip(TEXTS, NEW, strict=True) if self.cells[new]}

    @property
    def verdict(self) -> str | None:
        """Return the verdict: accept, edit or refuse; None if the cell's word is not known ("ok" means accept)."""
        return _meanings().get(self.cells["verdict"].strip(" .!。！").casefold())


@lru_cache(maxsize=1)
def _meanings() -> dict[str, str]:
    """Load verdicts.yaml as a dict from each word that reviewers may write to its verdict (ok -> accept); cached."""
    words = read_words(_Verdicts, "shopbatch.capabilities.copywriting", "verdicts.yaml").words
    return {word: verdict for verdict, listed in words.items() for word in listed}


def sheet_cells(copy: Copy) -> dict[str, str]:
    """Convert one product's copy into the cells of a review sheet, {"headline": text, ...} (columns TEXTS).

    The bullets become one cell with a line each.
    """
    values = (copy.headline, copy.description, "\n".join(copy.bullets), copy.meta or "")
    return dict(zip(TEXTS, values, strict=True))


def columns_of(cells: Mapping[str, str]) -> dict[str, Any]:
    """Convert one product's copy from the cells of a review sheet into values of a row of `product_descriptions`.

    The bullets become a list without bullet characters; an empty meta description becomes None.

    Args:
        cells: Text of each column in TEXTS.
    """
    lines = [_BULLET.sub("", line).strip() for line in cells["bullets"].splitlines()]
    return {**cells, "bullets": [line for line in lines if line], "meta_description": cells["meta_description"] or None}


def write_sheet(out: IO[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write rows as CSV that spreadsheet programs open correctly.

    Args:
        out: The open file.
        rows: For each row the text by column of COLUMNS; columns that are missing in a row are left empty.
    """
    out.write(_BOM)
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    writer.writerows([protect(row.get(name, "")) for name in COLUMNS] for row in rows)


def read_sheet(path: str | Path) -> tuple[list[SheetRow], list[tuple[int, str]]]:
    """Read a review sheet that a spreadsheet program has saved: CSV of any delimiter and encoding, or a workbook.

    Args:
        path: The file.

    Returns:
        The rows that can be read; and (row number, description of the problem) of the rows that cannot.

    Raises:
        UserError: The file cannot be read, or a column is missing.
    """
    opened = open_input(path)
    if missing := [name for name in READ if name not in opened.names]:
        raise UserError(f"{path}: no column {missing[0]!r}; load a file that `--output` wrote, with all its columns")
    rows: list[SheetRow] = []
    broken: list[tuple[int, str]] = []
    for batch in opened.batches(READ):
        columns = [_texts(batch.get(name)) for name in READ]
        # a workbook gives row numbers; in a text file a row may take several lines, so its rows are counted
        numbers = batch.lines if opened.kind == "sheet" and batch.lines is not None else batch.rows + 1
        for number, *cells in zip(numbers.tolist(), *columns, strict=True):
            if any(_UNREADABLE in cell for cell in cells):
                broken.append((number, "some of its letters cannot be read; save the file as CSV UTF-8"))
            else:
                rows.append(SheetRow(number, dict(zip(READ, cells, strict=True))))
        broken += [(number + 1, f"it cannot be split into cells ({reason})") for number, _, reason in batch.broken]
    return rows, broken


def _texts(values: Any) -> list[str]:
    """Return the cells of a column as text, without the protection against formulas that `write_sheet` adds."""
    cells: Sequence[Any] = values if isinstance(values, list) else values.to_pylist()
    texts = [c.decode("utf-8", "replace") if isinstance(c, bytes) else "" if c is None else str(c) for c in cells]
    return [restore(text).strip() for text in texts]
