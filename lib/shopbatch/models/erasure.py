"""Which models a row helped to train, so that the models of an erased customer can be named.

A model's manifest holds keyed hashes of its training rows: HMAC-SHA256 (RFC 2104) under a key that is stored in the
warehouse. Someone who has only the manifest learns nothing; someone who has the key can ask for one row. Rows are named
by their key, and in tables whose equal texts are trained on only once also by their text.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.errors import UserError
from shopbatch.core.hashing import all_names, hash128, hex128
from shopbatch.models import registry
from shopbatch.models.erasure_key import KEY, identity, make_key, read_key
from shopbatch.models.erasure_key import copy_key as copy_key
from shopbatch.models.summary import built_on, main_metric
from shopbatch.tables import table as table_named
from shopbatch.tables.schema import Person
from shopbatch.warehouse.store import Store

TextOf = Callable[[pa.Table], pa.Array]  # the texts of a table's rows, by which they are named


def keyed(store: Store, names: Sequence[str]) -> list[str]:
    """Hash the names of rows under the warehouse's key, which is made at the first call.

    Returns:
        16 hex digits per name, sorted, without repetitions.

    Raises:
        UserError: The key is damaged.
    """
    return sorted(set(map(hasher(store), names)))


def hasher(store: Store) -> Callable[[str], str]:
    """Return the function that hashes a name as `keyed` does. The key is read, or made, once."""
    return partial(_hash, _key_to_write(store))


def record(store: Store, names: Sequence[str]) -> dict[str, Any]:
    """Return what a manifest says of the training rows of these names: their hashes, and the identity of the key.

    Raises:
        UserError: The key is damaged.
    """
    key = _key_to_write(store)
    return {"rows": sorted({_hash(key, name) for name in names}), "rows_key": identity(key)}


def _hash(key: bytes, name: str) -> str:
    return hmac.digest(key, name.encode(), hashlib.sha256).hex()[:16]


def text_names(texts: pa.ChunkedArray | pa.Array) -> list[str]:
    """Name rows by their text alone."""
    return [str(name) for name in hex128(*hash128([texts])).to_pylist()]


def user_names(users: Iterable[str]) -> list[str]:
    """Return the names of users in the record of a model that is fitted to all rows of each user.

    They say that these are users: a user and a review may have the same id.
    """
    return [f"user {user}" for user in users]


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
        UserError: There is no such table, its rows have no single key, or the key of the hashes is missing or damaged.
    """
    key = table_named(table).key
    if len(key) != 1:
        raise UserError(f"table {table!r}: its rows have no single key, so no model names them")
    snapshot = store.find(table)
    rows = None if snapshot is None else snapshot.read(where=pc.field(key[0]) == row)
    by_text = table in texts
    everything = list_models(store)
    names = [row, *(all_names([texts[table](rows)]) if rows and by_text else ())]
    person = table_named(table).person
    if isinstance(person, Person) and person.user == key[0]:
        names += user_names([row])
    models, other = _trained(store, everything, names)
    doubts = []
    if other:
        doubts.append(f"{', '.join(other)} {'name' if other[1:] else 'names'} rows by another key, which is not here")
    if not rows:
        there = f"there is no table {table}" if snapshot is None else f"the row is not in {table}"
        doubts.append(there + (", so its text, by which models name it, is not known" if by_text else ""))
    if silent := [m["model"] for m in everything if m["trained here"] and not m["rows"]]:
        doubts.append(f"{', '.join(silent)} {'keep' if silent[1:] else 'keeps'} no record of training rows")
    listed = ", ".join(m["model"] for m in models)
    sure = "was" if not doubts else "is known to have been"
    sentence = f"no model {sure} trained on {table} {row}"
    if models:
        sentence = f"{len(models)} model{'s were' if models[1:] else ' was'} trained on {table} {row}: {listed}"
    return Answer(sentence + (f" ({'; '.join(doubts)})" if doubts else ""), models)


def models_of(store: Store, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Find the models that rows helped to train.

    Args:
        store: The warehouse.
        names: Names of rows: their keys, and what `text_names` makes of their texts.

    Returns:
        References to the models that were trained on one of the rows, and to those that keep no record of theirs.
    """
    models = list_models(store)
    trained, other = _trained(store, models, names)
    silent = [str(m["model"]) for m in models if m["trained here"] and not m["rows"]]
    return [str(m["model"]) for m in trained], [*silent, *other]


def _trained(
    store: Store, models: Sequence[dict[str, Any]], names: Sequence[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the models that were trained on rows of these names, and references to those that cannot be asked.

    No key is made: without one, nothing can be asked.
    """
    recorded = [m for m in models if m["rows"]]
    key = _key_to_read(store, recorded)
    if key is None:
        return [], []
    wanted = {_hash(key, name) for name in names}
    other = [str(m["model"]) for m in recorded if m["key"] not in (None, identity(key))]
    return [m for m in recorded if wanted & m["rows"]], other


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
            "key": manifest.get("rows_key"),
        }
        for reference, manifest, live in listed
    ]


def _key_to_write(store: Store) -> bytes:
    """Return the key for new hashes, which is made if there is none.

    Raises:
        UserError: The key that is there is damaged, or is not that of any model here.
    """
    recorded = [m for m in list_models(store) if m["rows"]]
    lost = _lost(recorded)
    key = read_key(store, lost)
    if key is None:
        return make_key(store)
    if recorded and all(m["key"] not in (None, identity(key)) for m in recorded):
        raise UserError(
            f"{store.root}/{KEY} is not the key of any model here, so {lost}; restore the right one from a backup, or "
            "move this one away, and a new one is made"
        )
    return key


def _key_to_read(store: Store, recorded: Sequence[Mapping[str, Any]]) -> bytes | None:
    """Return the key by which at least one of these models names its rows; None if there are no such models.

    Raises:
        UserError: It is missing, damaged, or another one.
    """
    if not recorded:
        return None
    lost = _lost(recorded)
    key = read_key(store, lost)
    if key is None:
        raise UserError(f"{store.root}/{KEY} is missing, so {lost}; restore it from a backup")
    if all(m["key"] not in (None, identity(key)) for m in recorded):
        raise UserError(f"{store.root}/{KEY} is damaged or another one, so {lost}; restore it from a backup")
    return key


def _lost(recorded: Sequence[Mapping[str, Any]]) -> str:
    names = ", ".join(str(m["model"]) for m in recorded) or "models to come"
    return f"which rows trained {names} can no longer be answered"
