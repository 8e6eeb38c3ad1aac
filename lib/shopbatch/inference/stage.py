"""The interface of a stage: the class with which a job says how a batch of source rows becomes a batch of results.

A stage is pure: columns in, columns out, no I/O outside `open`. It is pickled and sent to the Ray workers.

- `Stage` and `Scorer` are the protocols that the machinery calls.
- `BaseStage` has defaults for most members of `Stage`; nearly every stage inherits from it.
- `simple_stage.SimpleStage` makes a stage from one function.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.text import visible
from shopbatch.warehouse import utf8


class Scorer(Protocol):
    """A stage that was opened in a worker: its model is loaded, and it computes batches of rows."""

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Group rows into batches, each of which becomes one engine call.

        Args:
            content: The stage's content columns, [n].

        Returns:
            One integer array of row numbers (0 to n - 1) per batch. Each row is in exactly one batch.
        """

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Compute the raw outputs of one batch of rows, in the order of the rows.

        Args:
            content: The stage's content columns, [n].
            attempts: int8 [n]: for each row the number of this attempt, from 1. Seeds and limits may depend on it.

        Returns:
            A table of n rows with the columns of `Stage.outputs` and with `tokens` (int32): how many tokens the engine
            read for the row.

        Raises:
            EngineError: The engine failed on this batch. The worker then calls `run` for each row alone.
        """


class Stage(Protocol):
    """The protocol of a stage: everything that the machinery of `inference/` reads from it or calls on it."""

    @property
    def content(self) -> tuple[str, ...]:
        """Names of the source columns that a result depends on. The content hash of a row is computed from them."""

    @property
    def passthrough_columns(self) -> tuple[str, ...]:
        """Names of source columns that are copied into the published row.

        If only these columns of a row change, nothing is computed again.
        """

    @property
    def outputs(self) -> pa.Schema:
        """Schema of the raw output columns, as the memo stores them.

        If it has a column `tokens_out`, its sum is reported as the tokens that the engine generated.
        """

    @property
    def drift_columns(self) -> tuple[str, str] | None:
        """Names of two published columns, (group, label), for example ("language", "label"); None: no drift gate.

        The gate `drift` compares the shares of their value pairs with those of the live table.
        """

    @property
    def stateless(self) -> bool:
        """Whether `open` costs nothing.

        True: each unit of rows runs in a Ray task of its own. False: the stage is opened once in each Ray actor, which
        then computes many units.
        """

    @property
    def gpus(self) -> float:
        """Number of GPUs that one actor needs; with a fraction such as 0.5, actors share a GPU.

        Stages that run in tasks (`stateless`) get none.
        """

    @property
    def checks(self) -> int | str:
        """Version of `judge`, `refuse` and `publish`, the steps after the engine.

        When it changes, the table is published again from the memo, and the engine is not called.
        """

    @property
    def harmless(self) -> tuple[str, ...]:
        """Rejection reasons of this stage that are no sign of a fault, so that the gate `rejects` ignores them.

        The reasons in `audit.HARMLESS` are not counted for any stage.
        """

    @property
    def engine_kind(self) -> str:
        """Name of the engine, as the run's report shows it."""

    def recipe(self) -> Mapping[str, Any]:
        """Return everything that can change a raw output: engine, digest of the model, lengths, version of the stage.

        Returns:
            A tree that can be written as JSON. Its digest is the key under which the memo stores the results: if any
            value changes, all rows are computed again.
        """

    def check(self, content: pa.Table) -> pa.Array:
        """Find the rows that cannot be scored, before the engine sees them.

        Args:
            content: The stage's content columns, [n].

        Returns:
            String array [n]: the reason why the row is rejected, null if it can be scored.
        """

    def open(self) -> Scorer:
        """Load the model and return the scorer. Called once in each worker; the only member that may do I/O."""

    def judge(self, raw: pa.Table) -> pa.Array:
        """Find the raw outputs that may not be published, for example an answer that is not valid JSON.

        Args:
            raw: Raw outputs (the columns of `outputs`), [n].

        Returns:
            String array [n]: the reason why the result is refused, null if it may be published. With `attempts` above 1
            a refused result is computed again.
        """

    def refuse(self, passed: pa.Table, raw: pa.Table) -> pa.Array:
        """Find the rows that may not be published although `judge` accepts their results.

        Unlike `judge` it sees the key of the row, and what it refuses is not computed again.

        Args:
            passed: The key, the passthrough columns and `content_hash`, [n].
            raw: The raw outputs of the same rows, [n].

        Returns:
            String array [n]: the reason why the row is rejected, null if it is published.
        """

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Make the job's own columns of the published table from the raw outputs.

        The machinery adds the other columns (key, passthrough columns, recipe, run and so on).

        Args:
            passed: The key, the passthrough columns and `content_hash`, [n].
            raw: The raw outputs of the same rows, [n].

        Returns:
            {column name: array [n]}.
        """

    def measure(self, published: pa.Table) -> dict[str, float]:
        """Compute numbers about one published file, which gates of this stage compare with `limits`.

        Args:
            published: The rows of one file of the candidate.

        Returns:
            {name: value}. The gate uses the greatest value over all files of the candidate.
        """

    def limits(self) -> dict[str, float]:
        """Return the greatest allowed value of each number of `measure`, {name: limit}. Each becomes a gate."""


class BaseStage:
    """Base class of stages with defaults for most members. A subclass adds `content`, `outputs`, `recipe` and `open`.

    A dataclass field that replaces one of the properties needs a plain default value.
    """

    max_text_bytes: ClassVar[int] = 100_000

    @property
    def passthrough_columns(self) -> tuple[str, ...]:
        """No source column is copied into the published row."""
        return ()

    @property
    def drift_columns(self) -> tuple[str, str] | None:
        """None: the table has no drift gate."""
        return None

    @property
    def stateless(self) -> bool:
        """True: the stage runs in Ray tasks, not in actors."""
        return True

    @property
    def gpus(self) -> float:
        """0: the stage needs no GPU."""
        return 0.0

    @property
    def checks(self) -> int | str:
        """1 plus the version of the rule for what counts as a word (`text.visible`), which `check_content` applies."""
        return 1 + visible.VERSION

    @property
    def harmless(self) -> tuple[str, ...]:
        """No rejection reasons: the gate `rejects` leaves out only those in `audit.HARMLESS`."""
        return ()

    @property
    def engine_kind(self) -> str:
        """The value `engine.kind` of the recipe; "none" if the recipe names no engine."""
        engine = self.recipe().get("engine")
        return str(engine["kind"]) if isinstance(engine, Mapping) and "kind" in engine else "none"

    def recipe(self) -> Mapping[str, Any]:
        """Raise TypeError, because every stage must declare a recipe of its own."""
        raise TypeError(f"{type(self).__name__} has no 'recipe'; see inference.stage.Stage")

    def check(self, content: pa.Table) -> pa.Array:
        """Reject rows that no engine can read: invalid UTF-8, too long or without a word; see `check_content`."""
        return check_content(content, self.max_text_bytes)

    def judge(self, raw: pa.Table) -> pa.Array:
        """Accept every raw output."""
        return pa.nulls(raw.num_rows, pa.string())

    def refuse(self, passed: pa.Table, raw: pa.Table) -> pa.Array:
        """Accept every row."""
        return pa.nulls(raw.num_rows, pa.string())

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Return the raw outputs unchanged."""
        return {name: raw[name] for name in raw.column_names}

    def measure(self, published: pa.Table) -> dict[str, float]:
        """Measure nothing, so the stage has no gates of its own."""
        return {}

    def limits(self) -> dict[str, float]:
        """Return no limits, because `measure` measures nothing."""
        return {}


