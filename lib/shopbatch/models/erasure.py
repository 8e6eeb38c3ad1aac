"""Finds the models that a row helped to train, so that the models of an erased customer can be named.

Every training row has a name: its table key. Where training uses only one of several rows with the same text, a hash of
the text is a second name, which these rows share. A model's manifest holds keyed hashes of the names of its training
rows: HMAC-SHA256 (RFC 2104) under a key that is stored in the warehouse. The manifest alone reveals nothing; with the
key one can test whether a given row is among them.
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

TextOf = Callable[[pa.Table], pa.Array]  # rows of a table -> the text of each row


def keyed(store: Store, names: Sequence[str]) -> list[str]:
    """Hash names of rows under the warehouse's key, which is created at the first call.

    Args:
        store: The warehouse.
        names: The names: keys of rows, or hashes of their texts (`text_names`).

    Returns:
        16 hex digits per name, sorted, without repetitions.

    Raises:
        UserError: The key is damaged.
    """
    return sorted(set(map(hasher(store), names)))


def hasher(store: Store) -> Callable[[str], str]:
    """Return a function that hashes one name as `keyed` does: 16 hex digits.

    The key is read, or created, only once, when `hasher` is called.
    """
    return partial(_hash, _key_to_write(store))


def record(store: Store, names: Sequence[str]) -> dict[str, Any]:
    """Return the manifest entries that record which rows a model was trained on.

    Args:
        store: The warehouse; its key is created if there is none.
        names: Names of the training rows: their keys, or the result of `text_names` or `user_names`.

    Returns:
        {"rows": sorted hashes of the names, "rows_key": identity of the key}.

    Raises:
        UserError: The key is damaged.
    """
    key = _key_to_write(store)
    return {"rows": sorted({_hash(key, name) for name in names}), "rows_key": identity(key)}


def _hash(key: bytes, name: str) -> str:
    """Return the HMAC-SHA256 of a name, cut to 16 hex digits."""
    return hmac.digest(key, name.encode(), hashlib.sha256).hex()[:16]


def text_names(texts: pa.ChunkedArray | pa.Array) -> list[str]:
    """Return for each text a name that depends on the text alone: its 128-bit hash, as 32 hex digits.

    Rows with equal texts therefore have the same name.
    """
    return [str(name) for name in hex128(*hash128([texts])).to_pylist()]


def user_names(users: Iterable[str]) -> list[str]:
    """Return names of users, for the record of a model that is fitted to all rows of each user ("7" -> "user 7").

    The prefix distinguishes a user from a review with the same id.
    """
    return [f"user {user}" for user in users]


@dataclass(frozen=True)
class Answer:
    """The models that a row helped to train.

    Attributes:
        sentence: The result in one sentence for the user, with any reasons why it may be incomplete.
        models: The models, as `list_models` lists them.
    """

    sentence: str
    models: list[dict[str, Any]]


def trained_on(store: Store, table: str, row: str, texts: Mapping[str, TextOf]) -> Answer:
    """Find the models that one row of a table helped to train.

    A row that was deleted can be found only by its key, not by its text; the sentence says so.

    Args:
        store: The warehouse.
        table: Name of the table.
        row: Key of the row.
        texts: For each table whose rows are named by their text, the function that returns the texts of its rows.

    Raises:
        UserError: The table does not exist, its rows have no single key, or the key of the hashes is missing or
            damaged.
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
    """Find the models that any of several rows helped to train.

    Args:
        store: The warehouse.
        names: Names of the rows: their keys, and the result of `text_names` for their texts.

    Returns:
        Two lists of references (`name@digest`): the models that were trained on at least one of the rows, and the
        models for which this is unknown, because they keep no record of their rows or used another key.
    """
    models = list_models(store)
    trained, other = _trained(store, models, names)
    silent = [str(m["model"]) for m in models if m["trained here"] and not m["rows"]]
    return [str(m["model"]) for m in trained], [*silent, *other]


def _trained(
    store: Store, models: Sequence[dict[str, Any]], names: Sequence[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Search the models' records for rows with these names.

    No key is created: without a key there are no records to search.

    Returns:
        The models that were trained on one of the rows, and the references of models whose records use another key.
    """
    recorded = [m for m in models if m["rows"]]
    key = _key_to_read(store, recorded)
    if key is None:
        return [], []
    wanted = {_hash(key, name) for name in names}
    other = [str(m["model"]) for m in recorded if m["key"] not in (None, identity(key))]
    return [m for m in recorded if wanted & m["rows"]], other


def list_models(store: Store) -> list[dict[str, Any]]:
    """List every published model with its live mark, date, base, licence, main metric and hashes of training rows.

    Returns:
        A dict per model: model (`name@digest`), live ("live" or ""), created (ISO time), base, licence, metric (one
        line), trained here (bool), rows (set of hashes; empty without a record) and key (identity of the hashes' key,
        or None).
    """
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
    """Return the key for new hashes; create it if the warehouse has none.

    Raises:
        UserError: The stored key is damaged, or no model's record was made with it.
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
    """Return the key with which at least one of these models recorded its rows; None if no models are given.

    Raises:
        UserError: The key is missing, damaged, or not the key of any of these models.
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
    """Return a clause for the error message about a lost key, which names the models that can no longer be searched.

    For example "which rows trained reviews@1f2e3d4c5b6a can no longer be answered".
    """
    names = ", ".join(str(m["model"]) for m in recorded) or "models to come"
    return f"which rows trained {names} can no longer be answered"
