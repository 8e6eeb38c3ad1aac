"""Text of a shop steers no terminal and turns no line, wherever it is printed."""

from __future__ import annotations

import json
import sys
import unicodedata
from datetime import date
from pathlib import Path

import pytest

from shopbatch.cli import main as cli
from shopbatch.core.controls import escape_controls, one_printable_line, printable_json
from shopbatch.core.privacy import clean
from shopbatch.runs.templates import without_controls
from shopbatch.warehouse.store import Store
from tests.inference import toy

JOINERS = "\u200c\u200d"
HOSTILE = "safe\x1b]0;owned\x07\x9b31m\u202egpj.exe\u2066\x00\x7f\U000e0041 end"


def steers(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in JOINERS


@pytest.mark.slow
def test_every_character_that_steers_is_escaped_and_no_other() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        escaped = escape_controls(character)
        assert (escaped != character) == (steers(character) and character not in "\t\n"), hex(ord(character))
        assert escaped.isascii() or escaped == character
    assert escape_controls("\x1b\x9b\u202e\U000e0041") == r"\x1b\x9b\u202e\udb40\udc41"
    assert one_printable_line("a\r\n\tb 👩‍👩‍👧") == "a   b 👩‍👩‍👧"


def test_json_means_what_it_meant() -> None:
    text = printable_json({HOSTILE: HOSTILE})
    assert not any(map(steers, text)) and json.loads(text) == {HOSTILE: HOSTILE}
    assert printable_json({"hash": b"\x00\xff", "at": date(2026, 1, 2)}) == '{"hash": "00ff", "at": "2026-01-02"}'


def test_logs_and_pages_are_clean() -> None:
    assert not any(map(steers, clean(HOSTILE))) and not any(map(steers, without_controls(HOSTILE)))


@pytest.mark.parametrize(
    "words",
    [
        ["show", "reviews"],
        ["show", "reviews", "--vertical"],
        ["show", "reviews", "--json"],
        ["show", "reviews", "--where", f"text={HOSTILE}".replace("\0", "")],
        ["show", "reviews", "--where", f"{HOSTILE}=1"],
        ["show", HOSTILE],
        ["why", "reviews", HOSTILE],
        ["run", HOSTILE],
        ["config", "score_reviews", HOSTILE],
        ["config", "score_reviews", "--env", HOSTILE],
        ["models", "--trained-on", "reviews", HOSTILE],
        [HOSTILE],
    ],
    ids=range(12),
)
def test_no_command_prints_it_raw(
    store: Store, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    monkeypatch.setenv("COLUMNS", "200")
    toy.put(store, [{"review_id": HOSTILE, "title": HOSTILE, "text": HOSTILE}])
    cli.main(words)
    captured = capsys.readouterr()
    printed = captured.out + captured.err
    assert printed
    assert not any(map(steers, printed.replace("\n", "")))


def test_an_argument_that_is_no_text_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", "reviews", "--where", "text~\udcff"]) == 2
    assert capsys.readouterr().err.startswith(r"shopbatch: argument 'text~\udcff' is not valid UTF-8")


def test_a_terminal_gets_csv_escaped_and_a_pipe_as_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    toy.put(store, [{"review_id": "r", "text": HOSTILE}])
    cli.main(["show", "reviews", "--format", "csv"])
    assert HOSTILE in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    cli.main(["show", "reviews", "--format", "csv"])
    assert not any(map(steers, capsys.readouterr().out.replace("\n", "")))


def test_what_a_load_says_of_a_file_is_clean(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    column = HOSTILE.replace("\0", "")
    rows = "".join(f"r{i},text {i},{column}\n" for i in range(30))
    file = tmp_path / "a\x1b[31m\u202e.csv"
    file.write_text(f"review_id,text,{column}\n{rows}", "utf-8")
    assert cli.main(["load", "reviews", str(file)]) == 0
    assert cli.main(["load", "reviews", str(file), "--map", "rating=x"]) == 2
    assert cli.main(["load", "reviews", str(file), "--map", f"rating={column}", "--replace"]) == 2
    captured = capsys.readouterr()
    assert "safe" in captured.out and "safe" in captured.err
    assert not any(map(steers, (captured.out + captured.err).replace("\n", "")))
