"""Damaged data files of tables that shopbatch can compute again: found, set aside, and named.

A damaged memo file is taken out of the table, so that its contents are computed again. A damaged file of a published
table stays visible, and reading it raises DamagedFile, until the run publishes the table anew: readers should rather
see an error than fewer rows. What is no longer visible moves to `<warehouse>/_damaged/<table>/`.
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
    """Read files whole and return those that do not match their checksum, or are gone. Object stores are trusted."""
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
    """Take the damaged ones among the wanted files out of a table, in a commit of its own, and move them away.

    Args:
        store: The warehouse.
        table: A table whose missing rows the run computes again.
        key: The run, for the commit.
        wanted: Whether a file is of interest.
        group: Names what a file belongs to: the files of one group are of use only together.

    Returns:
        One sentence that names the files; "" if there is none.
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
    """Look for damaged files in a published table; if there are any, change its metadata so that it is published anew.

    The run calls `move_away` when it has done so.

    Args:
        store: The warehouse.
        table: The table.
        key: The run, for the commit.
        forget: Keys of the metadata without which a run does not take the table for up to date.
        scope: The partition that the run is about.

    Returns:
        The damaged files, and one sentence that names them; "" if there is none.
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
    """Undo what others did to a table that a run makes anew as a whole, and look for damaged files in it.

    What the table is made of stands in its metadata as `origin`. After a damage it no longer does, so that a run which
    compares it makes the table again; then the run calls `move_away`.

    Args:
        store: The warehouse.
        table: The table.
        run_id: The run.

    Returns:
        The damaged files, and what was undone and found, in one line; "" for nothing.

    Raises:
        UserError: The table can no longer be read or written (see `put_right`).
    """
    undone = put_right(store, table, anew=True)
    store.check_targets([table], "replace")
    damaged, sentence = publish_anew(store, table, run_id, ("origin",))
    return damaged, "; ".join(filter(None, [undone, sentence]))


def move_away(store: Store, table: Table, bad: Sequence[FileRef]) -> None:
    """Move damaged files that are no longer visible out of the table's folder. In an object store they stay."""
    snapshot = store.find(table.name) if bad else None
    for ref in bad:
        fs, path = files.filesystem(ref.uri)
        there = isinstance(fs, pafs.LocalFileSystem) and os.path.exists(path)
        if there and (snapshot is None or ref.path not in snapshot.by_path):
            _, target = files.filesystem(f"{store.root}/{FOLDER}/{table.name}/{ref.path}")
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(path, target)


def _guard(examined: Snapshot) -> Callable[[Snapshot], None]:
    """A check that nobody has committed since a table was examined, which can take long: it would be hidden or lost."""

    def check(newest: Snapshot) -> None:
        refuse_foreign(newest)
        if newest.metadata != examined.metadata:
            raise Stopped(f"another run published {newest.name} while its files were examined; start this run again")

    return check


def _without(metadata: Mapping[str, Any], keys: Sequence[str] = ()) -> dict[str, Any]:
    return {k: v for k, v in metadata.items() if k not in ("run_key", *keys)}


def named(table: Table, bad: Sequence[FileRef]) -> str:
    """Name damaged files for a message."""
    shown = ", ".join(ref.path for ref in bad[:3]) + (", ..." if bad[3:] else "")
    return f"{len(bad)} damaged file{'s' if bad[1:] else ''} of {table.name} ({shown})"
