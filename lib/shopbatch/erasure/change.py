"""Erases the rows of persons from one Delta table, from its old files and from its log.

A kill between any two of these steps leaves a state that the next attempt recognises and completes:

1. Each file of the newest version with rows to erase is rewritten without them, under a new name.
2. One commit replaces the old files by the new ones. It repeats shopbatch's metadata, so that the table still records
  from which source it was made. It keeps the order of the files, because readers of two rows with one key use the later
  one.
3. Every file that does not belong to this new version is deleted: files of former versions and of killed runs.
4. A checkpoint of this version is written and the older log is deleted, because its statistics and the conditions in
  other clients' commands may name a person.
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

_WRITTEN = re.compile(r"-e[0-9a-f]{8}$")  # end of the names of files that an erasure has written
_LOG_FILE = re.compile(r"^\.?(\d{20})\.")


def check(plan: TablePlan) -> None:
    """Refuse a table that cannot be written, before anything is changed.

    Raises:
        UserError: The table has features that shopbatch cannot write, or it is append-only and has rows to erase.
    """
    demands = plan.snapshot.demands
    refused = list(demands.refused)
    if demands.append_only and plan.rows:
        refused.append("delta.appendOnly (ALTER TABLE ... UNSET TBLPROPERTIES ('delta.appendOnly'))")
    if refused:
        raise UserError(f"table {plan.name!r} in the warehouse has {'; and '.join(refused)}; undo that first")


def erase_rows(store: Store, plan: TablePlan, wanted: Wanted, token: str) -> None:
    """Erase from one table what its plan lists.

    Args:
        store: The warehouse.
        plan: Plan of the table, filled by `plan.fill`.
        wanted: Whom to erase.
        token: 8 hex digits, part of the names of all new files of this erasure.

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
    """Rewrite a file without the rows to erase; return the new file, or None if no row is left."""
    schema = file_schema(snapshot, file.path)  # its metadata says which columns may have no statistics
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
    """Replace the old files by the new ones in one commit, and return the new version.

    Raises:
        Stopped: Another process committed to the table meanwhile.
    """
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
    """Return shopbatch's metadata of the table, corrected for the rows that are left.

    The digests are emptied, because they no longer describe the rows; so the next run publishes even if it computes
    nothing. The counts of labels (`mix`), with which gates compare the next version, are counted again.
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
    """Count the remaining rows by group and label, the two columns that the metadata names in `mix_of`.

    Args:
        snapshot: The table before the erasure.
        written: The new files.
        replaced: The old files that they replace.

    Returns:
        {group: {label: number of rows}}; {} if an older version of shopbatch wrote the table, without `mix_of`.
    """
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
    """Delete every file of the table that does not belong to the newest version.

    Exception: files that killed runs left in a memo stay if no person is in them. The next run adopts them instead of
    computing their rows again.

    Args:
        store: The warehouse.
        plan: Plan of the table.
        shown: Paths of the files that this erasure has written.
    """
    kept = (set(plan.snapshot.by_path) - plan.rows.keys()) | shown
    if plan.name.endswith("_memo"):
        kept |= {p for p, hit in plan.strays.items() if not hit and not _WRITTEN.search(os.path.splitext(p)[0])}
    for path in data_files(store, plan.name):
        if path not in kept:
            files.remove(f"{plan.snapshot.uri}/{path}")
    remove_empty_folders(plan.snapshot.uri)


def _clean_log(uri: str, version: int) -> None:
    """Write a checkpoint of a version, and delete the log entries before it."""
    handle = delta.open_table(uri, version)
    if handle is None:
        raise FileNotFoundError(uri)
    handle.create_checkpoint()
    crash_point("erase_checkpoint")
    fs, base = files.filesystem(f"{uri}/_delta_log")
    infos = fs.get_file_info(pafs.FileSelector(base, recursive=True))
    # oldest first, so that after a kill the rest is a log without a gap
    for info in sorted((i for i in infos if i.type == pafs.FileType.File), key=lambda i: i.base_name):
        number = _LOG_FILE.match(info.base_name)
        if number is None and info.base_name == "_last_checkpoint":
            continue
        if number is None or int(number[1]) < version:
            fs.delete_file(info.path)


def remove_empty_folders(uri: str) -> None:
    """Delete the empty folders below a folder on a local disk.

    In an object store nothing is done, because it has no folders.
    """
    fs, base = files.filesystem(uri)
    if isinstance(fs, pafs.LocalFileSystem):
        for folder, _, _ in os.walk(base, topdown=False):
            if folder != base and not os.listdir(folder):
                os.rmdir(folder)
