"""Messages from the first worker to the driver: an actor keeps them, and a thread in the driver fetches them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray.exceptions import RayError

OnStep = Callable[[int, Mapping[str, float]], None]  # called with the step and named numbers
_Steps = list[tuple[int, dict[str, float]]]


@ray.remote
class Board:
    """An actor that keeps what the first worker reports until the driver fetches it."""

    def __init__(self) -> None:
        self.steps: _Steps = []
        self.lines: list[str] = []

    def print_line(self, line: str) -> None:
        """Keep a line for the user."""
        self.lines.append(line)

    def push(self, steps: _Steps) -> None:
        """Keep the numbers of some steps."""
        self.steps += steps

    def take(self) -> tuple[_Steps, list[str]]:
        """Return what was measured since the last call, and clear it."""
        steps, self.steps = self.steps, []
        lines, self.lines = self.lines, []
        return steps, lines


class Listener:
    """Inside the block, a thread fetches messages every second and passes them to `on_step` and to standard error."""

    def __init__(self, board: Any, on_step: OnStep) -> None:
        self.board, self.on_step, self.over = board, on_step, threading.Event()
        self.thread = threading.Thread(target=self._listen, name="training", daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join(timeout=10)
        self._fetch()

    def _listen(self) -> None:
        while not self.over.wait(1.0):
            self._fetch()

    def _fetch(self) -> None:
        try:
            steps, lines = ray.get(self.board.take.remote(), timeout=10)
            for line in lines:
                print(f"shopbatch: {line}", file=sys.stderr, flush=True)
            for step, values in steps:
                self.on_step(step, values)
        except RayError:  # the board was lost with its node: the run does not need it
            self.over.set()
