"""What a stage is: what happens to a batch of rows, and everything that the machinery asks of it.

A stage is pure: columns in, columns out, no I/O outside `open`. It is pickled to the workers. `BaseStage` answers the
questions that most stages answer alike; `simple_stage.SimpleStage` makes a stage from one function.
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
    """A stage that is ready inside a worker: its model is loaded and its device is taken."""

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Group the rows of `content` into engine calls: row numbers, every row exactly once."""

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Compute the raw outputs of these rows, in order.

        Args:
            content: The stage's content columns, [n].
            attempts: int8 [n], from 1: the number of the attempt at each row. Seeds and limits may depend on it.

        Returns:
            The stage's `outputs`, and `tokens` (int32): how many tokens the engine read for each row.

        Raises:
            EngineError: The engine failed on this batch. Its rows are then tried one by one.
        """


class Stage(Protocol):
    """Everything that the machinery asks of a stage."""

    @property
    def content(self) -> tuple[str, ...]:
        """Source columns that a result depends on. The content hash is of these."""

    @property
    def passthrough_columns(self) -> tuple[str, ...]:
        """Source columns that the published row takes over; a change of them computes nothing."""

    @property
    def outputs(self) -> pa.Schema:
        """Raw columns that the memo keeps. `tokens_out`, if it is one of them, is counted as the engine's use."""

    @property
    def drift_columns(self) -> tuple[str, str] | None:
        """Two published columns, (group, label), whose shares are compared with the live version's. None: no gate."""

    @property
    def stateless(self) -> bool:
        """Whether `open` costs nothing. If so, the stage runs in tasks; if not, it is opened once in each actor."""

    @property
    def gpus(self) -> float:
        """GPUs of one actor; a fraction shares one."""

    @property
    def checks(self) -> int | str:
        """Version of `judge`, `refuse` and `publish`, which never need the engine.

        A new one publishes again from the memo.
        """

    @property
    def harmless(self) -> tuple[str, ...]:
        """Reasons of its own that lose nothing, so that the gate on rejected rows does not count them."""

    @property
    def engine_kind(self) -> str:
        """Name of the engine in the report."""

    def recipe(self) -> Mapping[str, Any]:
        """Everything that can change a raw output (engine, model digest, lengths, stage version), as a JSON-able tree.

        Its digest names the results in the memo.
        """

    def check(self, content: pa.Table) -> pa.Array:
        """Say why a row cannot be scored: a reason (string) per row, null for the others."""

    def open(self) -> Scorer:
        """Load what is needed; called once in each worker."""

    def judge(self, raw: pa.Table) -> pa.Array:
        """Say why a raw output may not be published: a reason (string) per row, null for the others."""

    def refuse(self, passed: pa.Table, raw: pa.Table) -> pa.Array:
        """Say which rows may not be published although `judge` lets their results pass; arguments as for `publish`.

        Unlike `judge`, it sees the key, and what it refuses is not tried again.

        Returns:
            A reason (string) per row, null for the others.
        """

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Make the published columns that the machinery does not add.

        Args:
            passed: The key, the passthrough columns and `content_hash`, [n].
            raw: The raw outputs of the same rows.
        """

    def measure(self, published: pa.Table) -> dict[str, float]:
        """Measure a published file for the stage's own gates; the greatest value over all files counts."""

    def limits(self) -> dict[str, float]:
        """The greatest allowed value of each number of `measure`."""


class BaseStage:
    """Defaults for a stage. A new one adds `content`, `outputs`, `recipe` and `open`.

    A dataclass field that replaces one of these properties needs a plain default value.
    """

    max_text_bytes: ClassVar[int] = 100_000

    @property
    def passthrough_columns(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def drift_columns(self) -> tuple[str, str] | None:
        """No drift gate."""
        return None

    @property
    def stateless(self) -> bool:
        """The stage runs in tasks."""
        return True

    @property
    def gpus(self) -> float:
        """None."""
        return 0.0

    @property
    def checks(self) -> int | str:
        """The first version, by what `check_content` takes for a word."""
        return 1 + visible.VERSION

    @property
    def harmless(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def engine_kind(self) -> str:
        """The engine's kind in the recipe, if it names one."""
        engine = self.recipe().get("engine")
        return str(engine["kind"]) if isinstance(engine, Mapping) and "kind" in engine else "none"

    def recipe(self) -> Mapping[str, Any]:
        """Every stage declares its own."""
        raise TypeError(f"{type(self).__name__} has no 'recipe'; see inference.stage.Stage")

    def check(self, content: pa.Table) -> pa.Array:
        """invalid_utf8, too_long (more than max_text_bytes of text) or empty (no column holds a word)."""
        return check_content(content, self.max_text_bytes)

    def judge(self, raw: pa.Table) -> pa.Array:
        """Nothing is refused."""
        return pa.nulls(raw.num_rows, pa.string())

    def refuse(self, passed: pa.Table, raw: pa.Table) -> pa.Array:
        """Nothing is refused."""
        return pa.nulls(raw.num_rows, pa.string())

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """The raw outputs as they are."""
        return {name: raw[name] for name in raw.column_names}

    def measure(self, published: pa.Table) -> dict[str, float]:
        """Nothing."""
        return {}

    def limits(self) -> dict[str, float]:
        """None."""
        return {}


def check_content(content: pa.Table, max_text_bytes: int) -> pa.Array:
    """Find the rows that no engine can read.

    Args:
        content: Columns of any type, [n].
        max_text_bytes: Greatest length of a text column's value.

    Returns:
        A reason per row, null for the others. invalid_utf8: a text is not valid UTF-8. too_long: a text is longer than
        allowed. empty: every column is null, text without a word (see `text.visible`) or an empty list
        or map.
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
    """Where a value is null, text without a word, or an empty list or map."""
    if _is_text(column.type):
        return pc.invert(visible.has_word(column))
    if pa.types.is_map(column.type):
        column = column.cast(pa.large_list(column.type.field(0).type))
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return pc.fill_null(pc.equal(pc.list_value_length(column), 0), True)
    return column.is_null()
