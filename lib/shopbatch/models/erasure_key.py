"""The secret key of the hashes by which models record their training rows: `_models/erasure.key`, 32 random bytes.

Only a job that writes such hashes creates the key, once per warehouse. Manifests store the key's identity (a hash of
it). A wrong or damaged key is therefore an error, instead of leading to the answer that no model was trained on a row.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from contextlib import suppress

import pyarrow.fs as pafs

from shopbatch.core.errors import UserError
from shopbatch.models import json_files
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store

KEY = "_models/erasure.key"
_FOLDER, _NAME = KEY.split("/")
BYTES = 32
_LABEL = b"shopbatch: key of training rows\0"


def identity(key: bytes) -> str:
    """Return 16 hex digits that identify a key without revealing it."""
    return hashlib.sha256(_LABEL + key).hexdigest()[:16]


def read_key(store: Store, lost: str) -> bytes | None:
    """Read the warehouse's key for hashing the names of training rows; None if the warehouse has none.

    Args:
        store: The warehouse.
        lost: Clause for the error message that says what cannot be answered without the key ("which rows trained ...
            can no longer be answered").

    Raises:
        UserError: The key is damaged, or this user may not read it.
    """
    try:
        key = json_files.read_bytes(f"{store.root}/{_FOLDER}", _NAME)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise UserError(f"{store.root}/{KEY} cannot be read by this user, so {lost}") from None
    except UserError as error:
        raise UserError(f"{store.root}/{KEY} is damaged ({error}), so {lost}; restore it from a backup") from None
    if len(key) != BYTES:
        raise UserError(
            f"{store.root}/{KEY} is damaged ({len(key)} bytes instead of {BYTES}), so {lost}; restore it from a "
            "backup, or move it away, and the next training makes a new one"
        )
    return key


def make_key(store: Store, key: bytes | None = None) -> bytes:
    """Store a key in a warehouse that has none, readable by its owner only, and return the key that is then stored.

    If several processes do this at once in a local warehouse, one key is stored and all processes return it. In an
    object store the last write wins.

    Args:
        store: The warehouse.
        key: The key; None generates a random one.
    """
    key = key or secrets.token_bytes(BYTES)
    fs, path = files.filesystem(f"{store.root}/{KEY}")
    if not isinstance(fs, pafs.LocalFileSystem):
        files.write_bytes(f"{store.root}/{KEY}", key)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".erasure-")  # readable by its owner only
        try:
            with open(handle, "wb") as file:
                file.write(key)
                file.flush()
                os.fsync(file.fileno())
            try:
                with suppress(FileExistsError):
                    os.link(draft, path)  # unlike a rename, it never replaces an existing key
            except OSError:  # a file system without hard links
                if os.path.lexists(path):
                    raise
                os.rename(draft, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft)
    return read_key(store, "no training row can be named") or key


def copy_key(store: Store, source: Store) -> None:
    """Copy another warehouse's key for training-row hashes, if this warehouse has none.

    The records of models that are copied from the other warehouse can then be searched.

    Args:
        store: The warehouse to copy to.
        source: The warehouse to copy from.

    Raises:
        UserError: A key is damaged.
    """
    key = read_key(source, "which rows trained the models there can no longer be answered")
    if key is not None and read_key(store, "it cannot be compared with that of the other warehouse") is None:
        make_key(store, key)
