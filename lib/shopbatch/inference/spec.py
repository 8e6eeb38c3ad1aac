"""`Spec` declares one inference job: source table, stage, published table. It is checked before anything is started."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import getattr_static
from typing import Any

import pyarrow as pa

from shopbatch.core.hashing import CONTENT_HASH, digest
from shopbatch.inference.stage import Stage
from shopbatch.tables.published import PROVENANCE, REJECTS, memo_name
from shopbatch.tables.schema import TIMESTAMP, Column, Person, Table
from shopbatch.warehouse.gates import Gate
from shopbatch.warehouse.snapshot import Snapshot

# Reasons that are not the row's fault: later runs try such a row again, until it was tried MAX_ATTEMPTS times.
INFRA = frozenset({"crash", "time_out", "engine_error"})
MAX_ATTEMPTS = 3
# Names of the machinery's own columns, which a stage's outputs must not have.
RESERVED = frozenset(
    {
        *("recipe", "hash_hi", "hash_lo", "reason", "attempt", "tokens", "scored_at", "run_id"),  # of the memo
        *("pos", "part", "hi", "lo", "khi", "klo", "cause", "verdict", "nth", "rank"),  # of its tasks
    }
)
MEMBERS = (
    *("content", "passthrough_columns", "outputs", "drift_columns", "stateless", "gpus", "checks", "engine_kind"),
    *("recipe", "check", "open", "judge", "refuse", "publish", "measure", "limits"),
)

# Judges a whole candidate by gates of the job. Arguments: URIs of its files; the live version (None before the first).
Judge = Callable[[Sequence[str], Snapshot | None], Sequence[Gate]]

_MISSING = object()


@dataclass(frozen=True)
class Inherited:
    """Results of an earlier recipe that are also valid under the recipe of this job, so that they need not be computed.

    `inherit.py` copies them within the memo.

    Attributes:
        stage: The value that the stage's `recipe()` returned in the earlier version.
        tokens_below: Only results for which the engine read fewer tokens than this are valid.
    """

    stage: Mapping[str, Any]
    tokens_below: int

    @property
    def recipe(self) -> str:
        """Digest of the earlier recipe: 16 hex digits."""
        return digest({**self.stage, "content_hash": CONTENT_HASH})


@dataclass(frozen=True)
class Spec:
    """The declaration of one inference job: a source table, a stage that computes its rows, and the published table.

    A wrong declaration raises a TypeError that names the member, here in the constructor, before Ray starts.

    Attributes:
        job: Name of the job.
        source: The table whose rows are read. It has one key column.
        stage: Computes the results of a batch of rows.
        sink: The published table.
        rejects: The table of the source rows that have no result, with the reasons.
        scope: The partition of `sink` and `rejects` that this spec writes, {column: value}; {}: the tables are not
            partitioned.
        gates: Judges the whole candidate by gates of this job, in the driver; None: there are no such gates.
        step: Name of the step, for a job that runs inference twice with a memo for each step; "" for the last or only
            step.
        inherits: Results of an earlier recipe, which are copied instead of computed; None: nothing is inherited.
        beside: Number of rows of each further table from which results are made, {table: rows}. A gate refuses the
            candidate if one of these tables has shrunk too far.
        key: Name of the key column of source and sink.
    """

    job: str
    source: Table
    stage: Stage
    sink: Table
    rejects: Table
    scope: Mapping[str, str] = field(default_factory=dict)
    gates: Judge | None = None
    step: str = ""
    inherits: Inherited | None = None
    beside: Mapping[str, int] = field(default_factory=dict)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        scope = tuple(self.scope)
        if len(self.source.key) != 1 or self.sink.key != (*self.source.key, *scope):
            raise TypeError(f"{self.job}: source and sink must have the same single key column (but for the scope)")
        if self.sink.partition_by != scope or self.rejects.partition_by != scope:
            raise TypeError(f"{self.job}: sink and rejects must be partitioned by the scope, {scope}")
        object.__setattr__(self, "key", self.source.key[0])
        _check_tables(self)
        _check_stage(self)

    @property
    def recipe(self) -> str:
        """Digest of the recipe (everything that can change a result apart from the content): 16 hex digits."""
        return digest({**self.stage.recipe(), "content_hash": CONTENT_HASH})

    @property
    def columns(self) -> tuple[str, ...]:
        """All source columns that the job reads: the key, content, passthrough columns and the `latest_by` column."""
        extra = (self.source.latest_by,) if self.source.latest_by else ()
        return tuple(dict.fromkeys((self.key, *self.stage.content, *self.stage.passthrough_columns, *extra)))

    @property
    def memo(self) -> Table:
        """The declaration of this job's memo: the append-only table of raw results by (recipe, content hash)."""
        return Table(
            name=memo_name(self.job, self.step),
            meaning=f"Raw results of {self.job} by recipe and content hash; {self.sink.name} is derived from it.",
            key=("recipe", "hash_hi", "hash_lo"),
            partition_by=("recipe",),
            person=Person(hashes=("hash_hi", "hash_lo")) if isinstance(self.sink.person, Person) else self.sink.person,
            columns=(
                Column("recipe", pa.string(), "Digest of all that can change a result.", nullable=False),
                Column("hash_hi", pa.int64(), "High word of the content hash (unsigned bits).", nullable=False),
                Column("hash_lo", pa.int64(), "Low word of the content hash (unsigned bits).", nullable=False),
                Column("reason", pa.string(), "Why there is no result; null where there is one."),
                Column("attempt", pa.int8(), "Which attempt this was, from 1.", nullable=False),
                Column("tokens", pa.int32(), "Tokens that the engine read for it; null without a result."),
                Column("scored_at", TIMESTAMP, "When it was computed, UTC.", nullable=False),
                Column("run_id", pa.string(), "The run that computed it.", nullable=False),
                *(Column(f.name, f.type, "Raw output of the stage.", personal=True) for f in self.stage.outputs),
            ),
        )


