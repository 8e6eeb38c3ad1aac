"""Writes the candidate: joins the source rows with the memo's results into the published table and its rejects.

`publish.py` calls `build_candidate`, which runs `write_part` for each part of the source. The files are written to
their final place, but no reader sees them before the commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.hashing import hash128, hex128
from shopbatch.inference.candidate import VOLATILE, Candidate, Written
from shopbatch.inference.memo import Memo
from shopbatch.inference.parts import Part
from shopbatch.inference.pending import all_answers
from shopbatch.inference.refs import ObjectRefs, fetch, scatter, start
from shopbatch.inference.shards import split, to_arrow
from shopbatch.inference.source import Index
from shopbatch.inference.spec import INFRA, Spec
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.store import Snapshot, Store
from shopbatch.warehouse.utf8 import blank, invalid_utf8


def build_candidate(
    spec: Spec, store: Store, source: Snapshot, index: Index, memo: Memo, live: Snapshot | None
) -> Candidate:
    """Write the files of the candidate (published rows and rejects) from the source and the memo, one task per part.

    Args:
        spec: The inference job.
        store: The warehouse.
        source: The pinned snapshot of the source table.
        index: The content hash of each source row, or the reason why the row cannot be scored.
        memo: The results by content hash.
        live: The live table. If the new result of a row is pending, its live row is kept. None: no rows are kept.

    Returns:
        The candidate: its files, which are not visible yet, and the counts for the gates.
    """
    if not index.parts:
        return Candidate([])
    answers = all_answers(spec, index, memo)
    kept = _kept_rows(spec, index, live)
    schema = source.select(spec.columns)
    target = Target(spec, store.root, memo.run_id, schema)
    written = [
        start(write_part, target, part, index.rows[i], index.shards, *(shard[i] for shard in answers), *kept)
        for i, part in enumerate(index.parts)
    ]
    return Candidate(fetch(written))


def _kept_rows(spec: Spec, index: Index, live: Snapshot | None) -> ObjectRefs:
    """Split the live rows by the hash of their key, so that `write_part` can keep those whose new result is pending.

    Returns:
        One reference per hash shard to a table of live rows; [] without live rows.
    """
    if live is None or not live.files:
        return []
    rows = [scatter(split_live, index.shards, spec, file, index.shards).pieces for file in live.files]
    return [start(stack, *(r[s] for r in rows)) for s in range(index.shards)]


def split_live(spec: Spec, file: FileRef, shards: int) -> list[Any]:
    """Read one file of the live table, and split its rows by the hash of their key.

    Returns:
        [number of rows, rows of shard 0, of shard 1, ...]. The rows have the key's hash as further columns khi and klo.
    """
    data = files.read(file.uri, spec.sink.schema(), file.partition)
    high, low = hash128([data[spec.key]])
    frame = pl.DataFrame(data).with_columns(pl.Series("khi", high), pl.Series("klo", low))
    return [len(frame), *split(frame, "khi", shards)]


def stack(*pieces: pa.Table) -> pa.Table:
    """Concatenate the tables of one shard, which come from several files. It runs as a Ray task."""
    return pa.concat_tables(pieces)


@dataclass(frozen=True)
class Target:
    """The data that every task needs to write files of the candidate.

    Attributes:
        spec: The inference job.
        root: Path or URI of the warehouse.
        run_id: The run; it names the folder of the files.
        schema: The source columns that the job reads.
    """

    spec: Spec
    root: str
    run_id: str
    schema: pa.Schema


def write_part(target: Target, part: Part, index: pa.Table, shards: int, *pieces: pa.Table) -> Written:
    """Write the candidate's files for one part of the source: published rows and rejects.

    Args:
        target: The job, and where its files are written.
        part: The part.
        index: The part's rows (hi, lo, reason), as `source.settle_part` returns them.
        shards: Number of hash shards.
        pieces: The memo's answers for the part, one table per shard (see `pending.look_up`). If live rows are kept,
            their tables follow, one per shard.

    Returns:
        The written files and their counts.
    """
    spec = target.spec
    rows = _answered(spec, index, pieces[:shards])
    lost, scored = _split(rows, rows["cause"].is_not_null())
    done, open_ = _split(scored, scored["run_id"].is_not_null())
    live = pieces[shards:]
    needed = rows if live or open_.is_empty() else pl.concat([done, lost]).sort("pos")
    source = _Source.read(target, part, needed["pos"].to_numpy())
    passed = source.at(done["pos"])
    passed = passed.append_column("content_hash", hex128(done["hi"].to_numpy(), done["lo"].to_numpy()))
    for causes_of in (_broken, _refused):
        causes = causes_of(spec, passed, done)
        bad = pl.Series("cause", causes, dtype=pl.String)
        if bad.null_count() < len(bad):
            lost = pl.concat([lost, done.with_columns(bad).filter(bad.is_not_null())]).sort("pos")
            done, passed = done.filter(bad.is_null()), passed.filter(pc.is_null(causes))
    table = _published(spec, passed, done)
    kept = _kept(spec, source, open_, live)
    if kept is not None:
        table = pa.concat_tables([table, kept])
    rejects = _rejects(target, part, source, lost)
    folder = "".join(f"{k}={v}/" for k, v in spec.scope.items())
    name = f"{folder}{target.run_id}/part-{part.number:05d}.parquet"
    return Written(
        files=_write(spec.sink, target.root, name, table, spec.scope),
        rejects=_write(spec.rejects, target.root, name, rejects, spec.scope),
        published=table.num_rows,
        rejected=rejects.num_rows,
        pending=len(open_) - (kept.num_rows if kept is not None else 0),
        kept=kept.num_rows if kept is not None else 0,
        reasons=dict(lost.group_by("cause").len().iter_rows()),
        mix=_mix(_whole(spec, table), spec.stage.drift_columns),
        measured=spec.stage.measure(table) if table.num_rows else {},
        digest=_digest(table),
        rejects_digest=_digest(rejects),
    )


def _answered(spec: Spec, index: pa.Table, pieces: Sequence[pa.Table]) -> pl.DataFrame:
    """Join the index of a part's rows with the memo's answers (one row per source row), and add the column `cause`.

    `cause` says why a row cannot be published: its reason from the index, or the verdict on its result. It is null if
    the row can be published or if its result is pending.
    """
    rows = pl.DataFrame(index).with_row_index("pos").rename({"reason": "cause"})
    answers = pl.concat([pl.DataFrame(p) for p in pieces], how="diagonal")
    if answers.width > 1:  # otherwise the memo holds nothing
        place = np.full(len(rows), len(answers), np.uint32)  # where in `answers` the row's answer is
        place[answers["pos"].to_numpy()] = np.arange(len(answers), dtype=np.uint32)
        where = pl.Series(pa.array(place, mask=place == len(answers)))
        rows = rows.hstack(answers.drop("pos").select(pl.all().gather(where)))
    for column in spec.memo.file_schema():
        if column.name not in rows.columns and not column.name.startswith("hash_"):
            rows = rows.with_columns(pl.Series(column.name, pa.nulls(len(rows), column.type)))
    verdict = pl.col("verdict") if "verdict" in rows.columns else pl.lit(None, pl.String)
    return rows.with_columns(pl.coalesce("cause", verdict).alias("cause"))


def _split(rows: pl.DataFrame, mask: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rows into (rows where the mask is true, other rows). If one of these is empty, nothing is copied."""
    if mask.all():
        return rows, rows.clear()
    return (rows.filter(mask), rows.filter(~mask)) if mask.any() else (rows.clear(), rows)


