"""The published table and its rejects, derived from source and memo in one linear pass, and committed together.

Called by `run.py`. `write_part` writes a part's files where they will stay; nothing is visible before the commit.
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
import ray

from shopbatch.core.hashing import hash128, hex128
from shopbatch.inference.memo import Memo, look_up
from shopbatch.inference.source import Index, Part, Refs, split
from shopbatch.inference.spec import INFRA, Spec
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.store import Snapshot, Store

SAMPLED_ROWS = 20_000
VOLATILE = ("scored_at", "run_id")  # how a row came to be, not what it says: two tables without them are equal


@dataclass(frozen=True)
class Written:
    """What one publish task did. digest: of the rows' lasting columns, to be added up over parts (mod 2^64).

    kept: published rows taken over from the live table, their new result being pending.
    """

    files: list[DataFile]
    rejects: list[DataFile]
    published: int
    rejected: int
    pending: int
    kept: int
    reasons: dict[str, int]
    mix: dict[str, dict[str, int]]
    measured: dict[str, float]
    digest: int
    rejects_digest: int


@dataclass(frozen=True)
class Candidate:
    """All parts' `Written`, added up: what would become visible."""

    parts: list[Written]

    @property
    def files(self) -> list[DataFile]:
        return [f for p in self.parts for f in p.files]

    @property
    def rejects(self) -> list[DataFile]:
        return [f for p in self.parts for f in p.rejects]

    def total(self, name: str) -> int:
        return sum(getattr(p, name) for p in self.parts)

    def digest(self, name: str = "digest") -> str:
        return f"{self.total(name) % 2**64:016x}"

    @property
    def reasons(self) -> dict[str, int]:
        return _added([p.reasons for p in self.parts])

    @property
    def mix(self) -> dict[str, dict[str, int]]:
        groups = sorted({g for p in self.parts for g in p.mix})
        return {g: _added([p.mix.get(g, {}) for p in self.parts]) for g in groups}

    @property
    def measured(self) -> dict[str, float]:
        names = sorted({n for p in self.parts for n in p.measured})
        return {n: max(p.measured.get(n, 0.0) for p in self.parts) for n in names}


def _added(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {k: sum(c.get(k, 0) for c in counts) for k in sorted({k for c in counts for k in c})}


def build_candidate(
    spec: Spec, store: Store, source: Snapshot, index: Index, memo: Memo, live: Snapshot | None
) -> Candidate:
    """Write the candidate's files. live: rows that are pending keep their live row (None: there is none to keep)."""
    parts = len(index.parts)
    if not parts:
        return Candidate([])
    answers = [
        look_up.options(num_returns=1 + parts).remote(spec, parts, *(p[s] for p in index.pieces), *memo.shard(s))[1:]
        for s in range(index.shards)
    ]
    kept = _kept_rows(spec, index, live)
    schema = source.select(spec.columns)
    target = Target(spec, store.root, memo.run_id, schema)
    written = [
        write_part.remote(target, part, index.locals[i], index.shards, *(a[i] for a in answers), *kept)
        for i, part in enumerate(index.parts)
    ]
    return Candidate(ray.get(written))


def _kept_rows(spec: Spec, index: Index, live: Snapshot | None) -> Refs:
    """The live table by shard of its key's hash, for the rows whose new result is pending."""
    if live is None or not live.files:
        return []
    rows = [split_live.options(num_returns=1 + index.shards).remote(spec, f, index.shards)[1:] for f in live.files]
    return [stack.remote(*(r[s] for r in rows)) for s in range(index.shards)]


@ray.remote
def split_live(spec: Spec, file: FileRef, shards: int) -> list[Any]:
    """[rows, live rows with khi, klo of shard 0, 1, ...] of one file of the live table."""
    data = files.read(file.uri, spec.sink.schema(), file.partition)
    high, low = hash128([data[spec.key]])
    frame = pl.DataFrame(data).with_columns(pl.Series("khi", high), pl.Series("klo", low))
    return [len(frame), *split(frame, "khi", shards)]


@ray.remote
def stack(*pieces: pa.Table) -> pa.Table:
    return pa.concat_tables(pieces)


@dataclass(frozen=True)
class Target:
    """What every publish task is told. schema: the source's columns that the job reads."""

    spec: Spec
    root: str
    run_id: str
    schema: pa.Schema


@ray.remote
def write_part(target: Target, part: Part, local: pa.Table, shards: int, *pieces: pa.Table) -> Written:
    """Publish one part. pieces: its answers, a shard each, then (where rows are kept) the live rows, a shard each."""
    spec = target.spec
    rows = pl.DataFrame(local).with_row_index("pos").rename({"reason": "cause"})
    answers = pl.concat([pl.DataFrame(p) for p in pieces[:shards]], how="diagonal")
    rows = rows.join(answers, on="pos", how="left", maintain_order="left")
    for column in spec.memo.file_schema():
        if column.name not in rows.columns and not column.name.startswith("hash_"):
            rows = rows.with_columns(pl.Series(column.name, pa.nulls(len(rows), column.type)))
    verdict = pl.col("verdict") if "verdict" in rows.columns else pl.lit(None, pl.String)
    rows = rows.with_columns(pl.coalesce("cause", verdict).alias("cause"))
    done = rows.filter(pl.col("cause").is_null() & pl.col("run_id").is_not_null())
    open_ = rows.filter(pl.col("cause").is_null() & pl.col("run_id").is_null())
    lost = rows.filter(pl.col("cause").is_not_null())
    carried = _carried(target, part, done["pos"].to_numpy())
    if (broken := _broken(carried)) is not None:
        bad = pl.Series(broken)
        lost = pl.concat([lost, done.filter(bad).with_columns(pl.lit("invalid_utf8").alias("cause"))]).sort("pos")
        done, carried = done.filter(~bad), carried.filter(pc.invert(broken))
    table = _published(spec, carried, done)
    kept = _kept(spec, open_, pieces[shards:])
    if kept is not None:
        table = pa.concat_tables([table, kept])
    rejects = _rejects(target, part, lost)
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
        mix=_mix(_whole(spec, table), *spec.stage.mix),
        measured=spec.stage.measure(table) if table.num_rows else {},
        digest=_digest(table),
        rejects_digest=_digest(rejects),
    )


