"""`shopbatch show`: what fits a terminal, what a file gets, and the rejects of a refused run."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.cells import cell_len

from shopbatch.cli import main as cli
from shopbatch.cli.printing import cell, fit
from shopbatch.core.errors import GateRefused
from shopbatch.inference.run import run_inference
from shopbatch.runs import job
from shopbatch.runs.report import Report
from shopbatch.tables import SOURCES, TABLES, Table
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT
from shopbatch.tables.schema import TEXT_MAP
from shopbatch.warehouse.store import Store
from tests.inference import toy

Capture = pytest.CaptureFixture[str]
LONG = "The zip broke on day two, and [bold]nobody[/] answered. " * 3
CHINESE = "拉链坏了，非常失望。" * 12
TEXTS = {"r0": LONG, "r1": CHINESE, "r2": "=1+1", "r3": "two\nlines\x1b[31m"}


@pytest.fixture
def scored(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Reviews, and their sentiment as score_reviews publishes it; the review r9 is gone since."""
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    monkeypatch.setenv("COLUMNS", "80")
    toy.put(store, [{"review_id": key, "text": text, "rating": 1} for key, text in TEXTS.items()])
    data = REVIEW_SENTIMENT.fill(
        5,
        review_id=pa.array([*TEXTS, "r9"]),
        language=pa.array(["en", "zh", "en", "en", None]),
        label=pa.array(["negative", "negative", "positive", "neutral", "negative"]),
        p_negative=pa.array([0.9, 0.45, 0.2, 0.1, 0.123456], pa.float32()),
        p_neutral=pa.array([0.05, 0.3, 0.19, 0.7, 0.1], pa.float32()),
        p_positive=pa.array([0.05, 0.25, 0.61, 0.2, 0.1], pa.float32()),
        content_hash=pa.array(["0" * 32] * 5),
        recipe=pa.array(["1" * 16] * 5),
        scored_at=pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 5, pa.timestamp("us", "UTC")),
        run_id=pa.array(["20260101T000000Z-aaaaaa"] * 5),
    )
    store.commit(REVIEW_SENTIMENT, [store.write_file(REVIEW_SENTIMENT, data, "run", 0)], "append", "run")
    return store


def test_bytes_are_shown_by_their_number_and_the_first_of_them() -> None:
    assert cell(bytes(range(250, 256)) * 64) == "384 bytes: fa fb fc fd fe ff fa fb …"
    assert cell([b"ab"]) == "2 bytes: 61 62"


def show(capsys: Capture, *words: str, code: int = 0) -> list[str]:
    """The lines that `shopbatch show review_sentiment ...` prints; those of the error if the code is not 0."""
    assert cli.main(["show", "review_sentiment", *words]) == code
    captured = capsys.readouterr()
    return (captured.err if code else captured.out).splitlines()


def test_eighty_columns_show_key_label_probability_and_text(scored: Store, capsys: Capture) -> None:
    lines = show(capsys)
    assert lines[0].split() == ["review_id", "label", "probability", "language", "text"]
    assert lines[1].split()[:4] == ["r0", "negative", "0.900", "en"] and lines[1].rstrip().endswith("…")
    assert lines[2].split()[:4] == ["r1", "negative", "0.450", "zh"] and "拉链坏了" in lines[2]
    assert lines[4].rstrip().endswith("two lines\\x1b[31m"), "no control character reaches the terminal"
    assert lines[5].split() == ["r9", "negative", "0.123"], "a review that is gone is blank"
    assert lines[6] == "+ 9 columns: product_id, answered_by, p_negative, … (--all, --vertical)"
    assert max(map(cell_len, lines)) <= 80