def _check_tables(spec: Spec) -> None:
    """Raise TypeError if sink or rejects lack a column that the machinery fills or reads."""
    if missing := [name for name in PROVENANCE if name not in spec.sink.names]:
        raise TypeError(f"{spec.job}: sink: table {spec.sink.name!r} lacks {', '.join(missing)} (see tables.published)")
    wanted = {spec.key, *spec.scope, *REJECTS}
    if differ := wanted.symmetric_difference(spec.rejects.names):
        raise TypeError(
            f"{spec.job}: rejects: table {spec.rejects.name!r} must have the columns of tables.published.rejects_of; "
            f"they differ in {', '.join(sorted(differ))}"
        )


def _check_stage(spec: Spec) -> None:
    """Raise TypeError for the first member of the stage that is missing or wrong; the message names it."""
    stage, name = spec.stage, f"{spec.job}: {type(spec.stage).__name__}"
    for member in MEMBERS:
        if getattr_static(stage, member, _MISSING) is _MISSING:
            raise TypeError(f"{name} has no {member!r}; see inference.stage.Stage")
    if not stage.content:
        raise TypeError(f"{name}.content: it names no column")
    for member, columns in (("content", stage.content), ("passthrough_columns", stage.passthrough_columns)):
        if isinstance(columns, str) or (unknown := [c for c in columns if c not in spec.source.names]):
            wrong = f"expected a tuple of names, not {columns!r}" if isinstance(columns, str) else ", ".join(unknown)
            raise TypeError(f"{name}.{member}: not in table {spec.source.name!r}: {wrong}")
    if not isinstance(stage.outputs, pa.Schema) or not stage.outputs.names:
        raise TypeError(f"{name}.outputs: expected an Arrow schema with at least one column")
    if taken := RESERVED.intersection(stage.outputs.names):
        raise TypeError(f"{name}.outputs: the machinery has columns of its own named {', '.join(sorted(taken))}")
    drift = stage.drift_columns
    if drift is not None and (len(drift) != 2 or drift[0] == drift[1] or not set(drift) <= set(spec.sink.names)):
        raise TypeError(
            f"{name}.drift_columns: expected None or two different columns of {spec.sink.name!r}, not {drift!r}"
        )
    if not isinstance(stage.recipe(), Mapping):
        raise TypeError(f"{name}.recipe: it must return a mapping")
    try:
        json.dumps(stage.recipe(), sort_keys=True)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}.recipe: it cannot be written as JSON ({error})") from None
