"""Stores the records of erasures and the state of an interrupted one, in `<warehouse>/_erasures`.

- `<moment>.json` is the record of a finished erasure. It holds keyed hashes of the erased ids, never the ids.
- `pending.json` exists only from the first change of an erasure until its end. It keeps what a later attempt needs and
  can no longer read from the tables.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from shopbatch.erasure.wanted import USER_COLUMNS, trimmed
from shopbatch.models.erasure import hasher
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store

FOLDER = "_erasures"
_PENDING = f"{FOLDER}/pending.json"


def write_pending(store: Store, state: Mapping[str, Any]) -> None:
    """Write the state of an erasure to pending.json, readable only by the file's owner (on a local disk).

    Args:
        store: The warehouse.
        state: The data that a later attempt needs to finish the erasure, as JSON types.
    """
    uri = f"{store.root}/{_PENDING}"
    files.write_bytes(uri, json.dumps(dict(state), ensure_ascii=False).encode())
    if "://" not in store.root:
        os.chmod(files.filesystem(uri)[1], 0o600)


def read_pending(store: Store) -> dict[str, Any]:
    """Read the state of an interrupted erasure; {} if none was interrupted."""
    fs, path = files.filesystem(f"{store.root}/{_PENDING}")
    try:
        with fs.open_input_stream(path) as stream:
            return dict(json.loads(stream.read()))
    except FileNotFoundError:
        return {}


def remove_pending(store: Store) -> None:
    """Delete pending.json, when the erasure is finished."""
    files.remove(f"{store.root}/{_PENDING}")


def write_record(store: Store, name: str, record: Mapping[str, Any]) -> str:
    """Write the record of a finished erasure.

    Args:
        store: The warehouse.
        name: Name of the file, without ".json".
        record: The record, as JSON types.

    Returns:
        Path of the record, relative to the warehouse.
    """
    path = f"{FOLDER}/{name}.json"
    files.write_bytes(f"{store.root}/{path}", json.dumps(dict(record), indent=1).encode() + b"\n")
    return path


def records(store: Store) -> list[dict[str, Any]]:
    """Read the records of all finished erasures, oldest first."""
    fs, base = files.filesystem(f"{store.root}/{FOLDER}")
    listed = []
    for info in sorted(files.entries(fs, base), key=lambda i: i.path):
        if info.base_name.endswith(".json") and info.base_name != "pending.json" and info.base_name[0] != ".":
            with fs.open_input_stream(info.path) as stream:
                listed.append(json.loads(stream.read()))
    return listed


def returned(store: Store, table: str, paths: Iterable[str]) -> int:
    """Count the rows of newly written data files that are about a user or review erased before.

    Used to notice that erased persons came back, for example by loading an old export again.

    Args:
        store: The warehouse.
        table: The table that the files belong to.
        paths: The files, relative to the table.
    """
    users: set[str] = set()
    reviews: set[str] = set()
    for record in records(store):
        users |= set(record["users"])
        reviews |= set(record["reviews"])
    erased = dict.fromkeys(USER_COLUMNS, users) | {"review_id": reviews}
    rows, hashed = 0, None
    for path in paths if any(erased.values()) else ():
        uri = f"{store.uri(table)}/{path}"
        schema = pa.schema([f for f in files.read_schema(uri) if erased.get(f.name)])
        if not schema.names:
            continue
        data = files.read(uri, schema)
        back: set[int] = set()
        for column in schema.names:
            names = trimmed(data[column])
            hashed = hashed or hasher(store)
            known = {n for n in names.unique().to_pylist() if n and hashed(n) in erased[column]}
            back |= {i for i, name in enumerate(names.to_pylist()) if name in known}
        rows += len(back)
    return rows
