"""Whatever the usual programs write is read back as it was, row by row; nothing is lost and nothing is made up."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shopbatch.load import delimited, encodings
from shopbatch.load.batches import Converter
from shopbatch.load.dialect import Dialect, find_dialect
from shopbatch.load.formats import open_input
from shopbatch.load.inspection import inspect
from shopbatch.load.options import Options
from shopbatch.load.rows import Quoting
from shopbatch.tables import table
from tests.load.writers import FORMATS, NAMES, Format, Row, expected, make_rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

SEEDS = range(200)


def cells(path: Path, names: tuple[str, ...] = ()) -> tuple[list[Row], list[tuple[int, int, str]]]:
    """The cells of a file row by row, and the rows that are listed."""
    dialect = find_dialect(path, None, names)
    assert dialect is not None
    read: list[Row] = []
    listed: list[tuple[int, int, str]] = []
    for block in delimited.read(dialect, NAMES):
        columns = [[c if c is None else c.decode() for c in block.columns[n].to_pylist()] for n in NAMES]
        read += [list(row) for row in zip(*columns, strict=True)]
        listed += block.broken
    return read, listed


def write(form: Format, seed: int) -> tuple[bytes, list[Row]]:
    rows = make_rows(seed, form.avoid)
    if form.tell:
        rows += [["tell", "p", form.tell, "x", "5"], ["null", None, "x", None, None]]
    return form.write(rows), [expected(row, form) for row in rows]


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_is_read(name: str, tmp_path: Path) -> None:
    form, path = FORMATS[name], tmp_path / "reviews.csv"
    for seed in SEEDS:
        data, rows = write(form, seed)
        path.write_bytes(data)
        assert cells(path, () if form.header else NAMES) == (rows, []), f"seed {seed}: {data!r}"


def test_spark_writes_as_is_imitated(spark: SparkSession, tmp_path: Path) -> None:
    rows = [row for seed in range(40) for row in make_rows(seed)] + [["#1", "", "#", " x ", "\\"]]
    frame = spark.createDataFrame([tuple(row) for row in rows], ", ".join(f"{name} string" for name in NAMES))
    frame.coalesce(1).write.option("header", True).csv(str(tmp_path / "out"))
    part = next((tmp_path / "out").glob("part-*.csv"))
    assert part.read_bytes() == FORMATS["spark"].write(rows)


@pytest.mark.parametrize("name", FORMATS)
def test_every_row_of_a_damaged_file_is_counted_once(name: str, tmp_path: Path) -> None:
    form, path = FORMATS[name], tmp_path / "reviews.csv"
    for seed in range(15):
        path.write_bytes(damage(write(form, seed)[0], seed))
        opened = open_input(path, "utf-8", () if form.header else NAMES)
        plan = inspect(table("reviews"), opened, Options())
        converter = Converter(plan, "reviews.csv")
        loaded, listed = 0, set()
        for batch in opened.batches(converter.wanted()):
            rows, misfits = converter.convert(batch)
            loaded += rows.num_rows
            listed |= {int(row) for found in misfits if not found.loaded for row in found.rows}
        assert converter.counts.read == loaded + converter.counts.rejected, seed
        assert len(listed) == converter.counts.rejected, seed


def test_numbers_dates_and_nulls_come_back_with_comma_decimals(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    for seed in range(40):
        rng = random.Random(seed)
        first = dt.datetime(2024, 1, 31, tzinfo=dt.UTC)
        rows: list[tuple[Decimal | None, dt.datetime | None]] = [
            (Decimal("1234.56"), first),
            *((None, None) for _ in range(seed % 3)),
        ]
        for _ in range(rng.randint(1, 20)):
            cents = Decimal(rng.randint(-(10 ** rng.randint(1, 9)), 10**9))
            rows.append((cents / 100, first + dt.timedelta(minutes=rng.randint(0, 10**7))))
        comma = seed % 2
        cells = []
        for amount, moment in rows:
            number = "" if amount is None else f"{amount:,.2f}" if rng.random() < 0.5 else f"{amount:.2f}"
            number = number.translate(str.maketrans(",.", ".,")) if comma else number
            cells.append(
                (number, "" if moment is None else moment.strftime("%d/%m/%Y %H:%M" if comma else "%m/%d/%y %H:%M"))
            )
        lines = [f'{i};"p";"{number}";{moment}' for i, (number, moment) in enumerate(cells)]
        path.write_text("\r\n".join(["basket_id;product_id;sales_value;transaction_at", *lines]))
        opened = open_input(path)
        converter = Converter(inspect(table("transactions"), opened, Options()), "sales.csv")
        read = [converter.convert(batch)[0] for batch in opened.batches(converter.wanted())]
        got = [(r["sales_value"], r["transaction_at"]) for part in read for r in part.to_pylist()]
        assert got == rows, (seed, lines)


def damage(data: bytes, seed: int) -> bytes:
    """The file with bytes deleted, quotes and other marks inserted, lines cut, or its end missing."""
    rng = random.Random(seed)
    header = data.find(b"\n") + 1
    body = bytearray(data[header:])
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(body) + 1)
        end = at + rng.randint(1, 9)
        kind = rng.randrange(5)
        if kind == 0:
            del body[at:end]
        elif kind == 1:
            body[at:at] = rng.choice(
                (b'"', b'""', b',"', b'"\n', b"\\", b"\n", b",", b"\t", b"\r", b"\xff", b"\xe5\xa5")
            )
        elif kind == 2:
            line = body.find(b"\n", at)
            del body[at : max(line, at)]
        elif kind == 3:
            del body[rng.randrange(len(body) // 2, len(body) + 1) :]
        else:
            body[at:at] = body[end : end + 40]
    return data[:header] + bytes(body)


def split_again(segment: bytes, dialect: Dialect) -> list[bytes]:
    """The cells of the lines of a row, found in the simplest way: one byte after the other."""
    delimiter = dialect.delimiter.encode()
    doubled = dialect.quoting in (Quoting.DOUBLED, Quoting.ESCAPED)
    escapes = dialect.quoting in (Quoting.ESCAPED, Quoting.BACKSLASH)
    letters = {b"0": b"\0", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"Z": b"\x1a"}
    found: list[bytes] = []
    cell, inside, start, i = b"", False, True, 0
    while i < len(segment):
        one, two = segment[i : i + 1], segment[i + 1 : i + 2]
        i += 1
        if doubled and one == b'"' and start:
            inside, start = True, False
            continue
        start = False
        if one == b"\\" and escapes and two and (inside or not doubled):
            meant = (
                letters.get(two, two) if not doubled else two if two in (b'"', b"\\", b"\n", delimiter) else one + two
            )
            cell, i = cell + meant, i + 1
        elif inside and one == b'"' and two == b'"':
            cell, i = cell + one, i + 1
        elif inside and one == b'"':
            inside = False
        elif one == delimiter and not inside:
            found, cell, start = [*found, cell], b"", True
        else:
            cell += one
    return [*found, cell]


@pytest.mark.parametrize("name", FORMATS)
def test_of_a_damaged_file_every_line_is_read_or_listed_and_no_cell_is_made_up(name: str, tmp_path: Path) -> None:
    form, path = FORMATS[name], tmp_path / "reviews.csv"
    for seed in SEEDS[:90]:
        data = damage(write(form, seed)[0], seed)
        path.write_bytes(data)
        dialect = find_dialect(path, "utf-8", () if form.header else NAMES)
        if dialect is None:
            assert not data.strip(), seed
            continue
        text = b"".join(encodings.read_utf8(path, dialect.encoding))
        lines = (text.replace(b"\r", b"\n") if dialect.mac else text).split(b"\n")
        rows: dict[int, tuple[int, list[bytes | None] | None]] = {}
        for block in delimited.read(dialect, dialect.names):
            cells = zip(*(block.columns[n].to_pylist() for n in dialect.names), strict=True)
            rows |= {int(n): (int(i), list(c)) for n, i, c in zip(block.rows, block.lines, cells, strict=True)}
            rows |= {number: (line, None) for number, line, _ in block.broken}
        assert sorted(rows) == list(range(1, len(rows) + 1)), seed
        starts = [rows[n][0] for n in sorted(rows)]
        assert starts == sorted(set(starts)), seed
        before = lines[dialect.skip : starts[0] - 1 if starts else None]
        assert not b"".join(before).strip(b"\r"), seed
        for number, end in zip(sorted(rows), [*(s - 1 for s in starts[1:]), len(lines)], strict=True):
            line, cells_read = rows[number]
            own = lines[line - 1 : end]
            while len(own) > 1 and own[-1] in (b"", b"\r"):
                own.pop()
            if cells_read is None:
                assert len(own) == 1, (seed, own)  # no row is swallowed by a broken one
                continue
            segment = b"\n".join(own)
            again = split_again(segment.removesuffix(b"\r"), dialect)
            shown = [b"" if c is None else c for c in cells_read]
            nulls = [b"" if c == b"N" and n is None else c for c, n in zip(again, cells_read, strict=False)]
            assert (nulls, again[len(shown) :]) == (shown, [b""] * (len(again) - len(shown))), (seed, segment)
