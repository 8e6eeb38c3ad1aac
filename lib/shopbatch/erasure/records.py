"""What is remembered of an erasure: keyed hashes of who was erased, never the ids; and what is pending of one.

`<warehouse>/_erasures/<moment>.json` is the record. `pending.json` is there only between the first change and the end
of an erasure. It holds what a later attempt needs to know and can no longer read from the tables.
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
    """Keep what an interrupted erasure needs to go on, where only its owner can read it."""
    uri = f"{store.root}/{_PENDING}"
    files.write_bytes(uri, json.dumps(dict(state), ensure_ascii=False).encode())
    if "://" not in store.root:
        os.chmod(files.filesystem(uri)[1], 0o600)


def read_pending(store: Store) -> dict[str, Any]:
    """Read what an interrupted erasure has kept; {} if none was interrupted."""
    fs, path = files.filesystem(f"{store.root}/{_PENDING}")
    try:
        with fs.open_input_stream(path) as stream:
            return dict(json.loads(stream.read()))
    except FileNotFoundError:
        return {}


def remove_pending(store: Store) -> None:
    """Forget what was pending."""
    files.remove(f"{store.root}/{_PENDING}")


def write_record(store: Store, name: str, record: Mapping[str, Any]) -> str:
    """Write the record of an erasure and return its path in the warehouse."""
    path = f"{FOLDER}/{name}.json"
    files.write_bytes(f"{store.root}/{path}", json.dumps(dict(record), indent=1).encode() + b"\n")
    return path


def records(store: Store) -> list[dict[str, Any]]:
    """Read all records, oldest first."""
    fs, base = files.filesystem(f"{store.root}/{FOLDER}")
    listed = []
    for info in sorted(files.entries(fs, base), key=lambda i: i.path):
        if info.base_name.endswith(".json") and info.base_name != "pending.json" and info.base_name[0] != ".":
            with fs.open_input_stream(info.path) as stream:
                listed.append(json.loads(stream.read()))
    return listed


def returned(store: Store, table: str, paths: Iterable[str]) -> int:
    """Count the rows of data files, just written, that are about an erased user or review.

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
