"""Rows to look at: some of what was published, beside what it was made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.hashing import hash128, hex128
from shopbatch.core.privacy import mask
from shopbatch.inference.candidate import VOLATILE
from shopbatch.inference.spec import Spec
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot

MOST = 48  # samples in all, if there are very many groups and labels
MAX_TEXT = 300


def sample_rows(spec: Spec, source: Snapshot, live: Snapshot | None, each: int = 2) -> list[dict[str, Any]]:
    """Choose some live rows, beside the content that they were made from, for the report.

    Every group and label of the stage's drift columns is shown, the group with most rows first, then by label.

    Args:
        spec: The job.
        source: The source.
        live: The live table; None: there is none.
        each: Rows of every group and label (of the whole table, if the stage has no drift columns).
    """
    if live is None:
        return []
    groups = tuple(spec.stage.drift_columns or ())
    chosen = _choose(spec.key, groups, live, each)
    shown = [c for c in spec.sink.names if c not in (*VOLATILE, "recipe")]
    rows = pl.DataFrame(rows_with(live, spec.key, chosen, shown))
    if rows.is_empty():
        return []
    rows = rows.select(*groups, pl.exclude(groups)).unique(spec.key, keep="first", maintain_order=True)
    rows = rows.join(pl.DataFrame({spec.key: chosen}).with_row_index("place"), on=spec.key).sort("place")
    content = content_of(source, spec.key, spec.stage.content, rows)
    both = rows.drop("place").join(
        content, on=[spec.key, "content_hash"], how="inner", maintain_order="left", suffix=" (source)"
    )
    listed = both.unique(spec.key, keep="first", maintain_order=True).drop("content_hash").to_dicts()
    return [{k: _short(v) for k, v in row.items()} for row in listed]


def content_of(source: Snapshot, key: str, columns: Sequence[str], rows: pl.DataFrame) -> pl.DataFrame:
    """Return the content that these published rows were made from: key, columns, content_hash.

    A row whose content has changed since, or is gone, is left out.

    Args:
        source: The source.
        key: The key column of both.
        columns: The stage's content columns.
        rows: Published rows, with the key and `content_hash`.
    """
    content = rows_with(source, key, rows[key].to_list(), [key, *columns])
    hashes = hex128(*hash128([content[c] for c in columns]))
    content = content.append_column("content_hash", hashes)  # a key may occur twice: only the computed row counts
    names = pa.array(rows["content_hash"].to_list(), pa.string())
    return pl.DataFrame(content.filter(pc.is_in(hashes, names)))


def rows_with(snapshot: Snapshot, key: str, values: Sequence[str], columns: Sequence[str]) -> pa.Table:
    """Read the rows whose key is among `values`. Row groups without such a row cost the reading of their keys only."""
    wanted, schema = pa.array(values, pa.string()), snapshot.select(columns)
    parts = [schema.empty_table()]
    for file, group, keys in _groups(snapshot, [key]):
        hits = pc.is_in(keys[key], wanted)
        if pc.any(hits).as_py():
            parts.append(files.read(file.uri, schema, file.partition, [group]).filter(hits))
    return pa.concat_tables(parts)


def _choose(key: str, groups: tuple[str, ...], live: Snapshot, each: int) -> list[str]:
    """The keys of the rows to show, in the order to show them."""
    chosen: dict[tuple[str, ...], list[str]] = {}
    totals: Counter[str] = Counter()
    for _, _, table in _groups(live, [key, *groups]):
        part = pl.DataFrame(table).with_columns(pl.lit("").alias("all"))
        cells = part.group_by(groups or "all", maintain_order=True).agg(pl.col(key).head(each), pl.len().alias("rows"))
        for *cell, keys, rows in cells.iter_rows():
            name = tuple(str(value) for value in cell)
            totals[name[0]] += rows
            listed = chosen.setdefault(name, [])
            listed += keys[: each - len(listed)]
        if not groups and len(chosen.get(("",), [])) == each:
            break
    order = sorted(chosen, key=lambda name: (-totals[name[0]], name))
    most = each if len(order) * each <= MOST else 1
    return [k for name in order[:MOST] for k in chosen[name][:most]]


def _groups(snapshot: Snapshot, columns: Sequence[str]) -> Iterator[tuple[files.FileRef, int, pa.Table]]:
    """Read these columns one row group at a time: (file, row group, rows)."""
    schema = snapshot.select(columns)
    for file in sorted(snapshot.files, key=lambda f: f.path):
        for group in range(len(files.row_group_rows(file.uri))):
            yield file, group, files.read(file.uri, schema, file.partition, [group])


def _short(value: Any) -> Any:
    """A long text is masked before it is cut: half a phone number would not be recognised. Bytes are only counted."""
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return mask(value)[:MAX_TEXT] + "…" if isinstance(value, str) and len(value) > MAX_TEXT else value
