"""The command line as a user types it."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from shopbatch.cli import main as cli
from shopbatch.runs import job
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store
from tests.inference import toy

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"ray", "torch", "transformers", "openvino", "polars", "pandas", "deltalake", "pyarrow", "pyspark"}
JOBS = sorted(path.stem for path in (ROOT / "jobs").glob("*.py"))


@pytest.fixture
def filled(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    rows = [{"review_id": f"r{i}", "text": f"[bold]text[/] {i}", "rating": i % 5 + 1} for i in range(20)]
    toy.put(store, toy.reviews([*rows, {"review_id": "gone", "text": None}]))
    write_deltalake(store.uri("lists"), pa.table({"words": [["a", "b"]]}))
    return store


def parse(words: list[str]) -> dict[str, Any]:
    """The parameters of a command line, parsed and not called. Raises click.UsageError."""
    group = click.Context(cli.shopbatch, info_name="shopbatch")
    name, command, rest = cli.shopbatch.resolve_command(group, words)
    assert command is not None
    return command.make_context(name, rest, parent=group).params


def test_version_help_and_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("--version", "--help"):
        assert cli.main([flag]) == 0
    out = capsys.readouterr().out
    assert "shopbatch 0." in out
    assert "Exit codes" in out
    assert cli.main(["jobs"]) == 0
    assert capsys.readouterr().out.split("\n")[0].startswith(job.names()[0])


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_that_begins_as_the_list_of_commands_says(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"shopbatch {name}" in out
    assert cli.COMMANDS[name][1].rstrip(".") in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    assert "--run-key" not in out, "an option for `shopbatch submit` alone"


@pytest.mark.parametrize("name", JOBS)
def test_the_help_of_a_job_lists_its_configuration(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", name, "--help"]) == 0
    out = capsys.readouterr().out
    assert "--dry-run" in out
    assert re.search(r"^  platform\.warehouse +str; default \.warehouse", out, re.M)
    for key in job.find(name).config.model_fields:
        assert re.search(rf"^  {key}\b", out, re.M), key
    assert max(map(len, out.splitlines())) <= 80


def loaded(*arguments: str) -> tuple[int, set[str]]:
    """Exit code of the command in a process of its own, and the modules that it has loaded."""
    code = (
        "import sys; from shopbatch.cli import main; code = main.main(sys.argv[1:]); print('\\n', *sys.modules);"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, set(done.stdout.splitlines()[-1].split())


def test_help_loads_nothing_heavy() -> None:
    code, modules = loaded("--help")
    assert code == 0
    assert not modules & {*HEAVY, "pydantic"}


@pytest.mark.parametrize("name", JOBS)
def test_a_wrong_key_is_refused_before_anything_heavy_is_loaded(name: str) -> None:
    code, modules = loaded("run", name, "platfrom.cpus=1")
    assert code == 2
    assert not modules & HEAVY


@pytest.mark.slow
def test_the_package_and_a_job_file_are_commands(tmp_path: Path) -> None:
    def run(*program: str) -> tuple[int, str, str]:
        environment = {**os.environ, "SHOPBATCH_HOME": str(ROOT)}
        done = subprocess.run(
            [sys.executable, *program], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
        )
        return done.returncode, done.stdout, done.stderr

    code, out, err = run("-m", "shopbatch", "run", "score_reviews", "limit=5", "--dry-run")
    assert (code, err) == (0, "")
    assert json.loads(out)["limit"] == 5
    assert run(str(ROOT / "jobs" / "score_reviews.py"), "--dry-run", "limit=5") == (0, out, "")
    code, out, err = run(str(ROOT / "jobs" / "score_reviews.py"), "limt=5")
    assert (code, out) == (2, "")
    assert err == "shopbatch: config: unknown key 'limt'; did you mean 'limit'?\n"


@pytest.mark.slow
def test_a_shell_completes_commands_jobs_and_tables(filled: Store) -> None:
    def complete(line: str) -> set[str]:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - (not line.endswith(" ")))}
        environment = {**os.environ, **words, cli.COMPLETE: "bash_complete", "SHOPBATCH_HOME": str(ROOT)}
        program = [sys.executable, "-m", "shopbatch"]
        done = subprocess.run(program, capture_output=True, text=True, check=True, env=environment)
        return {item.partition(",")[2] for item in done.stdout.splitlines()}

    assert complete("shopbatch s") == {"sample", "search", "show", "submit", "status"}
    assert complete("shopbatch run --dry-run fine") == {"finetune_encoder", "finetune_llm", "finetune_retriever"}
    assert complete("shopbatch show ") == {"lists", "reviews"}
    assert {"reviews", "products"} <= complete("shopbatch load ")


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
        ("", "missing command"),
        ("shwo reviews", "no such command 'shwo'. Did you mean 'show'?"),
        ("show", "missing argument 'TABLE' (see `shopbatch show --help`)"),
        ("run", "missing argument 'JOB'"),
        ("run score_reviews --evn prod", "no such option '--evn'. Did you mean '--env'?"),
        ("run score_reviews --env", "option '--env' requires an argument"),
        ("show reviews -n -3", "'-n'"),
        ("sample --rows -1", "'--rows'"),
        ("sample --source invented", "'invented' is not one of 'real', 'generated'"),
        ("logs key --attempt -1", "'--attempt'"),
        ("models --trained-on reviews", "option '--trained-on' requires 2 arguments"),
        ("doctor score_reviews finetune_llm", "one job at a time, not score_reviews and finetune_llm"),
        ("show nothing", "tables there: lists, reviews"),
        ("show revews", "did you mean 'reviews'?"),
        ("show users", "it is filled by `shopbatch sample` or `shopbatch load users FILE`"),
        ("show user_profiles", "it is filled by `shopbatch run build_user_profiles`"),
        ("show reviews --where stars=5", "no column 'stars'; there are: review_id"),
        ("show reviews --sort ratng", "did you mean 'rating'?"),
        ("show lists --sort words", "which has no order"),
        ("show reviews --env prd", "did you mean 'prod'?"),
        ("load revews my.csv", "cannot load into 'revews': did you mean 'reviews'?"),
        ("show reviews --where rating=five", "column 'rating' is int8"),
        ("tables nothing", "there are: products"),
        ("why reviews r1", "not published by an inference job"),
        ("load reviews nowhere.csv", "nowhere.csv"),
        ("load reviews README.md --map text", "expected COLUMN="),
        ("run nothing", "there are: "),
        ("run score_review", "did you mean 'score_reviews'?"),
        ("run nothing --help", "no job 'nothing'"),
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


@pytest.mark.parametrize(
    "words",
    [
        "--env prod {}",
        "--env=prod {}",
        "{} --env prod",
        "--dry-run --env prod {}",
        "{} workers=1 --env prod encoder=other",
    ],
)
def test_options_may_stand_before_the_job_and_between_overrides(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    ran: list[tuple[str, int]] = []

    def perform(_job: job.Job, settings: Any, call: job.Call) -> job.Ended:
        ran.append((call.env, settings.workers))
        return job.Ended(Report("train_sentiment_head"))

    monkeypatch.setattr(job, "perform", perform)
    assert cli.main(["run", *shlex.split(words.format("train_sentiment_head"))]) == 0
    assert ran == ([] if "dry-run" in words else [("prod", 1 if "workers=1" in words else 2)])
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


def test_a_missing_home_or_a_warehouse_that_is_a_file_is_one_line(
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
def test_why(filled: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    report = toy.run(filled, toy.spec())
    assert cli.main(["why", "review_sentiment", "r3", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["published"][0]["run_id"] == report.run_id
    assert [m["run_id"] for m in answer["memo"]] == [report.run_id]
    assert answer["source"][0]["text"] == "[bold]text[/] 3"
    assert cli.main(["why", "review_sentiment", "gone", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["published"], answer["rejected"][0]["reason"]) == ([], "empty")
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["why", "review_sentiment", "r3"]) == 0
    said = capsys.readouterr().out
    for words in ("review_sentiment r3\n", " label ", " probability ", "[bold]text[/] 3", report.run_id, report.recipe):
        assert words in said
    assert said.splitlines()[-1].endswith("/report.html")
    assert cli.main(["why", "review_sentiment", "gone"]) == 0
    assert re.search(r"gone: not there\n +rejected +empty \(the row's own fault; no attempt", capsys.readouterr().out)
    assert cli.main(["why", "review_sentiment", "never"]) == 2
    assert "no row review_id='never'" in capsys.readouterr().err


def test_the_commands_of_the_readme_parse() -> None:
    """Every command in the README's code blocks is one that the command line takes; `make` targets exist."""
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    seen = 0
    for words in filter(None, map(shlex.split, lines)):
        if words[0] == "make":
            assert words[1] in targets
        elif words[0] == "shopbatch":
            parameters = parse(words[1:])
            assert words[1] not in ("run", "submit") or parameters["job"] in job.names()
        else:
            assert words[0] in ("source", "git", "cd", "python", "export", "ray")
        seen += 1
    assert seen >= 8
