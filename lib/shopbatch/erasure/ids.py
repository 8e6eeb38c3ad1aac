"""Reads the ids to erase from a file that the user of `shopbatch erase` names: plain lines or a CSV column."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from shopbatch.core.errors import UserError
from shopbatch.text.blanks import BLANKS


def read_ids(path: str, column: str) -> set[str]:
    """Read the ids of a file, without blank lines and repetitions.

    Args:
        path: A text file with one id per line, or a CSV file whose header names `column`.
        column: "user_id" or "review_id".

    Raises:
        UserError: The file cannot be read, holds no id, or has a header that does not name the column.
    """
    option = f"--{column.removesuffix('_id')}s {path}"
    try:
        lines = Path(os.path.expanduser(path)).read_text("utf-8-sig").splitlines()
    except OSError as error:
        wants = "; it takes a file with one id a line, not an id" if isinstance(error, FileNotFoundError) else ""
        raise UserError(f"{option}: cannot be read ({error.strerror or error}){wants}") from None
    except UnicodeDecodeError:
        raise UserError(f"{option}: it is not UTF-8 text; save it as UTF-8, one id a line") from None
    rows = [row for row in csv.reader(lines) if any(cell.strip(BLANKS) for cell in row)]
    header = [cell.strip(BLANKS) for cell in rows[0]] if rows else []
    if column in header:
        place = header.index(column)
        cells = [row[place] for row in rows[1:] if len(row) > place]
    elif any(len(row) > 1 for row in rows):
        raise UserError(f"{option}: its rows have several columns and its header no {column}; name that column")
    else:
        cells = [row[0] for row in rows]
    ids = {cell.strip(BLANKS) for cell in cells} - {""}
    if not ids:
        raise UserError(f"{option}: it holds no id; write one a line")
    if other := ids & {"user_id", "review_id"}:
        raise UserError(f"{option}: its header is {other.pop()}, expected {column}")
    return ids
