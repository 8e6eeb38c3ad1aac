"""Low-level access to the registry's folders and files: names and versions, `live.json`, and the text of manifests."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from shopbatch.core.errors import UserError
from shopbatch.core.inside import inside
from shopbatch.core.privacy import clean, clean_tree
from shopbatch.models import json_files
from shopbatch.models.folder import NAME, ModelError
from shopbatch.warehouse import files

LIVE = "live.json"
DIGITS = 12  # digits of a digest that name a version's folder
_REFERENCE = re.compile(rf"[a-z][a-z0-9_-]*@[0-9a-f]{{{DIGITS}}}")  # would be masked as an e-mail address
_EXACT = ("name", "digest", "created_at", "origin", "rows", "rows_key", "files")  # names and hashes: never masked


class NoLiveModel(ModelError):
    """The registry has no live model of this name."""


def live_version(root: str, name: str) -> str:
    """Return the digest, 64 hex digits, of the model that `name@live` means.

    Args:
        root: The registry's folder or URI.
        name: Name of the model.

    Raises:
        NoLiveModel: No model of that name is live.
        ModelError: `live.json` is damaged.
    """
    try:
        tree = json_files.parse(json_files.read_bytes(place(root, name), LIVE), f"model {name}: {LIVE}")
    except FileNotFoundError:
        known = ", ".join(names(root)) or "none"
        raise NoLiveModel(f"no live model {name!r} in {root} (models there: {known})") from None
    except UserError as error:
        raise ModelError(f"{error}; {_publish_again(root, name)}") from None
    key = tree.get("digest") if isinstance(tree, dict) else None
    if not re.fullmatch(r"[0-9a-f]{64}", str(key)):
        raise ModelError(f"model {name}: {LIVE} cannot be read; {_publish_again(root, name)}")
    return str(key)


def _publish_again(root: str, name: str) -> str:
    """Return advice for the error message about a damaged `live.json`, with the versions of the model that exist."""
    there = ", ".join(f"{name}@{key}" for key in keys(root, name)) or "none"
    return f"publish the model again, or name a version instead of live (there: {there})"


def check_name(name: str) -> None:
    """Raise ModelError if a model name has wrong characters, or contains text that reports mask, such as a secret."""
    if not NAME.fullmatch(name):
        raise ModelError(f"model name {name[:100]!a}: expected small letters, digits, - and _")
    if clean(name) != name:
        raise ModelError(f"model name {clean(name)!r}: it tells what is masked elsewhere; choose another name")


def place(root: str, *names: str) -> str:
    """Return the path or URI of a folder or file in the registry, and refuse links on the way to it.

    Args:
        root: The registry's folder or URI.
        names: Names below it, such as the model's name and version.

    Raises:
        ModelError: The registry's folder, or a folder below it, is a link.
    """
    fs, path = files.filesystem(root)
    if isinstance(fs, pafs.LocalFileSystem):
        folder = Path(path)
        try:
            inside(folder.parent, "/".join([folder.name, *names]), f"models {root}")
        except UserError as error:
            raise ModelError(str(error)) from None
    return "/".join([root, *names])


def keys(root: str, name: str) -> list[str]:
    """Return the versions of a model in the registry (12 hex digits each), sorted, half-written ones included."""
    return [k for k in _folders(f"{root}/{name}") if re.fullmatch(rf"[0-9a-f]{{{DIGITS}}}", k)]


def names(root: str) -> list[str]:
    """Return the names of all models in the registry, sorted."""
    return [n for n in _folders(root) if NAME.fullmatch(n)]


def _folders(uri: str) -> list[str]:
    """Return the names of the folders in a folder, sorted; [] if it does not exist."""
    fs, path = files.filesystem(uri)
    entries = files.entries(fs, path)
    return sorted(f.base_name for f in entries if f.type == pafs.FileType.Directory)


def upload(staging: Path, built: Mapping[str, Any], target: str) -> None:
    """Copy a model's files from a local folder to an object store.

    Args:
        staging: The local folder.
        built: The files, by their path in the folder.
        target: URI of the folder in the object store.
    """
    fs, path = files.filesystem(target)
    for name in built:
        parent = os.path.dirname(f"{path}/{name}")
        fs.create_dir(parent, recursive=True)
        pafs.copy_files(str(staging / name), f"{path}/{name}", pafs.LocalFileSystem(), fs)


def dump(tree: Mapping[str, Any]) -> bytes:
    """Return the JSON text of a manifest, with secrets and personal data masked as in reports.

    Names, digests, hashes and model references are kept exactly.
    """
    exact = {k: v for k, v in tree.items() if k in _EXACT or (isinstance(v, str) and _REFERENCE.fullmatch(v))}
    return json.dumps({**clean_tree(dict(tree)), **exact}, indent=1, ensure_ascii=False).encode()
