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
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from shopbatch.core.errors import UserError
from shopbatch.core.hashing import hash128, hex128
from shopbatch.models import registry
from shopbatch.models.summary import built_on, main_metric
from shopbatch.tables import table as table_named
from shopbatch.warehouse import checksums, files
from shopbatch.warehouse.store import Store

KEY = "_models/erasure.key"
KEY_BYTES = 32
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


@dataclass(frozen=True)
class Answer:
    """Which models a row helped to train: the sentence that says so, and the models as `list_models` lists them."""

    sentence: str
    models: list[dict[str, Any]]


def trained_on(store: Store, table: str, row: str, texts: Mapping[str, TextOf]) -> Answer:
    """Find the models that one row of a table helped to train.

    A row that is deleted is found by its key only; what cannot be known is said.

    Args:
        store: The warehouse.
        table: The table.
        row: Key of the row.
        texts: For each table whose rows are named by their text, the function that gives the texts of its rows.

    Raises:
        UserError: There is no such table, or its rows have no single key.
    """
    key = table_named(table).key
    if len(key) != 1:
        raise UserError(f"table {table!r}: its rows have no single key, so no model names them")
    snapshot = store.find(table)
    rows = None if snapshot is None else snapshot.read(where=pc.field(key[0]) == row)
    by_text = table in texts
    wanted = set(keyed(store, [row, *(text_names(texts[table](rows)) if rows and by_text else ())]))
    everything = list_models(store)
    models = [m for m in everything if wanted & m["rows"]]
    doubts = []
    if not rows:
        there = f"there is no table {table}" if snapshot is None else f"the row is not in {table}"
        doubts.append(there + (", so its text, by which models name it, is not known" if by_text else ""))
    if silent := [m["model"] for m in everything if m["trained here"] and not m["rows"]]:
        doubts.append(f"{', '.join(silent)} {'keep' if silent[1:] else 'keeps'} no record of training rows")
    names = ", ".join(m["model"] for m in models)
    sure = "was" if not doubts else "is known to have been"
    sentence = f"no model {sure} trained on {table} {row}"
    if models:
        sentence = f"{len(models)} model{'s were' if models[1:] else ' was'} trained on {table} {row}: {names}"
    return Answer(sentence + (f" ({'; '.join(doubts)})" if doubts else ""), models)


def list_models(store: Store) -> list[dict[str, Any]]:
    """List every published model: whether it is live, when, on what, its licence, main metric and hashes of rows."""
    listed = [(registry.reference(m), m, live) for m, live in registry.listed(f"{store.root}/_models")]
    licences = {reference: manifest.get("licence") for reference, manifest, _ in listed}
    return [
        {
            "model": reference,
            "live": "live" if live else "",
            "created": manifest.get("created_at"),
            "base": built_on(manifest),
            "licence": manifest.get("licence") or licences.get(built_on(manifest)),
            "metric": main_metric(manifest.get("metrics") or {}),
            "trained here": "origin" in manifest,
            "rows": set(manifest.get("rows", ())),
        }
        for reference, manifest, live in listed
    ]


def copy_key(store: Store, source: Store) -> None:
    """Take over the key of another warehouse if this one has none, so that copied models still name their rows."""
    (fs, path), (here, own) = files.filesystem(f"{source.root}/{KEY}"), files.filesystem(f"{store.root}/{KEY}")
    if here.get_file_info(own).type == pafs.FileType.NotFound != fs.get_file_info(path).type:
        with fs.open_input_stream(path) as stream:
            _write_key(store, bytes(stream.read()))


def _key(store: Store) -> bytes:
    fs, path = files.filesystem(f"{store.root}/{KEY}")
    if "://" not in store.root:
        checksums.check_beside(path)
    try:
        with fs.open_input_stream(path) as stream:
            return bytes(stream.read())
    except FileNotFoundError:
        return _write_key(store, secrets.token_bytes(KEY_BYTES))


def _write_key(store: Store, key: bytes) -> bytes:
    """Keep the key where only its owner can read it, and return it."""
    files.write_bytes(f"{store.root}/{KEY}", key)
    if "://" not in store.root:
        path = files.filesystem(f"{store.root}/{KEY}")[1]
        os.chmod(path, 0o600)
        files.seal(path)
    return key
