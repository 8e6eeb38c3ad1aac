"""Recognises a load: which files belong to it, and whether its rows are in a table already."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection
from typing import Literal

import pyarrow.compute as pc

from shopbatch.core.errors import UserError
from shopbatch.core.hashing import CONTENT_HASH
from shopbatch.erasure.records import records
from shopbatch.load.options import Options
from shopbatch.load.raw import Input
from shopbatch.tables.schema import Table
from shopbatch.warehouse import utf8
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 3  # of how values are read; raise it when the same file would give other rows
_VERSIONS = {"products": 4}  # where it has been raised for one table
Mode = Literal["append", "replace"]


def load_id(table: Table, opened: Input, options: Options) -> str:
    """Return 32 hex digits that name the content of the input, the table, and what the user said of it."""
    version = _VERSIONS.get(table.name, VERSION)
    identity = json.dumps([version, table.name, opened.kind, opened.digest, options.identity()], sort_keys=True)
    return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()


def new_run_id(load: str) -> str:
    """Return the name of the folder for one run's data files. It begins with the id of the load."""
    return _prefix(load) + uuid.uuid4().hex[:8]


def loaded_version(store: Store, table: Table, load: str, mode: Mode, codes: str | None = None) -> int | None:
    """Tell whether there is nothing to do, because the table shows the rows of this load.

    Args:
        store: The warehouse.
        table: The table.
        load: The id of the load.
        mode: For a replace, the table must show no other rows, and those with the products that they would get now,
            unless persons were erased: a file that was loaded before would bring them back.
        codes: The digest of the codes of the products, if that matters.

    Returns:
        The table's version, or None.
    """
    snapshot = store.find(table.name)
    if snapshot is None or not shows(snapshot, load, mode):
        return None
    other_codes = codes is not None and snapshot.metadata.get("product_codes", "") != codes
    return None if mode == "replace" and other_codes and not any(records(store)) else snapshot.version


def refuse_other_keys(store: Store, table: Table, title: str) -> None:
    """Refuse rows to which an older version gave other keys. UserError if it made keys from content in this table."""
    snapshot = store.find(table.name)
    if snapshot is None or "sample" in snapshot.metadata or snapshot.metadata.get("content_keys") == CONTENT_HASH:
        return
    (key,) = table.key
    made = pc.match_substring_regex(utf8.blank(snapshot.read([key])[key]), "^[0-9a-f]{32}(-[0-9]+)?$")
    if pc.any(made).as_py():
        raise UserError(
            f"{table.name!r} holds rows whose keys an older version made from their content, so that rows of {title} "
            "could stand there twice; add --replace to load the table anew, which removes all its rows"
        )


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
