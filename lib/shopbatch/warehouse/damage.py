"""Finds damaged data files of tables that shopbatch can compute again, and sets them aside.

A damaged file of a memo is removed from the table, so that its contents are computed again. A damaged file of a
published table stays visible until the run publishes the table anew. Until then, reading it raises DamagedFile, because
readers should rather see an error than fewer rows. Files that are no longer visible move to
`<warehouse>/_damaged/<table>/`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow.fs as pafs

from shopbatch.core.errors import Stopped
from shopbatch.core.notices import note
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.foreign import put_right, refuse_foreign
from shopbatch.warehouse.snapshot import Snapshot, scope_name
from shopbatch.warehouse.store import Store

FOLDER = "_damaged"


def damaged_files(refs: Sequence[FileRef]) -> list[FileRef]:
    """Read whole files, and return those that are missing or do not match their checksum.

    Files in an object store are not read.
    """
    uris = [ref.uri for ref in refs]
    with ThreadPoolExecutor() as pool:
        return [ref for ref, good in zip(refs, pool.map(files.is_good, uris), strict=True) if not good]


def take_out(
    store: Store,
    table: Table,
    key: str,
    wanted: Callable[[FileRef], bool],
    group: Callable[[FileRef], str] = lambda ref: ref.path,
) -> str:
    """Remove damaged files from a table by a separate commit, and move them to the folder `_damaged`.

    Args:
        store: The warehouse.
        table: A table whose missing rows the run computes again, such as a memo.
        key: The run, for the commit's metadata.
        wanted: Returns True for the files to examine.
        group: Returns the name of the group of a file. If one file of a group is damaged, the whole group is removed,
            because its files are of use only together. By default each file is a group.

    Returns:
        One sentence that names the damaged files; "" if there are none.
    """
    snapshot = store.find(table.name)
    refs = [ref for ref in snapshot.files if wanted(ref)] if snapshot else []
    bad = damaged_files(refs)
    if snapshot is None or not bad:
        return ""
    groups = {group(ref) for ref in bad}
    gone = [ref.path for ref in refs if group(ref) in groups]
    store.commit(table, [], "rewrite", key, _without(snapshot.metadata), gone, _guard(snapshot))
    move_away(store, table, bad)
    return note(f"{named(table, bad)}, set aside in {FOLDER} and made anew")


def publish_anew(
    store: Store, table: Table, key: str, forget: Sequence[str], scope: Mapping[str, str] | None = None
) -> tuple[list[FileRef], str]:
    """Look for damaged files in a published table; if there are any, mark it so that the run publishes it again.

    The mark is the deletion of metadata keys. The files stay visible. The run calls `move_away` once it has published
    the table.

    Args:
        store: The warehouse.
        table: The declaration of the table.
        key: The run, for the commit's metadata.
        forget: Metadata keys to delete; without them a run does not take the table for up to date.
        scope: The partition that the run writes, {column: value}; None: the whole table.

    Returns:
        (damaged files, one sentence that names them); the sentence is "" if there are none.
    """
    snapshot = store.find(table.name)
    bad = damaged_files(snapshot.part(scope or {}).files) if snapshot else []
    if snapshot is None or not bad:
        return [], ""
    metadata = _without(snapshot.metadata, forget)
    if scope:
        scopes = snapshot.metadata.get("scopes", {})
        metadata["scopes"] = scopes | {scope_name(scope): _without(scopes.get(scope_name(scope), {}), forget)}
    store.commit(table, [], "rewrite", key, metadata, guard=_guard(snapshot))
    return bad, note(f"{named(table, bad)}, set aside in {FOLDER} and made anew")


def put_in_order(store: Store, table: Table, run_id: str) -> tuple[list[FileRef], str]:
    """Prepare a table that a run makes anew as a whole: undo changes by other clients, and look for damaged files.

    If files are damaged, the metadata `origin`, which names the table's inputs, is deleted. A run that compares
    `origin` with its own inputs then makes the table again, and calls `move_away` after that.

    Args:
        store: The warehouse.
        table: The declaration of the table.
        run_id: The run.

    Returns:
        (damaged files, one line that says what was undone and found); the line is "" if there was nothing.

    Raises:
        UserError: The table can no longer be read or written (see `put_right`).
    """
    undone = put_right(store, table, anew=True)
    store.check_targets([table], "replace")
    damaged, sentence = publish_anew(store, table, run_id, ("origin",))
    return damaged, "; ".join(filter(None, [undone, sentence]))


def move_away(store: Store, table: Table, bad: Sequence[FileRef]) -> None:
    """Move damaged files that are no longer visible from the table's folder to `_damaged`.

    In an object store they stay where they are.
    """
    snapshot = store.find(table.name) if bad else None
    for ref in bad:
        fs, path = files.filesystem(ref.uri)
        there = isinstance(fs, pafs.LocalFileSystem) and os.path.exists(path)
        if there and (snapshot is None or ref.path not in snapshot.by_path):
            _, target = files.filesystem(f"{store.root}/{FOLDER}/{table.name}/{ref.path}")
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(path, target)


def _guard(examined: Snapshot) -> Callable[[Snapshot], None]:
    """Return a guard for `Store.commit` that raises Stopped if the table was changed since it was examined.

    Examining can take long, and a commit on top of a change by another run or client would hide or undo that change.
    """

    def check(newest: Snapshot) -> None:
        refuse_foreign(newest)
        if newest.metadata != examined.metadata:
            raise Stopped(f"another run published {newest.name} while its files were examined; start this run again")

    return check


def _without(metadata: Mapping[str, Any], keys: Sequence[str] = ()) -> dict[str, Any]:
    return {k: v for k, v in metadata.items() if k not in ("run_key", *keys)}


def named(table: Table, bad: Sequence[FileRef]) -> str:
    """Return a phrase for messages: "2 damaged files of TABLE (PATH, PATH)", with at most three paths."""
    shown = ", ".join(ref.path for ref in bad[:3]) + (", ..." if bad[3:] else "")
    return f"{len(bad)} damaged file{'s' if bad[1:] else ''} of {table.name} ({shown})"
