"""Chooses sample rows of a published table, joined with the source content from which they were made.

The run's report shows the samples; other jobs use `rows_with` and `content_of` to read rows by key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.hashing import hash128, hex128
from shopbatch.core.privacy import mask
from shopbatch.inference.candidate import VOLATILE
from shopbatch.inference.spec import Spec
from shopbatch.warehouse import files
from shopbatch.warehouse.mix import OTHER
from shopbatch.warehouse.store import Snapshot

MOST = 48  # samples in all, if there are very many groups and labels
MAX_TEXT = 300
_Place = tuple[files.FileRef, int]  # a file, and one of its row groups


def sample_rows(spec: Spec, source: Snapshot, live: Snapshot | None, each: int = 2) -> list[dict[str, Any]]:
    """Choose some rows of the live table for the report, joined with the source content from which they were made.

    Rows of every (group, label) of the stage's drift columns are chosen: the group with most rows first, then by label.

    Args:
        spec: The inference job.
        source: The snapshot of the source table.
        live: The live table; None: there is none.
        each: Number of rows of every (group, label), or of the whole table if the stage has no drift columns. If this
            would give more than MOST samples in all, one row of every (group, label) is chosen, up to MOST.

    Returns:
        One dictionary per row: its published columns and content columns, long texts shortened. [] without live rows.
    """
    if live is None:
        return []
    groups = tuple(spec.stage.drift_columns or ())
    chosen, places = _choose(spec.key, groups, live, each)
    shown = [c for c in spec.sink.names if c not in (*VOLATILE, "recipe")]
    rows = pl.DataFrame(_rows_with(live, spec.key, chosen, shown, places))
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
    """Return the source content from which these published rows were made.

    A row whose content has changed since then, or is gone, is left out. Reading stops once all contents are found.

    Args:
        source: The snapshot of the source table.
        key: Name of the key column in source and published table.
        columns: The stage's content columns.
        rows: Published rows, with the key and `content_hash`.

    Returns:
        A frame with the key, `columns` and `content_hash`.
    """
    names, kind = pa.array(rows["content_hash"].to_list(), pa.string()), pa.field("content_hash", pa.string())
    parts = [source.select([key, *columns]).append(kind).empty_table()]
    left = set(rows.select(key, "content_hash").iter_rows())
    for content in _matches(source, key, rows[key].to_list(), [key, *columns], _groups(source)):
        hashes = hex128(*hash128([content[c] for c in columns]))
        same = content.append_column(kind, hashes).filter(pc.is_in(hashes, names))
        parts.append(same)
        left -= set(zip(same[key].to_pylist(), same["content_hash"].to_pylist(), strict=True))
        if not left:
            break
    return pl.DataFrame(pa.concat_tables(parts))


def rows_with(snapshot: Snapshot, key: str, values: Sequence[str], columns: Sequence[str]) -> pa.Table:
    """Return the rows of a snapshot whose key is among some values.

    Of row groups without such a row, only the keys are read.

    Args:
        snapshot: The pinned table.
        key: Its key column, of strings.
        values: The wanted keys.
        columns: The columns to return.
    """
    return _rows_with(snapshot, key, values, columns, _groups(snapshot))


def _rows_with(
    snapshot: Snapshot, key: str, values: Sequence[str], columns: Sequence[str], places: Iterable[_Place]
) -> pa.Table:
    rows = _matches(snapshot, key, values, columns, places)
    return pa.concat_tables([snapshot.select(columns).empty_table(), *rows])


def _matches(
    snapshot: Snapshot, key: str, values: Sequence[str], columns: Sequence[str], places: Iterable[_Place]
) -> Iterator[pa.Table]:
    """Yield the rows whose key is among `values`: one table for each row group of `places` that has such rows."""
    wanted, schema = pa.array(values, pa.string()), snapshot.select(columns)
    for file, group in places:
        keys = files.read(file.uri, snapshot.select([key]), file.partition, [group])[key]
        hits = pc.is_in(keys, wanted)
        if pc.any(hits).as_py():
            yield files.read(file.uri, schema, file.partition, [group]).filter(hits)


def _choose(key: str, groups: tuple[str, ...], live: Snapshot, each: int) -> tuple[list[str], list[_Place]]:
    """Choose the sample rows of the live table.

    Reading stops once there are `each` rows of every (group, label) that the metadata of the table counts.

    Returns:
        (keys of the rows in display order, row groups that hold them).
    """
    chosen: dict[tuple[str, ...], list[str]] = {}
    totals: Counter[str] = Counter()
    places: dict[tuple[str, int], _Place] = {}
    counts = _counts(live) if groups else {("",): live.rows}
    schema = live.select([key, *groups])
    for file, group in _groups(live):
        part = pl.DataFrame(files.read(file.uri, schema, file.partition, [group])).with_columns(pl.lit("").alias("all"))
        cells = part.group_by(groups or "all", maintain_order=True).agg(pl.col(key).head(each), pl.len().alias("rows"))
        for *cell, keys, rows in cells.iter_rows():
            name = tuple(str(value) for value in cell)
            totals[name[0]] += rows
            listed = chosen.setdefault(name, [])
            if len(listed) < each:
                listed += keys[: each - len(listed)]
                places[file.path, group] = file, group
        if counts and all(len(chosen.get(name, ())) >= min(each, rows) for name, rows in counts.items()):
            break
    if counts:
        totals = Counter()
        for name, rows in counts.items():
            totals[name[0]] += rows
    order = sorted(chosen, key=lambda name: (-totals[name[0]], name))
    most = each if len(order) * each <= MOST else 1
    return [k for name in order[:MOST] for k in chosen[name][:most]], list(places.values())


def _counts(live: Snapshot) -> dict[tuple[str, ...], int]:
    """Return the number of rows by (group, label) from the metadata of the table's last commit.

    {} if the metadata does not count all rows by group, for example because small groups were merged.
    """
    mix = live.metadata.get("mix") or {}
    counts: dict[tuple[str, ...], int] = {
        (group, label): rows for group, labels in mix.items() for label, rows in labels.items()
    }
    return counts if OTHER not in mix and sum(counts.values()) == live.rows else {}


def _groups(snapshot: Snapshot) -> Iterator[_Place]:
    """Yield all row groups of a snapshot as (file, number of the row group), file by file in path order."""
    for file in sorted(snapshot.files, key=lambda f: f.path):
        for group in range(len(files.row_group_rows(file.uri))):
            yield file, group


def _short(value: Any) -> Any:
    """Shorten a value for the report: bytes become their count, long texts are masked and cut to MAX_TEXT characters.

    Texts are masked before they are cut, because half a phone number would not be recognised.
    """
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return mask(value)[:MAX_TEXT] + "…" if isinstance(value, str) and len(value) > MAX_TEXT else value
