"""Heartbeats are true, regular and on standard error; nothing that happens to them reaches the run."""

from __future__ import annotations

import io
import json
import threading
from typing import Any

import pytest

from shopbatch.core.progress import Progress


class Clock:
    """Time that moves when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def beats(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_heartbeat_says_how_far_and_how_fast(clock: Clock) -> None:
    stream = io.StringIO()
    progress = Progress(1000, stream, stage="compute", clock=clock)
    progress.advance(200, rejects=3)
    clock.now += 4
    progress.beat()
    assert beats(stream) == [
        {
            "event": "heartbeat",
            "stage": "compute",
            "rows": 200,
            "total": 1000,
            "rejects": 3,
            "rows_per_second": 50.0,
            "eta_seconds": 16,
            "elapsed_seconds": 4.0,
        }
    ]


def test_the_rate_forgets_a_slow_start_and_the_final_beat_gives_the_whole(clock: Clock) -> None:
    stream = io.StringIO()
    progress = Progress(10_000, stream, clock=clock)
    clock.now += 300  # a model loads
    progress.beat()
    for _ in range(20):
        clock.now += 5
        progress.advance(100)
        progress.beat()
    progress.beat(final=True)
    assert beats(stream)[0]["rows_per_second"] == 0.0 and beats(stream)[0]["eta_seconds"] is None
    assert beats(stream)[-2]["rows_per_second"] == 20.0
    assert beats(stream)[-2]["eta_seconds"] == 400
    assert beats(stream)[-1]["rows_per_second"] == 5.0 and beats(stream)[-1]["final"] is True


@pytest.mark.parametrize(("total", "eta"), [(None, None), (0, 0), (50, 0)])
def test_a_total_that_is_unknown_or_reached_has_a_sane_estimate(
    total: int | None, eta: int | None, clock: Clock
) -> None:
    stream = io.StringIO()
    progress = Progress(total, stream, clock=clock)
    progress.advance(60)
    clock.now += 1
    progress.beat()
    assert beats(stream)[0]["eta_seconds"] == eta


def test_the_stage_may_change(clock: Clock) -> None:
    stream = io.StringIO()
    progress = Progress(1, stream, stage="compute", clock=clock)
    progress.beat()
    progress.stage = "publish"
    progress.beat()
    assert [beat["stage"] for beat in beats(stream)] == ["compute", "publish"]


def test_it_beats_while_a_batch_is_slow() -> None:
    written = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written.set()
            return super().write(text)

    stream = Stream()
    with Progress(10, stream, every=0.01):
        assert written.wait(10), "no heartbeat came while the main thread was busy"
    assert beats(stream)[-1]["final"] is True


def test_it_ends_with_a_final_beat_and_its_thread_also_when_the_run_fails() -> None:
    stream = io.StringIO()
    with pytest.raises(KeyError), Progress(10, stream, every=1000) as progress:
        progress.advance(4)
        raise KeyError("x")
    assert [(beat["rows"], beat["final"]) for beat in beats(stream)] == [(4, True)]
    assert not any(thread.name == "progress" for thread in threading.enumerate())


@pytest.mark.slow
def test_a_stream_that_blocks_does_not_hold_up_the_run() -> None:
    blocked, free = threading.Event(), threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            blocked.set()
            free.wait(30)
            return len(text)

    try:
        with Progress(10, Stuck(), every=0.01) as progress:
            assert blocked.wait(10)
            assert all(thread.daemon for thread in threading.enumerate() if thread.name == "progress")
            progress.advance(10)
        assert not free.is_set() and progress.rows == 10
    finally:
        free.set()


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("I/O operation on closed file")])
def test_a_broken_stream_does_not_end_the_run(error: Exception) -> None:
    class Broken(io.StringIO):
        calls = 0

        def write(self, text: str) -> int:
            self.calls += 1
            raise error

    stream = Broken()
    with Progress(10, stream) as progress:
        progress.beat()
        progress.advance(10)
    assert progress.rows == 10 and stream.calls == 1


def test_standard_output_is_left_to_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(10) as progress:
        progress.advance(10)
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["rows"] == 10
