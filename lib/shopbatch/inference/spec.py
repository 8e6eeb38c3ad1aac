"""What a stage and its configuration have to say to the machinery, and the digest of all that can change a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
from pydantic import Field

from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.hashing import digest
from shopbatch.inference.stage import Stage
from shopbatch.tables.schema import TIMESTAMP, Column, Table

# Reasons that are nobody's fault in the row: tried again by later runs, MAX_ATTEMPTS times in all.
INFRA = frozenset({"crash", "time_out", "engine_error"})
MAX_ATTEMPTS = 3


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
