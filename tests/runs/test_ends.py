"""However a run ends, its report, its exit code and `shopbatch runs` say so, and nothing is left running."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest

from shopbatch.runs import history
from tests.runs.pseudo_terminal import in_terminal
from tests.runs.shop import Shop

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop.make(tmp_path / "home")


@pytest.mark.parametrize(
    ("how", "code", "outcome", "said"),
    [
        ("published", 0, "published", ""),
        ("refused", 3, "refused", "gate 'share'"),
        ("defect", 1, "failed", "KeyError"),
        ("killed", 4, "stopped", "was killed by SIGKILL"),
        ("gone", 4, "stopped", "ended without a report (exit code 1"),
    ],
)
def test_every_end_is_on_record(shop: Shop, how: str, code: int, outcome: str, said: str) -> None:
    done = shop.run(how)
    assert done.returncode == code, done.stderr
    line = json.loads(done.stdout.splitlines()[-1])
    newest = shop.newest()
    assert (line["outcome"], newest["outcome"], newest["exit_code"]) == (outcome, outcome, code)
    assert said in newest["message"] and said in done.stderr and newest["ended_at"]
    assert newest["command"].startswith("shopbatch run toy how=")
    assert not (shop.folder() / "heartbeat.json").exists()
    assert (shop.folder() / "report.html").exists()


def test_the_log_has_the_traceback_and_what_native_code_wrote(shop: Shop) -> None:
    done = shop.run("defect")
    log = (shop.folder() / "log.txt").read_text("utf-8")
    assert "Traceback" in log and "KeyError" in log and "noise of native code" in log
    assert "noise" not in done.stderr, "the terminal does not show what native code writes"
    assert "Traceback" in done.stderr
    assert any("KeyError" in line for line in shop.newest()["log_tail"])
    for text in (done.stdout, done.stderr, json.dumps(shop.newest())):
        assert "ann@example.com" not in text
    assert "noise" in shop.run("published", "--verbose").stderr


def test_the_report_of_a_stopped_run_shows_one_line_and_no_traceback(shop: Shop) -> None:
    assert shop.run("noisy stop").returncode == 4
    (line,) = shop.newest()["log_tail"]
    assert "stopped: interrupted by SIGINT" in line
    assert "Traceback" in (shop.folder() / "log.txt").read_text("utf-8"), "the log has all of it"
    assert "Traceback" not in (shop.folder() / "report.html").read_text("utf-8")


def test_no_secret_of_the_command_line_is_kept(shop: Shop) -> None:
    done = shop.run("defect", "platform.spark.conf={fs.s3a.secret.key: hush-hush}")
    assert "platform.spark.conf=..." in shop.newest()["command"]
    kept = "".join(path.read_text("utf-8") for path in shop.folder().iterdir())
    assert "hush-hush" not in kept + done.stdout + done.stderr


def test_a_mistake_is_one_line_and_exit_code_2(shop: Shop) -> None:
    done = shop.run("mistake")
    assert done.returncode == 2 and done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert lines == ["shopbatch: column x is missing; add it"]
    assert (shop.newest()["outcome"], shop.newest()["exit_code"]) == ("failed", 2)


@pytest.mark.parametrize(
    ("how", "code"),
    [("long stop", 4), ("long mistake", 2), ("long defect", 1), ("long refusal", 3), ("long note", 0)],
)
def test_a_message_that_quotes_a_value_of_any_length_is_cut_everywhere(shop: Shop, how: str, code: int) -> None:
    done = shop.run(how)
    assert done.returncode == code, done.stderr[:2000]
    kept = {path.name: path.read_text("utf-8") for path in shop.folder().iterdir()}
    for name, text in {**kept, "stdout": done.stdout, "stderr": done.stderr}.items():
        assert len(text) < 40_000, name
        assert "bob@" not in text and "171 1234" not in text, f"{name}: half of an address is not masked"
    lines = [*done.stderr.splitlines(), *kept["log.txt"].splitlines()]
    assert any("forged" in line for line in lines) and max(map(len, lines)) < 2_600
    assert "forged" in shop.newest()["message"] and len(shop.newest()["message"]) < 2_600


def wait_for(stream: IO[str] | None, text: str) -> None:
    assert stream is not None
    for line in stream:
        if text in line:
            return
    raise AssertionError(f"{text!r} never came")


def start(shop: Shop, how: str, **variables: str) -> subprocess.Popen[str]:
    """A run that has begun to wait."""
    environment = shop.environment | variables
    process = subprocess.Popen(
        shop.command(how), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(process.stderr, "waiting")
    return process


def waiting(shop: Shop) -> subprocess.Popen[str]:
    """A run that is under way."""
    process = start(shop, "waits")
    until = time.monotonic() + 30
    while "second" not in shop.newest()["message"]:  # its heartbeat comes from a thread
        assert time.monotonic() < until, shop.newest()
    return process


def test_a_run_under_way_is_running_and_a_signal_stops_it_once(shop: Shop) -> None:
    process = waiting(shop)
    assert (shop.newest()["outcome"], shop.newest()["exit_code"]) == ("running", None)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 4, err
    assert json.loads(out.splitlines()[-1])["message"].startswith("SIGTERM; the same command goes on")
    assert shop.newest()["outcome"] == "stopped"


def test_a_signal_to_every_process_of_a_run_counts_once(shop: Shop) -> None:
    """As Ray's job manager and service managers send it."""
    process = waiting(shop)
    driver = shop.newest()["pid"]
    process.send_signal(signal.SIGTERM)
    os.kill(driver, signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 4 and "stopped: SIGTERM" in err, err
    assert json.loads(out.splitlines()[-1])["message"].startswith("SIGTERM")


def test_a_signal_ends_a_run_while_its_session_starts(shop: Shop) -> None:
    process = start(shop, "published", TOY_SESSION="waits")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 4 and "stopped: SIGTERM; the same command goes on" in err, err
    assert json.loads(out.splitlines()[-1])["outcome"] == shop.newest()["outcome"] == "stopped"


@pytest.mark.parametrize(
    ("how", "session", "seconds", "signals"),
    [("deaf", "", "1", 1), ("published", "deaf", "1", 1), ("deaf", "", "1000", 2)],
    ids=["native code", "a session that starts", "a second signal"],
)
def test_a_run_that_does_not_notice_a_signal_is_ended_all_the_same(
    shop: Shop, how: str, session: str, seconds: str, signals: int
) -> None:
    process = start(shop, how, TOY_SESSION=session, TOY_STOP_SECONDS=seconds)
    for number in range(signals):
        if number:
            time.sleep(1)  # within 0.3 s they would count as one
        process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    said = json.loads(out.splitlines()[-1])["message"]
    assert re.search(r"was killed: SIGTERM came, and it did not stop within \d+ s; the same command goes on", said)
    assert shop.newest()["outcome"] == "stopped" and said in err


def test_what_a_run_leaves_running_ends_with_it_and_holds_up_no_reader(shop: Shop) -> None:
    assert shop.run("leaves").returncode == 0  # it reads the output until every writer has gone


def test_a_process_that_does_not_end_after_its_run_changes_no_exit_code(shop: Shop) -> None:
    done = shop.run("lingers")
    assert done.returncode == 0 and shop.newest()["outcome"] == "published"


def test_killing_the_supervisor_kills_the_run_which_is_then_lost(shop: Shop) -> None:
    process = waiting(shop)
    driver = shop.newest()["pid"]
    assert driver != process.pid
    process.kill()
    process.communicate(timeout=30)
    until = time.monotonic() + 30
    while (newest := shop.newest())["outcome"] == "running":  # the kernel is about to kill it
        assert time.monotonic() < until
    assert newest["outcome"] == "lost" and "in stage second; the same command goes on" in newest["message"]
    listed = subprocess.run(
        [sys.executable, "-m", "shopbatch", "runs", "toy"],
        env=shop.environment | {"COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.search(r"toy +lost", listed) and "to go on:   shopbatch run toy how=" in listed


def test_a_run_of_another_machine_is_lost_when_its_heartbeat_is_old(shop: Shop) -> None:
    assert shop.run("published").returncode == 0
    folder = shop.folder()
    report = json.loads((folder / "report.json").read_text("utf-8"))
    report |= {"outcome": "running", "exit_code": None, "host": "another", "pid": os.getpid()}
    (folder / "report.json").write_text(json.dumps(report), "utf-8")
    for seconds, outcome in ((5, "running"), (history.STALE + 5, "lost")):
        at = datetime.now(UTC) - timedelta(seconds=seconds)
        (folder / "heartbeat.json").write_text(json.dumps({"at": at.isoformat(), "stage": "second"}), "utf-8")
        assert shop.newest()["outcome"] == outcome
    (folder / "heartbeat.json").write_text('{"at": "never"}', "utf-8")
    assert shop.newest()["outcome"] == "lost"


def test_a_report_that_is_damaged_does_not_hide_the_others(shop: Shop) -> None:
    assert shop.run("published").returncode == 0
    (shop.folder() / "report.json").write_text("{", "utf-8")
    assert shop.run("published").returncode == 0
    # both may have begun in one second, within which runs are in no order
    assert sorted(run["outcome"] for run in history.newest(shop.warehouse)) == ["damaged", "published"]
    assert len(history.newest(shop.warehouse, count=1)) == 1


def test_on_a_terminal_a_run_ends_with_a_few_lines_for_a_person(shop: Shop) -> None:
    code, screen = in_terminal(shop.command("published"), shop.environment, columns=80)
    assert code == 0, screen
    lines = screen.splitlines()
    assert lines[0].startswith("toy  run 2")
    assert re.fullmatch(r"  first +0\.\d s +12,345 rows", lines[2]), lines
    assert "noise" not in screen and "{" not in screen
    end = lines[lines.index(next(line for line in lines if line.startswith("toy: published"))) :]
    assert len(end) <= 8
    assert end[1] == "  rows     12,345 read = 12,340 published + 5 rejected"
    assert end[2] == "  rejects  5 too long"
    assert end[-1] == "  next     shopbatch show things"
    assert max(map(len, lines)) <= 80 or shop.warehouse in max(lines, key=len)


def test_a_reader_who_goes_away_changes_no_exit_code(shop: Shop) -> None:
    process = subprocess.Popen(
        shop.command("published", "--quiet"), env=shop.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert (process.wait(timeout=60), process.stderr.read()) == (0, b"")
    assert shop.newest()["outcome"] == "published"


def test_quiet_and_json_are_what_they_say(shop: Shop) -> None:
    code, screen = in_terminal(shop.command("published", "--quiet"), shop.environment, columns=80)
    assert code == 0 and re.fullmatch(r"toy: published in \S+ s", screen.strip()), screen
    code, screen = in_terminal(shop.command("published", "--json"), shop.environment, columns=80)
    assert code == 0 and json.loads(screen.splitlines()[-1])["outcome"] == "published"
    done = shop.run("published", "--quiet")
    assert done.stderr == "" and json.loads(done.stdout)["outcome"] == "published"
