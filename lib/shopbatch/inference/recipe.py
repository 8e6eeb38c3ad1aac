"""What a stage and its configuration have to say to the machinery, and the digest of all that can change a result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from pydantic import Field

from shopbatch.config import JobConfig, Strict
from shopbatch.tables.schema import TIMESTAMP, Column, Table

# Reasons that are nobody's fault in the row: tried again by later runs, MAX_ATTEMPTS times in all.
INFRA = frozenset({"crash", "time_out", "engine_error"})
MAX_ATTEMPTS = 3


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


class Budget(Strict):
    """What a run may spend, all attempts and parts together; None: no cap. Reached: it stops in order (exit 4).

    max_rows: more new computations than this are not started. max_tokens: of prompts and answers, max_seconds: of
    computing; both are looked at when a worker has written, so they are overshot by what was under way.
    """

    max_rows: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=0)
    max_seconds: float | None = Field(default=None, ge=0)


class Gates(Strict):
    """reject_share: rejected rows (those with nothing to score apart) a row read, at most.
    drift: total variation distance, 0 to 1, between the label mix and the live version's, at most.
    accept_recipe: a recipe digest that may replace a live one of another recipe; `any` accepts every one.
    """

    reject_share: float = 0.01
    drift: float = 0.1
    accept_recipe: str | None = None


class InferenceConfig(JobConfig):
    """What every inference job's configuration has. None of these fields can change a result.

    limit: at most this many new computations. workers: actors (None: one a CPU).
    retry_rejects: all rejected rows are tried once more. attempts: a row whose result the checks refuse is tried so
    often in all, within the run.
    flush_rows, flush_seconds: a worker writes what it has at least this often.
    commit_seconds: the driver makes written results visible at least this often.
    timeout_seconds: an engine call that takes longer ends its worker; its rows are tried one by one.
    """

    limit: int | None = Field(default=None, ge=0)
    retry_rejects: bool = False
    attempts: int = Field(default=1, ge=1, le=100)
    workers: int | None = Field(default=None, ge=1)
    flush_rows: int = Field(default=4096, ge=1)
    flush_seconds: float = Field(default=15.0, ge=0)
    commit_seconds: float = Field(default=30.0, ge=0)
    timeout_seconds: float = Field(default=600.0, gt=0)
    budget: Budget = Budget()
    gates: Gates = Gates()


@dataclass(frozen=True)
class Spec:
    """One inference job: source -> stage -> sink.

    scope: the partition of sink and rejects that this is about ({column: value}); {}: they are not partitioned.
    """

    job: str
    source: Table
    stage: Stage
    sink: Table
    rejects: Table
    scope: Mapping[str, str] = field(default_factory=dict)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        scope = tuple(self.scope)
        if len(self.source.key) != 1 or self.sink.key != (*self.source.key, *scope):
            raise TypeError(f"{self.job}: source and sink must have the same single key column (but for the scope)")
        if self.sink.partition_by != scope or self.rejects.partition_by != scope:
            raise TypeError(f"{self.job}: sink and rejects must be partitioned by the scope, {scope}")
        object.__setattr__(self, "key", self.source.key[0])

    @property
    def recipe(self) -> str:
        """16 hex digits that name the recipe."""
        return digest(self.stage.recipe())

    @property
    def columns(self) -> tuple[str, ...]:
        """The source columns that the job reads at all."""
        extra = (self.source.latest_by,) if self.source.latest_by else ()
        return tuple(dict.fromkeys((self.key, *self.stage.content, *self.stage.carry, *extra)))

    @property
    def memo(self) -> Table:
        """The memo of this job: raw results by (recipe, content hash), appended to and never edited."""
        return Table(
            name=f"{self.job}_memo",
            meaning=f"Raw results of {self.job} by recipe and content hash; {self.sink.name} is derived from it.",
            key=("recipe", "hash_hi", "hash_lo"),
            partition_by=("recipe",),
            columns=(
                Column("recipe", pa.string(), "Digest of all that can change a result.", nullable=False),
                Column("hash_hi", pa.int64(), "High word of the content hash (unsigned bits).", nullable=False),
                Column("hash_lo", pa.int64(), "Low word of the content hash (unsigned bits).", nullable=False),
                Column("reason", pa.string(), "Why there is no result; null where there is one."),
                Column("attempt", pa.int8(), "Which attempt this was, from 1.", nullable=False),
                Column("tokens", pa.int32(), "Tokens that the engine read for it; null without a result."),
                Column("scored_at", TIMESTAMP, "When it was computed, UTC.", nullable=False),
                Column("run_id", pa.string(), "The run that computed it.", nullable=False),
                *(Column(f.name, f.type, "Raw output of the stage.") for f in self.stage.outputs),
            ),
        )


def digest(tree: Mapping[str, Any] | Sequence[Any], digits: int = 16) -> str:
    """Hex digest of a JSON-able tree, the same whatever the order of its keys."""
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=digits // 2).hexdigest()