@pytest.mark.parametrize("width", ["20", "34", "60", "120", "240"])
def test_no_line_is_wider_than_the_terminal(
    scored: Store, capsys: Capture, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    for words in ((), ("--all",), ("--columns", "review_id,recipe,text")):
        lines = show(capsys, *words)
        assert lines[0].startswith("review_id")
        assert max(map(cell_len, lines)) <= int(width)


def test_columns_all_and_vertical(scored: Store, capsys: Capture) -> None:
    assert show(capsys, "--columns", "text,p_positive", "-n", "1")[0].split() == ["text", "p_positive"]
    for flag in ("--all", "--vertical"):
        lines = show(capsys, flag, "-n", "1")
        assert {"review_id", "content_hash", "run_id", "text"} <= {line.split()[0] for line in lines}
        assert any(line.split() == ["probability", "0.8999999761581421"] for line in lines), "in full"
        assert " ".join(" ".join(lines).split()).count(" ".join(LONG.split())) == 1
    assert show(capsys, "--columns", "labl", code=2) == [
        "shopbatch: --columns: no column 'labl'; did you mean 'label'?"
    ]


def test_the_probability_is_that_of_the_label_and_can_be_asked_for(scored: Store, capsys: Capture) -> None:
    lines = show(capsys, "--sort", "-probability", "--where", "probability>0.5", "--json", "--columns", "review_id")
    assert [json.loads(line)["review_id"] for line in lines] == ["r0", "r3", "r2"]
    assert "'text' is one of table 'reviews'" in show(capsys, "--where", "text~zip", code=2)[0]
    assert "did you mean 'label'" in show(capsys, "--sort", "-labl", code=2)[0]


def test_files_have_all_columns_in_full(scored: Store, capsys: Capture, tmp_path: Path) -> None:
    snapshot = scored.snapshot("review_sentiment").read()
    [line] = show(capsys, "--format", "json", "-n", "1")
    assert json.loads(line) == json.loads(json.dumps(snapshot.to_pylist()[0], default=str))
    target = tmp_path / "out.parquet"
    assert show(capsys, "--format", "parquet", "--output", str(target)) == [f"wrote 5 rows to {target}"]
    assert pq.read_table(target).to_pylist() == snapshot.to_pylist()
    assert list(tmp_path.glob(".out*")) == []
    assert "add --output FILE" in show(capsys, "--format", "parquet", code=2)[0]
    assert "add --format" in show(capsys, "--output", str(target), code=2)[0]
    assert "cannot be written" in show(capsys, "--json", "--output", str(tmp_path / "no" / "file"), code=2)[0]


def test_csv_holds_no_formula(scored: Store, capsys: Capture) -> None:
    texts = ["=1+1", "+1", "-1", "@x", "a=1", 'q"uote,\n', None]
    toy.put(scored, [{"review_id": f"r{i}", "text": t, "rating": 1} for i, t in enumerate(texts)])
    assert cli.main(["show", "reviews", "--format", "csv", "--columns", "text,rating"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows == [["text", "rating"], *([v, "1"] for v in ("'=1+1", "'+1", "'-1", "'@x", "a=1", 'q"uote,\n', ""))]


def test_a_number_below_zero_is_no_formula() -> None:
    from shopbatch.cli.export import _cell

    assert (_cell(-1.5), _cell("-1.5"), _cell([1, "=x"])) == (-1.5, "'-1.5", '[1, "=x"]')


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (0.45245417952537537, "0.452"),
        (1.0, "1.00"),
        (123.456, "123"),
        (30000.7, "30001"),
        (0.0000123456, "1.23e-05"),
        (float("nan"), "nan"),
        (True, "true"),
        (None, ""),
        ([1.23456, None], "1.23, "),
        ([("size", "L")], "size: L"),
        (datetime(2026, 1, 1, 12, 30, 5, 999, tzinfo=UTC), "2026-01-01 12:30:05"),
    ],
)
def test_cells(value: Any, says: str) -> None:
    assert cell(value) == says


def test_columns_that_do_not_fit_go_before_the_text_is_squeezed() -> None:
    lengths = {"key": 36, "label": 8, "probability": 11, "text": 400, "language": 8, "name": 60}
    widths = fit(lengths, ["key", "probability"], "text", 80)
    assert list(widths) == ["key", "label", "probability", "text"] and widths["text"] == 80 - 36 - 8 - 11 - 6
    assert fit(lengths, ["key"], "text", 20) == {"key": 20}


def test_tables_say_what_they_are_or_what_fills_them(scored: Store, capsys: Capture) -> None:
    assert cli.main(["tables"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and lines[0].split() == ["table", "rows", "version", "meaning"]
    there, missing = lines[: lines.index("not there yet:")], lines[lines.index("not there yet:") :]
    assert [line.split()[0] for line in there[1:]] == ["reviews", "review_sentiment"]
    assert any(line.split() == ["user_profiles", "`shopbatch", "run", "build_user_profiles`"] for line in missing)


@pytest.mark.parametrize("table", [t for name, t in TABLES.items() if name not in SOURCES], ids=lambda t: str(t.name))
def test_a_table_that_is_no_source_names_the_job_or_the_command_that_writes_it(table: Table) -> None:
    assert table.job in job.names() or table.command.partition(" ")[0] in cli.COMMANDS


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: str(t.name))
def test_a_view_names_columns_that_are_there(table: Table) -> None:
    view, own = table.view, set(table.names)
    assert {view.label} <= own | {""} and set(view.first) <= own | ({"probability"} if view.label else set()) | (
        {view.about.column} if view.about else set()
    )
    if view.about is not None:
        source = TABLES[view.about.table]
        assert view.about.column in source.names and len(source.key) == 1 and source.key[0] in own


@pytest.mark.usefixtures("ray_local")
def test_the_rejects_of_a_refused_run_can_be_read(scored: Store, capsys: Capture) -> None:
    toy.put(scored, [{"review_id": "fine", "text": "fine"}, {"review_id": "long", "text": "x" * 100_001}])
    report = Report(job="score_reviews")
    with pytest.raises(GateRefused, match=f"--candidate {report.run_id}"):
        toy.attempt(
            scored,
            toy.spec(),
            report,
            run_inference,
            gates={"reject_share": 0.1, "min_rejects": 0, "accept_recipe": "any"},
        )
    assert not scored.exists(toy.REJECTS) and not toy.orphans(scored, toy.REJECTS)
    show_rejects = ["show", "review_sentiment_rejects", "--candidate"]
    assert cli.main([*show_rejects, report.run_id, "--json"]) == 0
    [row] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (row["review_id"], row["reason"], row["run_id"]) == ("long", "too_long", report.run_id)
    assert cli.main([*show_rejects, report.run_id]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["review_id", "reason"] and "xxxxx" in lines[1]
    for words, says in (
        ([*show_rejects, "nothing"], f"--candidate nothing: no such run; the newest are: {report.run_id}"),
        (
            ["show", "review_sentiment", "--candidate", report.run_id],
            "kept no candidate of 'review_sentiment'; it kept",
        ),
    ):
        assert cli.main(words) == 2
        err = capsys.readouterr().err
        assert says in err and len(err.splitlines()) == 1


def test_policies_show_their_text_and_maps_are_objects(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    monkeypatch.setenv("COLUMNS", "80")
    folder = tmp_path / "policies"
    folder.mkdir()
    front = "id: returns\nlanguage: en\nintents: [return_window]"
    (folder / "returns.md").write_text(f"---\n{front}\n---\n\nYou have 30 days.\n", "utf-8")
    assert cli.main(["load", "policies", str(folder)]) == 0
    capsys.readouterr()
    assert cli.main(["show", "policies"]) == 0
    out = capsys.readouterr().out
    assert "You have 30 days." in out and "end" not in out.splitlines()[0].split()
    data = PRODUCTS.fill(1, product_id=pa.array(["p"]), attributes=pa.array([[("Colour", "red")]], TEXT_MAP))
    store.commit(PRODUCTS, [store.write_file(PRODUCTS, data, "load", 0)], "append", "load")
    assert cli.main(["show", "products", "--format", "json", "--columns", "product_id,attributes"]) == 0
    assert json.loads(capsys.readouterr().out) == {"product_id": "p", "attributes": {"Colour": "red"}}


def test_binary_values_are_hexadecimal(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    table = TABLES["product_embeddings"]
    cells: dict[str, Any] = {"vector": b"\x00\xfe", "scale": 1.0, "attempt": 0, "scored_at": datetime.now(UTC)}
    needed = {c.name: pa.array([cells.get(c.name, "p")], c.type) for c in table.columns if not c.nullable}
    data = table.fill(1, **needed)
    store.commit(table, [store.write_file(table, data, "run", 0)], "append", "run")
    words = ["show", "product_embeddings", "--columns", "product_id,vector", "--format"]
    assert cli.main([*words, "json"]) == 0 and cli.main([*words, "csv"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        '{"product_id": "p", "vector": "00fe"}',
        "product_id,vector",
        "p,00fe",
    ]
