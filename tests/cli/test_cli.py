"""The commands that look around, as a user types them."""

from __future__ import annotations

import errno
import json
import re
import shlex
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from shopbatch.cli import main as cli
from shopbatch.cluster.commands import submit_parser
from shopbatch.runs import job
from shopbatch.warehouse.store import Store
from tests.inference import toy

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def filled(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    rows = [{"review_id": f"r{i}", "text": f"[bold]text[/] {i}", "rating": i % 5 + 1} for i in range(20)]
    toy.put(store, toy.reviews([*rows, {"review_id": "gone", "text": None}]))
    write_deltalake(store.uri("lists"), pa.table({"words": [["a", "b"]]}))
    return store


def test_version_help_and_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("--version", "--help"):
        with pytest.raises(SystemExit) as ended:
            cli.main([flag])
        assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "shopbatch 0." in out
    assert "Exit codes" in out
    assert cli.main(["jobs"]) == 0
    assert capsys.readouterr().out.split("\n")[0].startswith(job.names()[0])


def test_tables_and_show(filled: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tables"]) == 0
    assert re.search(r"reviews +21 +1 ", capsys.readouterr().out)
    assert cli.main(["tables", "reviews"]) == 0
    assert "Body of the review" in capsys.readouterr().out
    assert cli.main(["show", "reviews", "-n", "3", "--where", "rating=2", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [r["review_id"] for r in rows] == ["r1", "r6", "r11"]
    assert cli.main(["show", "reviews", "--where", "text="]) == 0
    assert "gone" in capsys.readouterr().out
    assert cli.main(["show", "reviews", "-n", "1"]) == 0
    assert "[bold]text[/] 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("show nothing", "tables there: lists, reviews"),
        ("show reviews --where stars=5", "with a column of review_id"),
        ("show reviews --where rating=five", "column 'rating' is int8"),
        ("tables nothing", "there are: products"),
        ("why reviews r1", "not published by an inference job"),
        ("load reviews nowhere.csv", "nowhere.csv"),
        ("load reviews README.md --map text", "expected COLUMN="),
        ("run nothing", "there are: "),
        ("run --env nosuch score_reviews", "no environment 'nosuch'"),
        ("run --dry-run --env prod nothing", "there are: "),
        ("show lists --where words=x", "column 'words' is list"),
        ("report score_reviews", "has left no report"),
    ],
)
def test_mistakes_are_one_line(filled: Store, capsys: pytest.CaptureFixture[str], command: str, says: str) -> None:
    assert cli.main(shlex.split(command)) == 2
    err = capsys.readouterr().err
    assert says in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("words", ["--env prod {}", "--env=prod {}", "{} --env prod", "--dry-run --env prod {}"])
def test_options_may_stand_before_the_job(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(job, "run", lambda _job, _settings, env, _keyed: ran.append(env) or 0)
    assert cli.main(["run", *shlex.split(words.format("train_sentiment_head"))]) == 0
    assert ran == ([] if "dry-run" in words else ["prod"])
    assert "dry-run" not in words or json.loads(capsys.readouterr().out)["platform"]["ray_address"] == "auto"


def test_no_space_left_is_four_in_every_command(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    monkeypatch.setattr(Store, "commit", full)
    assert cli.main(["sample", "--source", "generated", "--rows", "10"]) == 4
    err = capsys.readouterr().err
    assert "stopped: [Errno 28] No space left" in err and "Traceback" not in err


def test_a_home_or_a_warehouse_that_is_none_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path / "file"))
    assert cli.main(["tables"]) == 2
    assert "cannot be read" in capsys.readouterr().err
    monkeypatch.setenv("SHOPBATCH_HOME", str(tmp_path / "nowhere"))
    for command in ("tables", "jobs"):
        assert cli.main([command]) == 2
        assert "SHOPBATCH_HOME" in capsys.readouterr().err


@pytest.mark.usefixtures("ray_local")
def test_why(filled: Store, capsys: pytest.CaptureFixture[str]) -> None:
    report = toy.run(filled, toy.spec())
    assert cli.main(["why", "review_sentiment", "r3"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["published"][0]["run_id"] == report.run_id
    assert [m["run_id"] for m in answer["memo"]] == [report.run_id]
    assert answer["source"][0]["text"] == "[bold]text[/] 3"
    assert cli.main(["why", "review_sentiment", "gone"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["published"], answer["rejected"][0]["reason"]) == ([], "empty")
    assert cli.main(["why", "review_sentiment", "never"]) == 2
    assert "no row review_id='never'" in capsys.readouterr().err


def test_the_commands_of_the_readme_parse() -> None:
    """Every command in the README's code blocks is one that the parser takes; `make` targets exist."""
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    seen = 0
    for words in filter(None, map(shlex.split, lines)):
        if words[0] == "make":
            assert words[1] in targets
        elif words[:2] == ["shopbatch", "run"]:
            assert words[2] in job.names()
        elif words[:2] == ["shopbatch", "submit"]:
            assert submit_parser().parse_intermixed_args(words[2:]).job in job.names()
        elif words[0] == "shopbatch":
            cli.parser().parse_args(words[1:])
        else:
            assert words[0] in ("source", "git", "cd", "python", "export", "ray")
        seen += 1
    assert seen >= 8
