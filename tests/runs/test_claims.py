"""Of runs that would do the same at the same time one works: who holds the claim, who waits, and who takes over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shopbatch.core.errors import Stopped
from shopbatch.runs import claims
from shopbatch.runs.claims import claim
from shopbatch.runs.report import Report, run_folder
from shopbatch.warehouse.store import Store
from tests.runs.shop import Shop
from tests.runs.test_ends import wait_for


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "POLL", 0.02)


def take(store: Store, wait: bool | float = True) -> Any:
    return claim(store, Report(job="toy"), "abc", wait, "does the same")


def held(store: Store, **changes: Any) -> claims._Claim:
    """A claim that a run holds; `changes` are made to what it has said of itself."""
    holder = claims._Claim(store, Report(job="toy"), "abc")
    assert holder.take() is None
    if changes:
        said = store_of_claims(store).snapshot("toy_abc").metadata["holder"]
        holder._commit("changed", {"holder": said | changes}, None)
    return holder


def store_of_claims(store: Store) -> Store:
    return Store(f"{store.root}/_runs/_claims")


def test_there_are_never_two_holders_and_everybody_has_a_turn(store: Store) -> None:
    start, inside, most = threading.Barrier(6), [0], []

    def run(_: int) -> claims.Waited | None:
        start.wait()
        with take(store) as waited:
            inside[0] += 1
            most.append(inside[0])
            inside[0] -= 1
        return waited

    with ThreadPoolExecutor(6) as pool:
        waited = list(pool.map(run, range(6)))
    assert most == [1] * 6 and waited.count(None) >= 1
    assert all(w.done for w in waited if w is not None)


def test_of_many_that_take_over_from_the_same_dead_run_one_does(store: Store) -> None:
    dead = held(store).token
    start = threading.Barrier(6)

    def run(_: int) -> Any:
        start.wait()
        return claims._Claim(store, Report(job="toy"), "abc").take(dead)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(run, range(6)))
    winner = store_of_claims(store).snapshot("toy_abc").metadata["holder"]["run_id"]
    assert answers.count(None) == 1 and {a["run_id"] for a in answers if a is not None} == {winner}


def test_a_process_that_has_gone_is_dead_at_once_also_if_another_one_has_its_number(store: Store) -> None:
    held(store, born="1")
    with take(store, wait=False) as waited:
        assert waited is not None and not waited.done and "run " in str(waited)


@pytest.mark.parametrize("beats", [True, False])
def test_a_run_of_another_machine_lives_while_its_heartbeat_changes_whatever_its_clock_says(
    store: Store, monkeypatch: pytest.MonkeyPatch, beats: bool
) -> None:
    holder = held(store, machine="another")
    beat = Path(run_folder(store.root, "toy", holder.report.run_id), "heartbeat.json")
    beat.parent.mkdir(parents=True)
    beat.write_text('{"at": "1999-01-01T00:00:00+00:00"}', "utf-8")
    seconds = [0.0]  # by this machine's clock

    def sleep(_: float) -> None:
        seconds[0] += 25
        if beats:
            beat.write_text(json.dumps({"at": "1999-01-01T00:00:00+00:00", "done": seconds[0]}), "utf-8")
        if seconds[0] >= 200:
            holder.give_back(True)

    monkeypatch.setattr(claims, "time", SimpleNamespace(monotonic=lambda: seconds[0], sleep=sleep))
    with take(store) as waited:
        assert waited is not None and waited.done == beats
    assert seconds[0] == (200 if beats else 75)


def test_a_run_that_was_taken_for_dead_does_not_give_back_the_claim_of_another(store: Store) -> None:
    slow = held(store)
    other = claims._Claim(store, Report(job="toy"), "abc")
    assert other.take(slow.token) is None
    slow.give_back(True)
    assert claims._Claim(store, Report(job="toy"), "abc").take()["token"] == other.token


@pytest.mark.parametrize(
    ("wait", "said"), [(False, "does the same$"), (0.05, "does the same, for more than wait=0.05")]
)
def test_a_run_that_is_not_to_wait_stops_with_one_line(store: Store, wait: bool | float, said: str) -> None:
    holder = held(store)
    with pytest.raises(Stopped, match=rf"^run {holder.report.run_id} of host \S+ {said}"), take(store, wait):
        pass
    assert holder.take() is None, "it still holds it"


def test_a_run_that_raises_gives_the_claim_back_unfinished(store: Store) -> None:
    with pytest.raises(KeyError), take(store):
        raise KeyError
    assert store_of_claims(store).snapshot("toy_abc").metadata["done"] is False
    with take(store, wait=False) as waited:
        assert waited is None


@pytest.mark.slow
def test_equal_runs_wait_for_each_other_and_a_signal_ends_one_that_waits(tmp_path: Path) -> None:
    shop = Shop.make(tmp_path / "home", alone=True)
    start: Callable[..., subprocess.Popen[str]] = lambda *options: subprocess.Popen(  # noqa: E731
        shop.command("first", *options), env=shop.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    first = start("--quiet")  # nobody reads its heartbeats meanwhile
    wait_for(first.stderr, "waiting")
    driver = shop.newest()["pid"]
    stopped, waiter = start(), start()
    for each in (stopped, waiter):
        wait_for(each.stderr, "does the same; waiting for it")
    stopped.send_signal(signal.SIGTERM)
    out, err = stopped.communicate(timeout=120)
    assert stopped.returncode == 4 and "stopped: SIGTERM" in err, err
    assert "wait" in json.loads(out.splitlines()[-1])["seconds"]
    refused = start("wait=false")
    assert refused.wait(timeout=120) == 4
    assert first.poll() is None and waiter.poll() is None
    os.kill(driver, signal.SIGKILL)
    assert first.wait(timeout=120) == 4
    out, err = waiter.communicate(timeout=120)
    assert waiter.returncode == 0, err
    assert f"waited for run {driver_run(shop, driver)}" in json.loads(out.splitlines()[-1])["message"]
    for each in (first, refused):
        each.communicate()


def driver_run(shop: Shop, pid: int) -> str:
    """The run whose report names this process."""
    reports = [json.loads(p.read_text("utf-8")) for p in Path(shop.warehouse, "_runs", "toy").glob("*/report.json")]
    return str(next(r["run_id"] for r in reports if r["pid"] == pid))
