"""Takes the rows of persons out of one Delta table, and out of everything that lies beside it.

In this order, so that a kill between any two steps leaves what the next attempt finds and finishes:

1. Each visible file with such rows is written anew without them, beside the old one.
2. One commit shows the new files in place of the old ones. It repeats our metadata, so that the table still says of
   which source it is, and keeps the order of the files, by which the later of two rows with one key counts.
3. Every file that this version does not show is deleted: what former versions had, and what killed runs left.
4. A checkpoint of this version is written, and the log before it is deleted: its statistics and the conditions of other
   clients' commands may name a person.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl
import pyarrow.compute as pc
import pyarrow.fs as pafs
from deltalake.exceptions import CommitFailedError

from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import Stopped, UserError
from shopbatch.erasure.plan import TablePlan, data_files, file_schema
from shopbatch.erasure.wanted import Wanted, columns_of
from shopbatch.warehouse import delta, files
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.mix import bounded_mix
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

_WRITTEN = re.compile(r"-e[0-9a-f]{8}$")  # how the names of files end that an erasure has written
_LOG_FILE = re.compile(r"^\.?(\d{20})\.")


def check(plan: TablePlan) -> None:
    """Check, before anything is changed, that the table can be written. UserError if not."""
    demands = plan.snapshot.demands
    refused = list(demands.refused)
    if demands.append_only and plan.rows:
        refused.append("delta.appendOnly (ALTER TABLE ... UNSET TBLPROPERTIES ('delta.appendOnly'))")
    if refused:
        raise UserError(f"table {plan.name!r} in the warehouse has {'; and '.join(refused)}; undo that first")


def erase_rows(store: Store, plan: TablePlan, wanted: Wanted, token: str) -> None:
    """Erase what a plan says from its table.

    Args:
        store: The warehouse.
        plan: The table, filled.
        wanted: Whom to erase.
        token: 8 hex digits that name this erasure in the names of new files.

    Raises:
        Stopped: Another process committed to the table meanwhile.
    """
    written = [
        _write(plan.snapshot, file, wanted, plan, token) for file in plan.snapshot.files if file.path in plan.rows
    ]
    crash_point("erase_written")
    version = _commit(plan, [file for file in written if file is not None])
    crash_point("erase_committed")
    _sweep(store, plan, {file.path for file in written if file is not None})
    crash_point("erase_swept")
    _clean_log(plan.snapshot.uri, version)
    crash_point("erase_log_cleaned")


def _write(snapshot: Snapshot, file: FileRef, wanted: Wanted, plan: TablePlan, token: str) -> DataFile | None:
    """Write a file anew without the rows to erase; None if nothing is left of it."""
    schema = file_schema(snapshot, file.path)  # its metadata says of which columns no statistics may be shown
    rows = files.read(file.uri, schema)
    whole = files.read(file.uri, columns_of(plan.person, snapshot.schema), file.partition)
    left = rows.filter(pc.invert(wanted.rows(plan.person, whole)))
    if not left.num_rows:
        return None
    stem, suffix = os.path.splitext(file.path)
    path = f"{_WRITTEN.sub('', stem)}-e{token}{suffix}"
    files.write(f"{snapshot.uri}/{path}", left)
    partition = {k: v for k, v in file.partition.items() if v is not None}
    return replace(files.describe(snapshot.uri, path, schema, partition), committed_ms=file.committed_ms)


def _commit(plan: TablePlan, written: list[DataFile]) -> int:
    """Show the new files in place of the old ones; return the version."""
    snapshot = plan.snapshot
    handle = delta.open_table(snapshot.uri)
    if handle is None or handle.version() != snapshot.version:
        raise Stopped(f"another process has written to table {plan.name!r} meanwhile")
    metadata = _said(plan, written) if plan.rows else dict(snapshot.metadata)
    try:
        delta.write_commit(handle, snapshot, written, list(plan.rows), "rewrite", metadata)
    except CommitFailedError:
        raise Stopped(f"another process has written to table {plan.name!r} meanwhile") from None
    return snapshot.version + 1


def _said(plan: TablePlan, written: list[DataFile]) -> dict[str, Any]:
    """Return our metadata as it is true of the rows that are left.

    The digests of a published table are no longer those of its rows: the next run then publishes, also if it computes
    nothing. Gates compare the next version with the mix of labels, which is counted anew.
    """
    metadata = dict(plan.snapshot.metadata)
    metadata |= {key: "" for key in ("digest", "rejects_digest") if key in metadata}
    if "mix" in metadata and set(metadata.get("mix_of", ())) <= set(plan.snapshot.schema.names):
        metadata["mix"] = _mix(plan.snapshot, written, plan.rows)
    if "scopes" in metadata:
        metadata["scopes"] = {
            name: scope | {"mix": {}} | {key: "" for key in ("digest", "rejects_digest") if key in scope}
            for name, scope in metadata["scopes"].items()
        }
    return metadata


def _mix(snapshot: Snapshot, written: list[DataFile], replaced: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Count the rows that are left by group and label; {} if an older version did not say which columns these are."""
    columns = list(snapshot.metadata.get("mix_of", ()))
    shown: list[DataFile | FileRef] = [*snapshot.files, *written]
    left = [f for f in shown if f.path not in replaced]
    counts: dict[str, dict[str, int]] = {}
    for file in left if columns else ():
        rows = files.read(f"{snapshot.uri}/{file.path}", snapshot.select(columns), file.partition)
        for group, label, count in pl.DataFrame(rows).group_by(columns).len().iter_rows():
            labels = counts.setdefault(str(group), {})
            labels[str(label)] = labels.get(str(label), 0) + int(count)
    return bounded_mix(counts)


def _sweep(store: Store, plan: TablePlan, shown: set[str]) -> None:
    """Delete every file that the newest version does not show.

    What killed runs left in a memo stays if no person is in it: the next run adopts it instead of computing it again.
    """
    kept = (set(plan.snapshot.by_path) - plan.rows.keys()) | shown
    if plan.name.endswith("_memo"):
        kept |= {p for p, hit in plan.strays.items() if not hit and not _WRITTEN.search(os.path.splitext(p)[0])}
    for path in data_files(store, plan.name):
        if path not in kept:
            files.remove(f"{plan.snapshot.uri}/{path}")
    remove_empty_folders(plan.snapshot.uri)


def _clean_log(uri: str, version: int) -> None:
    """Write a checkpoint of a version and delete the log before it."""
    handle = delta.open_table(uri, version)
    if handle is None:
        raise FileNotFoundError(uri)
    handle.create_checkpoint()
    crash_point("erase_checkpoint")
    fs, base = files.filesystem(f"{uri}/_delta_log")
    infos = fs.get_file_info(pafs.FileSelector(base, recursive=True))
    # the oldest first: what is left after a kill is still a log without a gap
    for info in sorted((i for i in infos if i.type == pafs.FileType.File), key=lambda i: i.base_name):
        number = _LOG_FILE.match(info.base_name)
        if number is None and info.base_name == "_last_checkpoint":
            continue
        if number is None or int(number[1]) < version:
            fs.delete_file(info.path)


def remove_empty_folders(uri: str) -> None:
    """Delete the folders in a folder that hold nothing any more; an object store has none."""
    fs, base = files.filesystem(uri)
    if isinstance(fs, pafs.LocalFileSystem):
        for folder, _, _ in os.walk(base, topdown=False):
            if folder != base and not os.listdir(folder):
                os.rmdir(folder)
