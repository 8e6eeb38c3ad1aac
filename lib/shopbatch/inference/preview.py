"""Runs a few rows through a stage in this process, without table, memo or Ray: for `shopbatch try` and `score`.

Nothing is published or kept. The rows pass through the same checks, engine and judge as in a run, so that the results
are those that a run would publish.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.errors import UserError, one_line
from shopbatch.core.hashing import hash128, hex128
from shopbatch.inference.spec import Spec


def preview(spec: Spec, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Compute the results of some rows as a run would, without publishing them.

    Args:
        spec: The inference job.
        rows: Rows of its source table; columns may be missing. A row without the key gets its number (from 1) as key.

    Returns:
        One dictionary per row, in order: its key, and either the stage's published columns, or `rejected` with the
        reason.

    Raises:
        UserError: A row has a column that the source does not have, or a value of a wrong type.
        EngineError: The engine failed.
    """
    source = _table(spec, rows)
    keys = source[spec.key].to_pylist()
    if not rows:
        return []
    content = source.select(spec.stage.content)
    reasons = spec.stage.check(content).to_pylist()
    good = [i for i, reason in enumerate(reasons) if reason is None]
    results = [{spec.key: key, "rejected": reason} for key, reason in zip(keys, reasons, strict=True)]
    if good:
        raw, passed = _compute(spec, content.take(good)), source.select((spec.key, *spec.stage.passthrough_columns))
        hashes = hex128(*hash128([content[name] for name in spec.stage.content]))
        passed = passed.append_column("content_hash", hashes).take(good)
        verdicts = pc.coalesce(spec.stage.judge(raw), spec.stage.refuse(passed, raw)).to_pylist()
        for i, verdict in zip(good, verdicts, strict=True):
            results[i] = {spec.key: keys[i], "rejected": verdict}
        kept = [n for n, verdict in enumerate(verdicts) if verdict is None]  # only these are passed to `publish`
        if kept:
            published = pa.table(spec.stage.publish(passed.take(kept), raw.take(kept)))
            for n, row in zip(kept, published.to_pylist(), strict=True):
                results[good[n]] = {spec.key: keys[good[n]], **row}
    return results


def _compute(spec: Spec, content: pa.Table) -> pa.Table:
    """Run the stage on rows that it can score, and return the raw outputs in the order of the rows."""
    scorer = spec.stage.open()
    batches = [np.asarray(batch) for batch in scorer.plan(content)]
    pieces = [scorer.run(content.take(batch), np.ones(len(batch), np.int8)) for batch in batches]
    return pa.concat_tables(pieces).take(np.argsort(np.concatenate(batches), kind="stable"))


def _table(spec: Spec, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Convert the rows to a table with all source columns that the job reads; missing values are null."""
    schema = pa.schema([spec.source.schema().field(name).with_nullable(True) for name in spec.columns])
    known = spec.source.names
    values: dict[str, list[Any]] = {name: [] for name in spec.columns}
    for number, row in enumerate(rows, 1):
        if unknown := [name for name in row if name not in known]:
            raise UserError(f"{spec.source.name} has no column {unknown[0]!r}; it has: {', '.join(known)}")
        for name in spec.columns:
            value = row.get(name)
            value = str(number) if value is None and name == spec.key else value
            values[name].append(list(value.items()) if isinstance(value, Mapping) else value)
    try:
        return pa.table({f.name: pa.array(values[f.name], f.type) for f in schema}, schema=schema)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise UserError(f"a row is not one of {spec.source.name}: {one_line(error)}") from None
