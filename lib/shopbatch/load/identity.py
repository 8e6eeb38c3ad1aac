"""Recognises a load: which files belong to it, and whether its rows are in a table already."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection
from typing import Literal

from shopbatch.load.options import Options
from shopbatch.load.raw import Input
from shopbatch.tables.schema import Table
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 3  # of how values are read; raise it when the same file would give other rows
Mode = Literal["append", "replace"]


def load_id(table: Table, opened: Input, options: Options) -> str:
    """Return 32 hex digits that name the content of the input, the table, and what the user said of it."""
    identity = json.dumps([VERSION, table.name, opened.kind, opened.digest, options.identity()], sort_keys=True)
    return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()


def new_run_id(load: str) -> str:
    """Return the name of the folder for one run's data files. It begins with the id of the load."""
    return _prefix(load) + uuid.uuid4().hex[:8]


def loaded_version(store: Store, table: Table, load: str, mode: Mode) -> int | None:
    """Return the table's version if it shows the rows of this load (and no others, for a replace), else None."""
    snapshot = store.find(table.name)
    return None if snapshot is None or not shows(snapshot, load, mode) else snapshot.version


def shows(snapshot: Snapshot, load: str, mode: Mode, ignored: Collection[str] = ()) -> bool:
    """Return whether a version of the table already holds the rows of a load.

    The table's metadata lists its loads too, because another client's OPTIMIZE gives the files other names.

    Args:
        snapshot: The version.
        load: The id of the load.
        mode: For a replace, the version must hold no other rows.
        ignored: Paths of files that do not count.
    """
    listed = bool(snapshot.files) and load in snapshot.metadata.get("loads", ())
    of_load = [f.path.startswith(_prefix(load)) for f in snapshot.files if f.path not in ignored]
    if mode == "replace":
        return bool(of_load) and (all(of_load) or snapshot.metadata.get("loads") == [load])
    return any(of_load) or listed


def _prefix(load: str) -> str:
    """The beginning of the names of all folders that hold data files of a load."""
    return f"load-{load}-"
