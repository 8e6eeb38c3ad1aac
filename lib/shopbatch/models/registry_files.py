"""The files of the registry: where they are, which names are there, what `live.json` says, what manifests may tell."""

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
DIGITS = 12  # of a digest, the name of a version's folder
_REFERENCE = re.compile(rf"[a-z][a-z0-9_-]*@[0-9a-f]{{{DIGITS}}}")  # looks like an e-mail address, and is none
_EXACT = ("name", "digest", "created_at", "origin", "rows", "rows_key", "files")  # names and hashes, made here


class NoLiveModel(ModelError):
    """The registry has no live model of this name."""


def live_version(root: str, name: str) -> str:
    """Read which digest `name@live` means.

    Raises:
        NoLiveModel: None.
        ModelError: The file that says it is damaged.
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
    there = ", ".join(f"{name}@{key}" for key in keys(root, name)) or "none"
    return f"publish the model again, or name a version instead of live (there: {there})"


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ModelError(f"model name {name[:100]!a}: expected small letters, digits, - and _")
    if clean(name) != name:
        raise ModelError(f"model name {clean(name)!r}: it tells what is masked elsewhere; choose another name")


def place(root: str, *names: str) -> str:
    """Return a path in the registry. Inside the warehouse no link is followed.

    Raises:
        ModelError: One of the folders on the way is a link.
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
    return [k for k in _folders(f"{root}/{name}") if re.fullmatch(rf"[0-9a-f]{{{DIGITS}}}", k)]


def names(root: str) -> list[str]:
    return [n for n in _folders(root) if NAME.fullmatch(n)]


def _folders(uri: str) -> list[str]:
    fs, path = files.filesystem(uri)
    entries = files.entries(fs, path)
    return sorted(f.base_name for f in entries if f.type == pafs.FileType.Directory)


def upload(staging: Path, built: Mapping[str, Any], target: str) -> None:
    fs, path = files.filesystem(target)
    for name in built:
        parent = os.path.dirname(f"{path}/{name}")
        fs.create_dir(parent, recursive=True)
        pafs.copy_files(str(staging / name), f"{path}/{name}", pafs.LocalFileSystem(), fs)


def dump(tree: Mapping[str, Any]) -> bytes:
    """Return a manifest as it is stored: free of secrets, and of what is masked in reports, too."""
    exact = {k: v for k, v in tree.items() if k in _EXACT or (isinstance(v, str) and _REFERENCE.fullmatch(v))}
    return json.dumps({**clean_tree(dict(tree)), **exact}, indent=1, ensure_ascii=False).encode()
