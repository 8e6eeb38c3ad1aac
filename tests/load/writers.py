"""Rows of text, and how spreadsheets, pandas, Spark and MySQL write them: what the tests of the loader read back."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

Row = list[str | None]
NAMES = ("review_id", "product_id", "title", "text", "rating")
_PARTS = (
    "good", "bad", " ", " ", "5", ",", ";", "\t", "|", '"', '""', "'", "\\", "\\\\", "\n", "\r\n", "\r", "\n\n", "é",
    "好", "😀", "N", "\\N", "\\n", "<b>", "&amp;", ".", "4,5", "#", "\u00a0", "\0", '","', '"\n"', "\\\"", "sep=",
)  # fmt: skip

_TRIMMED = "".join(map(chr, range(33)))  # blanks, as Java knows them


def make_rows(seed: int, avoid: str = "", least: int = 1) -> list[Row]:
    """Make some rows of a file of reviews: an id, and texts of everything that has a meaning in some format.

    Args:
        seed: The same seed gives the same rows.
        avoid: Characters that the format cannot hold.
        least: Number of rows at least.
    """
    rng = random.Random(seed)
    parts = [part for part in _PARTS if not any(c in avoid for c in part)]

    def text() -> str | None:
        return None if rng.random() < 0.15 else "".join(rng.choices(parts, k=rng.choice((1, 2, 3, 6, 12))))

    rows: list[Row] = []
    for number in range(rng.randint(least, 25)):
        rating = rng.choice((None, "1", "3", "5"))
        rows.append([str(number), rng.choice((None, "p1", "p 2")), text(), text(), rating])
    return rows


@dataclass(frozen=True)
class Format:
    """How a program writes rows. write: (rows, with a header?) -> the file. avoid: characters it cannot hold.

    tell: a text that tells this format from others; without it a file could be of several formats. empty_is_null:
    whether an empty text is written like a null. trims: whether blanks around a text are not written.
    """

    write: Callable[[Sequence[Row]], bytes]
    avoid: str = ""
    tell: str = ""
    empty_is_null: bool = True
    trims: bool = False
    header: bool = True


def _with_header(rows: Sequence[Row]) -> list[Row]:
    return [[*NAMES], *rows]


def spreadsheet(rows: Sequence[Row], delimiter: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerows([NAMES, *rows])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def semicolons(rows: Sequence[Row]) -> bytes:
    return spreadsheet(rows, ";")


def pandas(rows: Sequence[Row]) -> bytes:
    return pd.DataFrame(rows, columns=list(NAMES), dtype=object).to_csv(index=False).encode()


def spark(rows: Sequence[Row]) -> bytes:
    r"""As Spark's CSV writer does: `\"` for a quote, `\\` for a backslash in a quoted cell, `""` for an empty text."""

    def cell(text: str | None, first: bool) -> str:
        if text is None:
            return ""
        text = text.lstrip(_TRIMMED)
        trimmed = text.rstrip(_TRIMMED)
        if not trimmed:
            return '""'
        quoted = any(c in text for c in ',"\n\r') or (first and text.startswith("#"))
        return '"' + trimmed.replace("\\", "\\\\").replace('"', '\\"') + '"' if quoted else trimmed

    lines = [",".join(cell(text, i == 0) for i, text in enumerate(row)) for row in _with_header(rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def mysql(rows: Sequence[Row]) -> bytes:
    r"""As `SELECT ... INTO OUTFILE` does: tabs, no quotes, `\N` for null, no header."""

    def cell(text: str | None) -> str:
        if text is None:
            return "\\N"
        for character, written in (("\\", "\\\\"), ("\t", "\\\t"), ("\n", "\\\n"), ("\0", "\\0")):
            text = text.replace(character, written)
        return text

    return "".join("\t".join(map(cell, row)) + "\n" for row in rows).encode()


def tabs(rows: Sequence[Row]) -> bytes:
    return "".join("\t".join(text or "" for text in row) + "\n" for row in _with_header(rows)).encode()


FORMATS = {
    "spreadsheet": Format(spreadsheet),
    "semicolons": Format(semicolons),
    "pandas": Format(pandas),
    "spark": Format(spark, tell='say "hi"', empty_is_null=False, trims=True),
    "mysql": Format(mysql, tell="a null in the next row", empty_is_null=False, header=False),
    "tabs": Format(tabs, avoid="\t\n\r", tell='"a lone quote'),
}


def expected(row: Row, form: Format) -> Row:
    """What comes back of a row."""
    texts = [text.strip(_TRIMMED) if text is not None and form.trims else text for text in row]
    return [None if text == "" and form.empty_is_null else text for text in texts]