@dataclass(frozen=True)
class _Source:
    """The key and passthrough columns of some rows of a part.

    Attributes:
        positions: Positions of the rows in the part, ascending.
        rows: The rows, in the same order.
    """

    positions: np.ndarray
    rows: pa.Table

    @classmethod
    def read(cls, target: Target, part: Part, positions: np.ndarray) -> _Source:
        """Read the rows at these positions of a part."""
        columns = dict.fromkeys((target.spec.key, *target.spec.stage.passthrough_columns))
        schema = pa.schema([target.schema.field(c) for c in columns])
        return cls(positions, pa.concat_tables([schema.empty_table(), *(r for _, r in part.read(schema, positions))]))

    def at(self, positions: pl.Series) -> pa.Table:
        """Return the rows at these positions (ascending), which must be among the rows that were read."""
        if len(positions) == len(self.positions):
            return self.rows
        return self.rows.take(np.searchsorted(self.positions, positions.to_numpy()))


def _broken(spec: Spec, passed: pa.Table, done: pl.DataFrame) -> pa.Array:
    """Return `invalid_utf8` for each row with text that is not valid UTF-8; null for the other rows.

    Args:
        spec: Not used.
        passed: Key, passthrough columns and `content_hash` of the rows, [n]. Only these columns are examined.
        done: Not used.
    """
    none = pa.nulls(passed.num_rows, pa.string())
    masks = [mask for c in passed.columns if (mask := invalid_utf8(c)) is not None]
    return pc.if_else(reduce(pc.or_, masks), "invalid_utf8", none) if masks else none


def _refused(spec: Spec, passed: pa.Table, done: pl.DataFrame) -> pa.Array:
    """Return the reason of `Stage.refuse` for each row that it refuses; null for the other rows.

    Args:
        spec: The inference job.
        passed: Key, passthrough columns and `content_hash` of the rows, [n].
        done: The memo's results for the same rows.
    """
    return spec.stage.refuse(passed, _raw(spec, done))


def _raw(spec: Spec, done: pl.DataFrame) -> pa.Table:
    """Select the stage's raw outputs (`Stage.outputs`) from rows with memo results, as an Arrow table."""
    return to_arrow(done.select(spec.stage.outputs.names)).cast(spec.stage.outputs)


