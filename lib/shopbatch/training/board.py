"""Passes progress messages from the first training worker to the driver: the worker pushes, a driver thread polls."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray.exceptions import RayError

OnStep = Callable[[int, Mapping[str, float]], None]  # called with a step and its metrics by name
_Steps = list[tuple[int, dict[str, float]]]


@ray.remote
class Board:
    """A Ray actor that buffers the first worker's metrics and messages until the driver fetches them."""

    def __init__(self) -> None:
        self.steps: _Steps = []
        self.lines: list[str] = []

    def print_line(self, line: str) -> None:
        """Store a message that the driver prints for the user."""
        self.lines.append(line)

    def push(self, steps: _Steps) -> None:
        """Store the metrics of some steps, as (step, name -> number)."""
        self.steps += steps

    def take(self) -> tuple[_Steps, list[str]]:
        """Return the metrics and the messages since the last call, and clear the buffer."""
        steps, self.steps = self.steps, []
        lines, self.lines = self.lines, []
        return steps, lines


class Listener:
    """A context manager with a thread that fetches messages from the board every second.

    The thread passes metrics to `on_step`, and prints the other messages to standard error.

    Args:
        board: Handle of the `Board` actor.
        on_step: Called with a step and its metrics by name.
    """

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
        """Fetch messages from the board every second until the context manager exits."""
        while not self.over.wait(1.0):
            self._fetch()

    def _fetch(self) -> None:
        """Fetch and pass on the board's messages; stop the thread if the board was lost with its node."""
        try:
            steps, lines = ray.get(self.board.take.remote(), timeout=10)
            for line in lines:
                print(f"shopbatch: {line}", file=sys.stderr, flush=True)
            for step, values in steps:
                self.on_step(step, values)
        except RayError:  # the board was lost with its node; training goes on without it
            self.over.set()
