"""Rows to look at: some of what was published, beside what it was made from."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.hashing import hash128, hex128
from shopbatch.inference.candidate import VOLATILE
from shopbatch.inference.spec import Spec
from shopbatch.warehouse.store import Snapshot

SAMPLED_ROWS = 20_000


def sample_rows(spec: Spec, source: Snapshot, live: Snapshot | None, each: int = 2) -> list[dict[str, Any]]:
    """Choose some live rows, beside the content that they were made from, for the report.

    Args:
        spec: The job.
        source: The source.
        live: The live table; None: there is none.
        each: Rows of every group and label of the stage's drift columns (of the whole table, if it has none).
    """
    if live is None:
        return []
    shown = [c for c in spec.sink.names if c not in (*VOLATILE, "recipe")]
    rows = pl.DataFrame(live.read(shown, limit=SAMPLED_ROWS))
    groups = spec.stage.drift_columns
    rows = rows.head(each) if groups is None else rows.group_by(groups, maintain_order=True).head(each)
    content = source.read([spec.key, *spec.stage.content], limit=SAMPLED_ROWS)
    content = content.filter(pc.is_in(content[spec.key], pa.array(rows[spec.key].to_list(), pa.string())))
    names = pa.array(rows["content_hash"].to_list(), pa.string())  # a key may occur twice: only the scored row is shown
    hashes = hex128(*hash128([content[c] for c in spec.stage.content]))
    content = content.append_column("content_hash", hashes).filter(pc.is_in(hashes, names))
    both = rows.join(
        pl.DataFrame(content), on=[spec.key, "content_hash"], how="inner", maintain_order="left", suffix=" (source)"
    )
    chosen = both.unique(spec.key, keep="first", maintain_order=True).drop("content_hash").to_dicts()
    return [{k: v[:300] + "…" if isinstance(v, str) and len(v) > 300 else v for k, v in row.items()} for row in chosen]
