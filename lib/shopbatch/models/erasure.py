"""Which models a row helped to train, so that an erased customer's models can be named. Called by jobs and the CLI.

A manifest holds keyed hashes of its training rows: HMAC-SHA256 (RFC 2104) under a key that lies in the warehouse. Who
has the manifest alone learns nothing; who has the key can ask for one row. Rows are named by their key, or, where
equal texts are trained on once, by their text.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from shopbatch.core.errors import UserError
from shopbatch.core.hashing import hash128
from shopbatch.models import registry
from shopbatch.tables import table as declared
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store

KEY = "_models/erasure.key"


def keyed(store: Store, names: Sequence[str]) -> list[str]:
    """Keyed hashes of rows' names, 16 hex digits each, sorted. The key is made the first time."""
    key = _key(store)
    return sorted({hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:16] for name in names})


def text_names(texts: pa.ChunkedArray | pa.Array) -> list[str]:
    """Names of rows by their text alone."""
    high, low = hash128([texts])
    return [f"{a:016x}{b:016x}" for a, b in zip(high.tolist(), low.tolist(), strict=True)]


def list_models(
    store: Store, row: tuple[str, str] | None = None, texts: Mapping[str, Callable[[pa.Table], pa.Array]] | None = None
) -> list[dict[str, Any]]:
    """The published models, or those that one row of a table helped to train.

    Args:
        store: The warehouse.
        row: Table and key of the row; None lists every model.
        texts: For each table whose rows are named by their text, the function that gives the texts of its rows.

    Raises:
        UserError: The table has no such row, or its rows have no single key.
    """
    wanted = None if row is None else set(keyed(store, _names(store, *row, texts or {})))
    found = []
    for model, live in registry.published(f"{store.root}/_models"):
        if wanted is None or wanted & set(model.manifest.get("rows", ())):
            manifest = model.manifest
            found.append(
                {
                    "model": model.reference,
                    "live": "live" if live else "",
                    "created": manifest.get("created_at"),
                    "base": manifest.get("base"),
                    "licence": manifest.get("licence"),
                }
            )
    return found


def _names(store: Store, table: str, row: str, texts: Mapping[str, Callable[[pa.Table], pa.Array]]) -> list[str]:
    source = declared(table)
    if len(source.key) != 1:
        raise UserError(f"table {table!r}: its rows have no single key; models are trained on reviews and dialogs")
    found = store.snapshot(table).read(where=pa.compute.field(source.key[0]) == row)
    if not found.num_rows:
        raise UserError(f"no row {row!r} in table {table!r}; ask before the row is deleted")
    return [row, *(text_names(texts[table](found)) if table in texts else ())]


def _key(store: Store) -> bytes:
    fs, path = files.filesystem(f"{store.root}/{KEY}")
    try:
        with fs.open_input_stream(path) as stream:
            return bytes(stream.read())
    except FileNotFoundError:
        key = secrets.token_bytes(32)
        files.write_bytes(f"{store.root}/{KEY}", key)
        if "://" not in store.root:
            os.chmod(path, 0o600)
        return key