def _published(spec: Spec, passed: pa.Table, done: pl.DataFrame) -> pa.Table:
    """Return the rows of the published table, in source order.

    Args:
        spec: The inference job.
        passed: Key, passthrough columns and `content_hash` of the rows, [n].
        done: The memo's results for the same rows: the stage makes its columns from them, and `recipe`, `run_id`,
            `scored_at` and `tokens_in` are added.
    """
    columns: dict[str, Any] = {n: passed[n] for n in passed.column_names}
    columns |= spec.stage.publish(passed, _raw(spec, done))
    columns["recipe"] = pa.repeat(spec.recipe, len(done))
    columns |= {n: done[n].to_arrow() for n in VOLATILE}
    columns["tokens_in"] = done["tokens"].to_arrow()
    return _conform(columns, spec.sink)


def _kept(spec: Spec, source: _Source, open_: pl.DataFrame, live: Sequence[pa.Table]) -> pa.Table | None:
    """Return the live rows whose new results are pending in this part, sorted by key, so that they stay published.

    Args:
        spec: The inference job.
        source: The key columns of the part.
        open_: The rows of the part whose result is pending.
        live: The live rows, one table per hash shard; empty if this run keeps no live rows.

    Returns:
        None if `live` or `open_` is empty.
    """
    if not live or open_.is_empty():
        return None
    high, low = hash128([source.at(open_["pos"])[spec.key]])
    keys = pl.DataFrame({"khi": high, "klo": low})
    rows = pl.concat([pl.DataFrame(t).join(keys, on=["khi", "klo"], how="semi") for t in live]).sort(spec.key)
    schema = spec.sink.file_schema()
    return to_arrow(rows.select(schema.names)).cast(schema)


def _rejects(target: Target, part: Part, source: _Source, lost: pl.DataFrame) -> pa.Table:
    """Return the rows of the rejects table for the rows `lost` of a part: their keys and why each is not published.

    The columns source_file and source_row tell where each rejected row is in the source snapshot.
    """
    spec, positions = target.spec, lost["pos"].to_numpy()
    paths, rows_in_file, first = [], [], 0
    for piece in part.slices:
        a, b = np.searchsorted(positions, [first, first + piece.rows])
        paths += [piece.file.path] * int(b - a)
        rows_in_file.append(positions[a:b].astype(np.int64) - first + piece.first_row)
        first += piece.rows
    is_infra = pl.when(lost["cause"].is_in(list(INFRA))).then(pl.lit("infra")).otherwise(pl.lit("row"))
    columns = {
        # a key that is not valid UTF-8 is stored as null: nobody could read it
        spec.key: pc.if_else(
            pc.equal(lost["cause"].to_arrow(), "no_key"), None, blank(source.at(lost["pos"])[spec.key])
        ),
        "reason": lost["cause"].to_arrow(),
        "kind": pl.select(is_infra).to_series().to_arrow(),
        "attempt": lost["attempt"].fill_null(0).cast(pl.Int8).to_arrow(),
        "content_hash": hex128(lost["hi"].to_numpy(), lost["lo"].to_numpy()),
        "recipe": pa.repeat(spec.recipe, len(lost)),
        "source_file": pa.array(paths, pa.string()),
        "source_row": pa.array(np.concatenate(rows_in_file) if rows_in_file else np.empty(0, np.int64)),
        "run_id": lost["run_id"].fill_null(target.run_id).to_arrow(),
    }
    return _conform(columns, spec.rejects)


def _conform(columns: Mapping[str, Any], table: Table) -> pa.Table:
    """Select the columns of a declared table from {name: values}, in its order, and cast them to its types."""
    schema = table.file_schema()
    return pa.table([columns[n] for n in schema.names], names=schema.names).cast(schema)


def _write(table: Table, root: str, path: str, rows: pa.Table, scope: Mapping[str, str]) -> list[DataFile]:
    if not rows.num_rows:
        return []
    files.write(f"{root}/{table.name}/{path}", rows)
    return [files.describe(f"{root}/{table.name}", path, table.file_schema(), dict(scope))]


def _whole(spec: Spec, rows: pa.Table) -> pa.Table:
    """Add the partition columns (`Spec.scope`) to rows of a data file, whose path alone holds their values."""
    for name, value in spec.scope.items():
        rows = rows.append_column(name, pa.repeat(pa.scalar(value), rows.num_rows))
    return rows


def _mix(table: pa.Table, columns: tuple[str, str] | None) -> dict[str, dict[str, int]]:
    """Count the rows by the values of two columns, {group: {label: rows}}; {} without columns."""
    if columns is None:
        return {}
    group, label = columns
    counts: dict[str, dict[str, int]] = {}
    frame = pl.DataFrame(table.select([group, label])).group_by(group, label).len().sort(group, label)
    for name, value, rows in frame.iter_rows():
        counts.setdefault(str(name), {})[str(value)] = rows
    return counts


def _digest(table: pa.Table) -> int:
    """Return the sum of the row hashes modulo 2^64: the same for the same rows in any order.

    Columns that only tell how a row came to be (`candidate.VOLATILE`) are left out.
    """
    lasting = pl.DataFrame(table.select([name for name in table.column_names if name not in VOLATILE]))
    return int(lasting.hash_rows(seed=7).to_numpy().sum(dtype=np.uint64)) if len(lasting) else 0
