"""Gives each load an id, which names its data files and by which a second load of the same file is recognised."""

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

VERSION = 3  # version of the reading code; raise it when the same file would give other rows
_VERSIONS = {"products": 4}  # tables for which it was raised alone
Mode = Literal["append", "replace"]


def load_id(table: Table, opened: Input, options: Options) -> str:
    """Return the id of a load: 32 hex digits of the input's content, the table, and the user's options.

    Args:
        table: The table that is loaded.
        opened: The input.
        options: How the user says that the input is to be read.
    """
    version = _VERSIONS.get(table.name, VERSION)
    identity = json.dumps([version, table.name, opened.kind, opened.digest, options.identity()], sort_keys=True)
    return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()


def new_run_id(load: str) -> str:
    """Return a new, unique folder name for the data files of one run of a load; it begins with the load's id."""
    return _prefix(load) + uuid.uuid4().hex[:8]


def loaded_version(store: Store, table: Table, load: str, mode: Mode, codes: str | None = None) -> int | None:
    """Return the version of the table that already holds the rows of this load; None if the load has work to do.

    In mode `append`, it is enough that the table holds the rows. In mode `replace`, it must hold no other rows, and the
    products' codes must be the same as when the rows were loaded, since the codes decide which product ids the rows
    get. If persons were erased from the warehouse, the codes are not compared, because loading the file again would
    bring the persons back.

    Args:
        store: The warehouse.
        table: The table.
        load: The id of the load.
        mode: `append` or `replace`.
        codes: The present digest of the products' codes (`ProductCodes.digest`); None if the rows name no products.
    """
    snapshot = store.find(table.name)
    if snapshot is None or not shows(snapshot, load, mode):
        return None
    other_codes = codes is not None and snapshot.metadata.get("product_codes", "") != codes
    return None if mode == "replace" and other_codes and not any(records(store)) else snapshot.version


def refuse_other_keys(store: Store, table: Table, title: str) -> None:
    """Raise UserError if an older version of shopbatch made the table's keys with another hash function.

    A file that is appended now would get other keys for the same rows, so that they would be in the table twice.

    Args:
        store: The warehouse.
        table: The table, whose key is one column.
        title: Name of the file, for the message.
    """
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
    """Return True if a version of a table already holds the rows of a load.

    The rows are recognised by the names of their data files, or by the list of loads in the table's metadata, because
    another client's OPTIMIZE gives the files other names.

    Args:
        snapshot: The version of the table.
        load: The id of the load.
        mode: For `replace`, the version must also hold no other rows.
        ignored: Paths of data files to overlook, such as those that the calling run has written itself.
    """
    listed = bool(snapshot.files) and load in snapshot.metadata.get("loads", ())
    of_load = [f.path.startswith(_prefix(load)) for f in snapshot.files if f.path not in ignored]
    if mode == "replace":
        return bool(of_load) and (all(of_load) or snapshot.metadata.get("loads") == [load])
    return any(of_load) or listed


def _prefix(load: str) -> str:
    """Return the common beginning of the names of all folders that hold data files of a load."""
    return f"load-{load}-"
