"""`shopbatch label`: sentences go to a person as a sheet, and come back as aspect_labels."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

from shopbatch.cli.main import main as cli
from shopbatch.warehouse.store import Store
from tests.inference import toy

TEXTS = (
    "The dress runs small in the waist",
    '=HYPERLINK("http://x") says the fabric of this dress',
    "-the sleeves are short and the fabric is thin",
    "I wear it with jeans and a top",
    "This coat is warm and the fabric soft",
    "This coat is warm and the fabric is soft",
    "My daughter came along to the shop to wear one",
)


@pytest.fixture
def shop(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    toy.put(store, toy.reviews([{"review_id": f"r{i}", "text": text, "rating": 5} for i, text in enumerate(TEXTS)]))
    return store


def sheet(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_a_sheet_goes_out_and_comes_back(shop: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "label.csv"
    assert cli(["label", "--output", str(file), "-n", "5"]) == 0
    assert "5 sentences" in capsys.readouterr().out
    rows = sheet(file)
    assert len({row["text"] for row in rows}) == 5 and {row["taxonomy"] for row in rows} == {"clothing"}
    assert not any(cell.startswith(("=", "-", "+", "@")) for row in rows for cell in row.values())
    assert sum(row["text"].startswith("This coat is warm") for row in rows) <= 1  # nearly the same is asked once
    assert cli(["label", "--output", str(tmp_path / "again.csv"), "-n", "5"]) == 0
    assert sheet(tmp_path / "again.csv") == rows
    for row in rows:
        row |= {"aspect": "material", "polarity": "positive"}
    with file.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows([*rows, rows[0] | {"aspect": "look", "polarity": ""}])
    assert cli(["load", "aspect_labels", str(file)]) == 0
    loaded = pl.read_delta(shop.uri("aspect_labels"))
    assert loaded.height == 6 and loaded["taxonomy"].unique().to_list() == ["clothing"]
    assert cli(["label", "--output", str(file), "-n", "50"]) == 0
    left = {row["text"] for row in sheet(file)}
    assert left and not left & {row["text"] for row in rows}  # what is labelled is not asked again


def test_there_may_be_nothing_to_label(shop: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "label.csv"
    assert cli(["label", "--output", str(file), "--taxonomy", "hotels", "--taxonomy", "books"]) == 0
    assert "nothing to label" in capsys.readouterr().out and not file.exists()
    assert cli(["label", "--output", str(file), "--taxonomy", "cars"]) == 2
