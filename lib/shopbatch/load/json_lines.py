"""Reads JSON lines (one object per line) in blocks; a line that holds no object is reported with its reason."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.errors import UserError
from shopbatch.load.encodings import open_bytes

BATCH_ROWS = 16_384
_BATCH_BYTES = 16_000_000
_LONG_NUMBER = r"[0-9]{19}"


@dataclass(frozen=True)
class Block:
    """Some consecutive lines of a file of JSON lines.

    Attributes:
        rows: Row numbers of the lines that hold an object, from 1; blank lines are not counted.
        lines: Their line numbers in the file, from 1.
        objects: Their parsed objects.
        broken: (row number, line, reason) of the lines that hold no object.
    """

    rows: list[int]
    lines: list[int]
    objects: list[dict[str, Any]]
    broken: list[tuple[int, int | None, str]]


def read(file: Path) -> Iterator[Block]:
    """Read a file of JSON lines in blocks of at most `BATCH_ROWS` lines.

    Args:
        file: The file; it may be compressed.

    Raises:
        UserError: The file is one JSON array instead of lines.
    """
    number = 0
    for numbers, lines in _lines(file):
        block = Block([], [], [], [])
        for line, parsed in zip(numbers, _parse(lines), strict=True):
            number += 1
            if isinstance(parsed, dict):
                block.objects.append(parsed)
                block.rows.append(number)
                block.lines.append(line)
            else:
                block.broken.append((number, line, parsed))
        yield block


def _lines(file: Path) -> Iterator[tuple[list[int], list[bytes]]]:
    """Yield the lines that are not blank with their numbers from 1, at most `BATCH_ROWS` at a time."""
    with io.BufferedReader(open_bytes(file)) as stream:
        start = stream.peek(4)[:4]
        if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"[":
            raise UserError(f"{file}: one JSON array; expected one object per line (jq -c '.[]' turns it into lines)")
        if start[:3] == b"\xef\xbb\xbf":
            stream.read(3)
        numbers: list[int] = []
        batch: list[bytes] = []
        size = 0
        for number, line in enumerate(stream, 1):
            if line.isspace():
                continue
            numbers.append(number)
            batch.append(line)
            size += len(line)
            if len(batch) == BATCH_ROWS or size > _BATCH_BYTES:
                yield numbers, batch
                numbers, batch, size = [], [], 0
        if batch:
            yield numbers, batch


def _parse(lines: Sequence[bytes]) -> list[dict[str, Any] | str]:
    """Return the object of each line, or the reason (such as `invalid_json`) why it holds none.

    orjson is five times as fast as Python's own parser, but it reads long numbers as floats and refuses NaN. Lines with
    either are parsed by Python's parser.
    """
    exact = pc.match_substring_regex(pa.array(lines, pa.binary()), _LONG_NUMBER).to_pylist()
    return [_parse_exactly(line) if slow else _parse_line(line) for line, slow in zip(lines, exact, strict=True)]


def _parse_line(line: bytes) -> dict[str, Any] | str:
    """Return the object of a line, or the reason why it holds none.

    orjson parses the line; if it refuses it, Python's parser does.
    """
    try:
        return _object(orjson.loads(line))
    except orjson.JSONDecodeError:
        return _parse_exactly(line)


def _parse_exactly(line: bytes) -> dict[str, Any] | str:
    """Return the object of a line, or the reason why it holds none, by Python's parser; long numbers stay exact."""
    try:
        return _object(json.loads(line.decode("utf-8")))
    except UnicodeDecodeError:
        return "invalid_utf8"
    except (ValueError, RecursionError):  # also a number with more digits than Python accepts
        return "invalid_json"


def _object(parsed: Any) -> dict[str, Any] | str:
    """Return a parsed value if it is an object, else the reason `not_an_object`."""
    return parsed if isinstance(parsed, dict) else "not_an_object"