def _carried(target: Target, part: Part, positions: np.ndarray) -> pa.Table:
    """Key and carried columns of the rows at these positions (ascending) of a part."""
    spec = target.spec
    schema = pa.schema([target.schema.field(c) for c in dict.fromkeys((spec.key, *spec.stage.carry))])
    parts, first = [schema.empty_table()], 0
    for piece in part.slices:
        for group, rows in piece.groups:
            a, b = np.searchsorted(positions, [first, first + rows])
            if a < b:
                data = files.read(piece.file.uri, schema, piece.file.partition, [group])
                parts.append(data if b - a == rows else data.take(pa.array(positions[a:b] - first)))
            first += rows
    return pa.concat_tables(parts)


def _broken(carried: pa.Table) -> pa.Array | None:
    """Which rows have a column that is not valid UTF-8, so that readers would stumble over them; None: no row."""
    masks = [mask for c in carried.columns if (mask := files.invalid_utf8(c)) is not None]
    return reduce(pc.or_, masks) if masks else None


def _published(spec: Spec, carried: pa.Table, done: pl.DataFrame) -> pa.Table:
    """The sink's rows, in source order."""
    raw = done.select(spec.stage.outputs.names).to_arrow(compat_level=pl.CompatLevel.oldest())
    columns: dict[str, Any] = {n: carried[n] for n in carried.column_names}
    columns |= spec.stage.publish(carried, raw.cast(spec.stage.outputs))
    columns["content_hash"] = hex128(done["hi"].to_numpy(), done["lo"].to_numpy())
    columns["recipe"] = pa.repeat(spec.recipe, len(done))
    columns |= {n: done[n].to_arrow() for n in VOLATILE}
    columns["tokens_in"] = done["tokens"].to_arrow()
    schema = spec.sink.file_schema()
    return pa.table([columns[n] for n in schema.names], names=schema.names).cast(schema)


def _kept(spec: Spec, open_: pl.DataFrame, live: Sequence[pa.Table]) -> pa.Table | None:
    """The live rows of the keys whose new result is pending."""
    if not live or open_.is_empty():
        return None
    keys = open_.select("khi", "klo")
    rows = pl.concat([pl.DataFrame(t).join(keys, on=["khi", "klo"], how="semi") for t in live]).sort(spec.key)
    schema = spec.sink.file_schema()
    return rows.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)