def check_content(content: pa.Table, max_text_bytes: int) -> pa.Array:
    """Find the rows that no engine can read.

    A row gets the first of these reasons that applies:

    - `invalid_utf8`: a text is not valid UTF-8.
    - `empty`: each column is null, a text without a word (see `text.visible`), or an empty list or map.
    - `too_long`: a text has more than `max_text_bytes`.

    Args:
        content: Columns of any type, [n].
        max_text_bytes: Greatest length in bytes of a value of a text column.

    Returns:
        String array [n]: the reason, null if the row is fine.
    """
    reason = pa.nulls(content.num_rows, pa.string())
    broken = [mask for c in content.columns if (mask := utf8.invalid_utf8(c)) is not None]
    columns = [_flat(utf8.blank(c) if _is_text(c.type) else c) for c in content.columns]
    blank = [_is_blank(c) for c in columns]
    long = [pc.fill_null(pc.greater(pc.binary_length(c), max_text_bytes), False) for c in columns if _is_text(c.type)]
    for name, masks, combine in (
        ("too_long", long, pc.or_),
        ("empty", blank, pc.and_),
        ("invalid_utf8", broken, pc.or_),
    ):
        if masks:
            reason = pc.if_else(reduce(combine, masks), name, reason)
    return reason


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_blank(column: pa.Array) -> pa.Array:
    """Return a boolean mask [n]: True where the value is null, text without a word, or an empty list or map."""
    if _is_text(column.type):
        return pc.invert(visible.has_word(column))
    if pa.types.is_map(column.type):
        column = column.cast(pa.large_list(column.type.field(0).type))
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return pc.fill_null(pc.equal(pc.list_value_length(column), 0), True)
    return column.is_null()
