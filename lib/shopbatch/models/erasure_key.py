"""The key of the hashes by which models name their training rows: `_models/erasure.key`, 32 random bytes.

Only a job that writes such hashes makes the key, once for a warehouse. Manifests hold the key's identity, so that
another key, or a damaged one, is noticed instead of answering that no model was trained on a row.
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
    """Return 16 hex digits that tell keys apart and nothing else about them."""
    return hashlib.sha256(_LABEL + key).hexdigest()[:16]


def read_key(store: Store, lost: str) -> bytes | None:
    """Return the key of a warehouse; None if it has none.

    Args:
        store: The warehouse.
        lost: What can no longer be answered without the key, for the error.

    Raises:
        UserError: The key is damaged.
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
    """Keep a new key where only its owner can read it, unless there is one by now; return the one that is there.

    Of several processes that do this at once in a folder, one makes the key, and all get it. An object store keeps the
    key that was written last.

    Args:
        store: The warehouse.
        key: The key; None makes one.
    """
    key = key or secrets.token_bytes(BYTES)
    fs, path = files.filesystem(f"{store.root}/{KEY}")
    if not isinstance(fs, pafs.LocalFileSystem):
        files.write_bytes(f"{store.root}/{KEY}", key)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".erasure-")  # only its owner can read it
        try:
            with open(handle, "wb") as file:
                file.write(key)
                file.flush()
                os.fsync(file.fileno())
            try:
                with suppress(FileExistsError):
                    os.link(draft, path)  # unlike a rename, never over another one
            except OSError:  # a file system without links
                if os.path.lexists(path):
                    raise
                os.rename(draft, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft)
    return read_key(store, "no training row can be named") or key


def copy_key(store: Store, source: Store) -> None:
    """Take over the key of another warehouse if this one has none, so that copied models still name their rows.

    Raises:
        UserError: The key there is damaged.
    """
    key = read_key(source, "which rows trained the models there can no longer be answered")
    if key is not None and read_key(store, "it cannot be compared with that of the other warehouse") is None:
        make_key(store, key)
