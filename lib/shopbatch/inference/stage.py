"""What a stage is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pyarrow as pa


class Scorer(Protocol):
    """A stage made ready inside a worker: model loaded, device taken."""

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Row numbers of `content` that go to the engine together; every row exactly once."""

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Raw outputs of these rows, in order: the stage's `outputs` and `tokens` (int32). Raises EngineError.

        attempts: int8 [n], from 1: which attempt at each row this is; seeds and limits may depend on it.
        """


class Stage(Protocol):
    """What happens to a batch. Pure: no I/O, columns in and out stated as data. Pickled to the workers."""

    @property
    def content(self) -> tuple[str, ...]:
        """Columns that a result depends on."""

    @property
    def carry(self) -> tuple[str, ...]:
        """Columns that the published row takes over from the source as they are."""

    @property
    def outputs(self) -> pa.Schema:
        """Raw columns that the memo keeps. `tokens_out`, if there is one, is counted as the engine's use."""

    @property
    def mix(self) -> tuple[str, str]:
        """Published columns (group, label) whose shares are watched for drift."""

    @property
    def light(self) -> bool:
        """Whether `open` costs nothing: the stage runs in tasks; else it is opened once in each actor."""

    @property
    def gpus(self) -> float:
        """Of one actor."""

    @property
    def checks(self) -> int | str:
        """Version of `judge` and `publish`, which never need the engine."""

    def recipe(self) -> Mapping[str, Any]:
        """All that can change a raw output: engine, model digest, lengths, stage version."""

    def check(self, content: pa.Table) -> pa.Array:
        """A reason (string) for each row that can not be scored, null for the others."""

    def open(self) -> Scorer:
        """Load what is needed; called once in each worker."""

    def judge(self, raw: pa.Table) -> pa.Array:
        """A reason (string) for each raw output that may not be published, null for the others."""

    def publish(self, carried: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """The published columns that are not the machinery's own, from the carried columns and raw outputs."""

    def measure(self, published: pa.Table) -> dict[str, float]:
        """Numbers for the stage's own gates; the maximum over all files is what `limits` is held against."""

    def limits(self) -> dict[str, float]:
        """The greatest allowed value of each number of `measure`."""