def _rejects(target: Target, part: Part, lost: pl.DataFrame) -> pa.Table:
    """The rejects table's rows. source_file and source_row say where each row lies in the snapshot."""
    spec, positions = target.spec, lost["pos"].to_numpy()
    paths, local_rows, first = [], [], 0
    for piece in part.slices:
        a, b = np.searchsorted(positions, [first, first + piece.rows])
        paths += [piece.file.path] * int(b - a)
        local_rows.append(positions[a:b].astype(np.int64) - first + piece.first_row)
        first += piece.rows
    carried = _carried(target, part, positions)
    # a broken key is shown as null: it could not be read back
    key = pc.if_else(pc.equal(lost["cause"].to_arrow(), "no_key"), None, files.blank(carried[spec.key]))
    columns = {
        spec.key: key,
        "reason": lost["cause"].to_arrow(),
        "kind": pl.select(pl.when(lost["cause"].is_in(list(INFRA))).then(pl.lit("infra")).otherwise(pl.lit("row")))
        .to_series()
        .to_arrow(),
        "attempt": lost["attempt"].fill_null(0).cast(pl.Int8).to_arrow(),
        "content_hash": hex128(lost["hi"].to_numpy(), lost["lo"].to_numpy()),
        "recipe": pa.repeat(spec.recipe, len(lost)),
        "source_file": pa.array(paths, pa.string()),
        "source_row": pa.array(np.concatenate(local_rows) if local_rows else np.empty(0, np.int64)),
        "run_id": lost["run_id"].fill_null(target.run_id).to_arrow(),
    }
    schema = spec.rejects.file_schema()
    return pa.table([columns[n] for n in schema.names], names=schema.names).cast(schema)


def _write(table: Table, root: str, path: str, rows: pa.Table, scope: Mapping[str, str]) -> list[DataFile]:
    if not rows.num_rows:
        return []
    files.write(f"{root}/{table.name}/{path}", rows)
    return [files.describe(f"{root}/{table.name}", path, table.file_schema(), dict(scope))]


def _whole(spec: Spec, rows: pa.Table) -> pa.Table:
    """A file's rows with the columns that are in its folder's name."""
    for name, value in spec.scope.items():
        rows = rows.append_column(name, pa.repeat(pa.scalar(value), rows.num_rows))
    return rows


def _mix(table: pa.Table, group: str, label: str) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    frame = pl.DataFrame(table.select([group, label])).group_by(group, label).len().sort(group, label)
    for name, value, rows in frame.iter_rows():
        counts.setdefault(str(name), {})[str(value)] = rows
    return counts


def _digest(table: pa.Table) -> int:
    """Sum of row hashes over the lasting columns, modulo 2^64: the same for the same rows in any order."""
    lasting = pl.DataFrame(table).select(pl.exclude(VOLATILE))
    return int(lasting.hash_rows(seed=7).to_numpy().sum(dtype=np.uint64)) if len(lasting) else 0


def sample_rows(spec: Spec, source: Snapshot, live: Snapshot | None, each: int = 2) -> list[dict[str, Any]]:
    """Some live rows beside the content they were made from: `each` of every group and label, for the report."""
    if live is None:
        return []
    shown = [c for c in spec.sink.names if c not in (*VOLATILE, "recipe")]
    rows = pl.DataFrame(live.read(shown, limit=SAMPLED_ROWS)).group_by(spec.stage.mix, maintain_order=True).head(each)
    content = source.read([spec.key, *spec.stage.content], limit=SAMPLED_ROWS)
    content = content.filter(pc.is_in(content[spec.key], pa.array(rows[spec.key].to_list(), pa.string())))
    names = pa.array(rows["content_hash"].to_list(), pa.string())  # a key may come twice: only the scored row is shown
    hashes = hex128(*hash128([content[c] for c in spec.stage.content]))
    content = content.append_column("content_hash", hashes).filter(pc.is_in(hashes, names))
    both = rows.join(pl.DataFrame(content), on=[spec.key, "content_hash"], how="inner", maintain_order="left")
    chosen = both.unique(spec.key, keep="first", maintain_order=True).drop("content_hash").to_dicts()
    return [{k: v[:300] + "…" if isinstance(v, str) and len(v) > 300 else v for k, v in row.items()} for row in chosen]
