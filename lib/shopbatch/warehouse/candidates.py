"""Keeps the rejects of a candidate (new version of a table) that a gate refused, so that a person can see the cause.

`shopbatch show --candidate` displays them. They are Parquet files with all columns of the table, in
`<warehouse>/_runs/<job>/<run_id>/candidate/<table>/`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.fs as pafs

from shopbatch.core.errors import UserError, one_line
from shopbatch.core.nearest import hint
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store


def keep_candidate(store: Store, job: str, run_id: str, table: Table, written: Sequence[DataFile]) -> None:
    """Copy a candidate's files to the folder of its run, because the originals are deleted when the run ends.

    Args:
        store: The warehouse.
        job: The job.
        run_id: The run.
        table: The declaration of the table.
        written: The files; if there are none, a file without rows is kept.
    """
    folder, schema = f"{_folder(store, job, run_id)}/{table.name}", table.schema()
    for file in written:
        rows = files.read(f"{store.uri(table.name)}/{file.path}", schema, file.partition)
        files.write(f"{folder}/{file.path.replace('/', '-')}", rows)
    if not written:
        files.write(f"{folder}/none.parquet", schema.empty_table())


def candidate_of(store: Store, name: str, run_id: str) -> Snapshot:
    """Return the rows that were kept of a run's candidate for a table, as a snapshot that is read like any other.

    Args:
        store: The warehouse.
        name: The table, mostly `<table>_rejects`.
        run_id: The run.

    Raises:
        UserError: There is no such run, it kept no candidate of that table, or the kept files are damaged.
    """
    jobs = [name for name in _entries(f"{store.root}/_runs") if not name.startswith("_")]  # _claims is no job
    runs = {run: job for job in jobs for run in _entries(f"{store.root}/_runs/{job}")}
    if run_id not in runs:
        newest = sorted(runs, reverse=True)[:3]
        raise UserError(f"--candidate {run_id}: no such run; {hint(run_id, newest, 'the newest are')}")
    folder = _folder(store, runs[run_id], run_id)
    kept = _entries(folder)
    if name not in kept:
        there = f"it kept {', '.join(kept)}" if kept else "rejects are kept where a gate refused a run"
        raise UserError(f"--candidate {run_id}: that run of {runs[run_id]} kept no candidate of {name!r}; {there}")
    uri = f"{folder}/{name}"
    paths = _entries(uri)
    try:
        refs = [FileRef(p, f"{uri}/{p}", 0, sum(files.row_group_rows(f"{uri}/{p}")), 0) for p in paths]
        schema = files.read_schema(f"{uri}/{paths[0]}")
    except (pa.ArrowInvalid, OSError, IndexError) as error:
        if files.is_lost_connection(error):
            raise
        why = one_line(error, 200) if paths else "it is empty"
        do = "run the job again: what a gate refuses is kept anew"
        raise UserError(f"--candidate {run_id}: what was kept in {uri} is damaged ({why}); {do}") from None
    return Snapshot(name, uri, 0, run_id, schema, tuple(refs), {}, pa.table({"path": paths}))


def _folder(store: Store, job: str, run_id: str) -> str:
    return f"{store.root}/_runs/{job}/{run_id}/candidate"


def _entries(uri: str) -> list[str]:
    """Return the names in a folder, sorted, without hidden ones; [] if the folder does not exist."""
    fs, path = files.filesystem(uri)
    if fs.get_file_info(path).type == pafs.FileType.File:
        return []
    entries = files.entries(fs, path)
    return sorted(f.base_name for f in entries if not f.base_name.startswith("."))
