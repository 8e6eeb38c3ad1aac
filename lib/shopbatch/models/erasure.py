"""Which models a row helped to train, so that the models of an erased customer can be named.

A model's manifest holds keyed hashes of its training rows: HMAC-SHA256 (RFC 2104) under a key that is stored in the
warehouse. Someone who has only the manifest learns nothing; someone who has the key can ask for one row. Rows are named
by their key, and in tables whose equal texts are trained on only once also by their text.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from shopbatch.core.errors import UserError
from shopbatch.core.hashing import hash128, hex128
from shopbatch.models import registry
from shopbatch.tables import table as table_named
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store

KEY = "_models/erasure.key"
TextOf = Callable[[pa.Table], pa.Array]  # the texts of a table's rows, by which they are named


def keyed(store: Store, names: Sequence[str]) -> list[str]:
    """Hash the names of rows under the warehouse's key, which is made at the first call.

    Returns:
        16 hex digits per name, sorted, without repetitions.
    """
    key = _key(store)
    return sorted({hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:16] for name in names})


def text_names(texts: pa.ChunkedArray | pa.Array) -> list[str]:
    """Name rows by their text alone."""
    return [str(name) for name in hex128(*hash128([texts])).to_pylist()]


def list_models(
    store: Store, row: tuple[str, str] | None = None, texts: Mapping[str, TextOf] | None = None
) -> list[dict[str, Any]]:
    """List the published models, or those that one row of a table helped to train.

    Args:
        store: The warehouse.
        row: Table and key of the row; None lists every model.
        texts: For each table whose rows are named by their text, the function that gives the texts of its rows.

    Raises:
        UserError: The table has no such row, or its rows have no single key.
    """
    wanted = None if row is None else set(keyed(store, _names(store, *row, texts or {})))
    models = []
    for model, live in registry.published(f"{store.root}/_models"):
        manifest = model.manifest
        if wanted is None or wanted & set(manifest.get("rows", ())):
            models.append(
                {
                    "model": model.reference,
                    "live": "live" if live else "",
                    "created": manifest.get("created_at"),
                    "base": manifest.get("base"),
                    "licence": manifest.get("licence"),
                }
            )
    return models


def _names(store: Store, table: str, row: str, texts: Mapping[str, TextOf]) -> list[str]:
    """The names under which a row may stand in a manifest."""
    source = table_named(table)
    if len(source.key) != 1:
        raise UserError(f"table {table!r}: its rows have no single key, so no model names them")
    rows = store.snapshot(table).read(where=pa.compute.field(source.key[0]) == row)
    if not rows.num_rows:
        raise UserError(f"no row {row!r} in table {table!r}; ask before the row is deleted")
    return [row, *(text_names(texts[table](rows)) if table in texts else ())]


def copy_key(store: Store, source: Store) -> None:
    """Take over the key of another warehouse if this one has none, so that copied models still name their rows."""
    (fs, path), (here, own) = files.filesystem(f"{source.root}/{KEY}"), files.filesystem(f"{store.root}/{KEY}")
    if here.get_file_info(own).type == pafs.FileType.NotFound != fs.get_file_info(path).type:
        with fs.open_input_stream(path) as stream:
            _write_key(store, bytes(stream.read()))


def _key(store: Store) -> bytes:
    fs, path = files.filesystem(f"{store.root}/{KEY}")
    try:
        with fs.open_input_stream(path) as stream:
            return bytes(stream.read())
    except FileNotFoundError:
        return _write_key(store, secrets.token_bytes(32))


def _write_key(store: Store, key: bytes) -> bytes:
    """Keep the key where only its owner can read it, and return it."""
    files.write_bytes(f"{store.root}/{KEY}", key)
    if "://" not in store.root:
        os.chmod(files.filesystem(f"{store.root}/{KEY}")[1], 0o600)
    return key
