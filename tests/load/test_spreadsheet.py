"""Workbooks: typed values, the header wherever it begins, the sheet that is taken, and what cannot be read."""

import datetime as dt
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from shopbatch.core.errors import UserError
from shopbatch.load.spreadsheet import Sheet, open_sheet, split_name

FORMATS = {
    "day": {"num_format": "yyyy-mm-dd"},
    "moment": {"num_format": "dd/mm/yyyy hh:mm:ss"},
    "clock": {"num_format": "hh:mm"},
    "hours": {"num_format": "[h]:mm"},
    "percent": {"num_format": "0%"},
    "money": {"num_format": "#,##0.00 €"},
}


@pytest.fixture
def workbook(tmp_path: Path) -> Callable[..., Path]:
    """Makes a workbook: by sheet, cells (row, column) -> value or (value, name of its format)."""

    def make(hidden: tuple[str, ...] = (), **sheets: dict[tuple[int, int], Any]) -> Path:
        path = tmp_path / "shop.xlsx"
        with xlsxwriter.Workbook(path) as book:
            formats = {name: book.add_format(form) for name, form in FORMATS.items()}
            for name, cells in sheets.items():
                sheet = book.add_worksheet(name)
                if name in hidden:
                    sheet.hide()
                for (row, column), cell in cells.items():
                    value, form = cell if isinstance(cell, tuple) else (cell, None)
                    if isinstance(value, str) and value.startswith("="):
                        sheet.write_formula(row, column, value, None, "#N/A" if value == "=NA()" else 7)
                    elif value is None:
                        sheet.write_blank(row, column, None, formats["day"])
                    elif isinstance(value, str):
                        sheet.write_string(row, column, value)
                    else:
                        sheet.write(row, column, value, formats.get(form))
        return path

    return make


def table(*rows: tuple[Any, ...]) -> dict[tuple[int, int], Any]:
    return {(r, c): cell for r, row in enumerate(rows) for c, cell in enumerate(row) if cell != ""}


def columns_of(sheet: Sheet) -> dict[str, list[Any]]:
    whole: dict[str, list[Any]] = {name: [] for name in sheet.names}
    for block in sheet.read(sheet.names):
        for name, values in block.columns.items():
            assert len(values) == len(block.rows) == len(block.lines)
            whole[name] += values
    return whole


def test_cells_keep_their_types(workbook: Callable[..., Path]) -> None:
    moment = dt.datetime(2024, 5, 1, 10, 30, 15)
    path = workbook(
        Data=table(
            ("id", "when", "price", "count", "ok", "other"),
            ("007", (dt.datetime(2024, 5, 1), "day"), (19.9, "money"), 5, True, (dt.time(10, 30), "clock")),
            (1234567890123, (moment, "moment"), (0.15, "percent"), -3.0, False, (dt.timedelta(hours=26.5), "hours")),
            ("x\ny", "2024-05-01", "1.234,50", "=1+6", "yes", "=NA()"),
            (" ä你 ", "", 1e300, "", "", "#N/A"),
        )
    )
    columns = columns_of(open_sheet(path))
    assert columns == {
        "id": ["007", 1234567890123, "x\ny", " ä你 "],
        "when": [dt.date(2024, 5, 1), moment, "2024-05-01", None],
        "price": [19.9, 0.15, "1.234,50", 1e300],
        "count": [5, -3, 7, None],
        "ok": [True, False, "yes", None],
        "other": ["10:30:00", "26:30:00", None, "#N/A"],
    }
    assert [type(v) for v in columns["count"]] == [int, int, int, type(None)]
    assert [type(v) for v in columns["when"][:2]] == [dt.date, dt.datetime]


def test_the_header_is_the_first_row_with_cells_and_empty_rows_and_columns_do_not_count(
    workbook: Callable[..., Path],
) -> None:
    cells = {
        **{(2, 1): "id", (2, 2): " Review\n text ", (2, 4): "id", (2, 7): "", (2, 6): 2024},
        **{(3, 1): 1, (3, 2): "a", (3, 4): 9},
        **{(6, 1): 2, (6, 2): "b", (6, 5): "kept", (7, 1): "  ", (40, 9): None},
    }
    sheet = open_sheet(workbook(Data={place: value for place, value in cells.items() if value != ""}))
    assert sheet.names == ("id", "Review text", "id", "", "2024")
    (block,) = sheet.read(["id", "Review text", "", "absent"])
    assert (block.rows.tolist(), block.lines.tolist()) == ([1, 2], [4, 7])
    assert block.columns == {"id": [1, 2], "Review text": ["a", "b"], "": [None, "kept"]}


@pytest.mark.slow
def test_many_rows_come_in_blocks(workbook: Callable[..., Path]) -> None:
    sheet = open_sheet(workbook(Data=table(("id",), *((n,) for n in range(20_000)))))
    blocks = list(sheet.read(["id"]))
    assert len(blocks) == 2
    assert [n for block in blocks for n in block.columns["id"]] == list(range(20_000))
    assert [n for block in blocks for n in block.rows.tolist()] == list(range(1, 20_001))
    assert int(blocks[-1].lines[-1]) == 20_001


def test_the_first_visible_sheet_with_rows_is_taken_unless_one_is_named(workbook: Callable[..., Path]) -> None:
    path = workbook(("Secret",), Cover={}, Secret=table(("x",), (1,)), Orders=table(("id",), (1,)), Returns=table("r"))
    sheet = open_sheet(path)
    assert (sheet.name, sheet.names) == ("Orders", ("id",))
    assert sheet.note == "read sheet 'Orders' of 2 with rows; the others: 'Returns'"
    assert open_sheet(path, "Secret").names == ("x",)
    assert open_sheet(path, "Returns").note == ""
    with pytest.raises(UserError, match=r"no sheet 'Nowhere'; it has 'Cover', 'Orders', 'Returns'"):
        open_sheet(path, "Nowhere")
    with pytest.raises(UserError, match=r"sheet 'Cover' has no row"):
        open_sheet(path, "Cover")
    assert split_name("a#b/shop.xlsx#Orders #1") == ("a#b/shop.xlsx", "Orders #1")
    assert split_name("a#b/shop.xlsx") == ("a#b/shop.xlsx", None)
    assert split_name("shop.csv#x") == ("shop.csv#x", None)


def test_a_header_without_rows_is_an_input_without_rows(workbook: Callable[..., Path]) -> None:
    sheet = open_sheet(workbook(Data=table(("id", "text"))))
    assert sheet.names == ("id", "text")
    assert list(sheet.read(["id"])) == []


@pytest.mark.parametrize("content", [b"", b"id,text\n1,a\n", b"PK\x03\x04 cut", None])
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "shop.xlsx"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("orders.csv", "id\n1\n")
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"shop\.xlsx: not a readable workbook: [^\n]+$"):
        open_sheet(path)


def test_a_workbook_without_anything_is_refused(workbook: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=r"no visible sheet has a row"):
        open_sheet(workbook(("Secret",), Empty={}, Secret=table(("x",))))
