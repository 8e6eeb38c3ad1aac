"""Model folders: safetensors, tokenizer and configuration; their digest; and how they come to this machine.

Called by the registry (on the driver) and by the engines (in the workers). A folder is a path, an object-store URI, or
`hf://owner/name@commit` on the model hub.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from shopbatch.core.errors import UserError, one_line
from shopbatch.core.inside import inside, relative_name
from shopbatch.models import json_files
from shopbatch.models.digests import remembered_sha256
from shopbatch.models.digests import sha256 as sha256
from shopbatch.models.errors import ModelError as ModelError
from shopbatch.models.listing import DIGESTED, is_digested, listed
from shopbatch.models.listing import MANIFEST as MANIFEST
from shopbatch.models.screening import screen
from shopbatch.warehouse import files

HUB = "hf://"
NAME = re.compile(r"[a-z][a-z0-9_-]{0,99}")
Files = Mapping[str, Mapping[str, Any]]  # path in the folder -> {"sha256": hex, "size": bytes}
_TEXTS = ("base", "encoder", "licence", "created_at", "origin", "rows_key")  # of a manifest, if they are there


def cache() -> Path:
    """Return the folder for models on this machine: in SHOPBATCH_CACHE, or else in ~/.cache/shopbatch."""
    return Path(os.path.expanduser(os.environ.get("SHOPBATCH_CACHE") or "~/.cache/shopbatch")) / "models"


def contents(folder: Path, *, trust: bool = False) -> dict[str, dict[str, Any]]:
    """Return sha256 and size of the files that make the model, without the manifest and derived files.

    Args:
        folder: The folder.
        trust: Whether a large file that did not change is not read again (see `digests`).

    Raises:
        ModelError: As `listing.listed`.
    """
    paths = {name: path for name, path in listed(folder).items() if is_digested(name)}
    return {name: {"sha256": _sum(path, trust), "size": path.stat().st_size} for name, path in paths.items()}


def digest(contained: Files) -> str:
    """Return the model's permanent name, 64 hex digits: equal files have equal digests."""
    text = json.dumps({path: [entry["sha256"], entry["size"]] for path, entry in contained.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def verify(folder: Path, contained: Files, name: str, *, trust: bool = False) -> None:
    """Raise ModelError for the first file that has changed since the model was built, or was added to it.

    Args:
        folder: The folder of the files.
        contained: The files as the manifest lists them.
        name: What the error calls the model.
        trust: Whether a large file whose size, times and inode are those of the last time is not read (see `digests`).
    """
    if added := [file for file in listed(folder) if is_digested(file) and file not in contained]:
        raise ModelError(f"model {name} is damaged: {added[0]} was not there when it was built; remove it")
    verify_files(folder, contained, f"model {name}", trust=trust)


def verify_files(folder: Path, contained: Files, what: str, *, trust: bool = False) -> None:
    """Raise ModelError for the first of these files that is not as it is listed. `what` names the folder in errors."""
    for name, entry in sorted(contained.items(), key=lambda item: int(item[1]["size"])):
        try:
            path = inside(folder, name, what)
            size = path.stat().st_size
            if size != entry["size"]:
                raise ModelError(f"{what} is damaged: {name} has {size:,} bytes instead of {entry['size']:,}")
            if _sum(path, trust) != entry["sha256"]:
                raise ModelError(f"{what} is damaged: {name} is not what was built (its sha256 differs)")
        except OSError as error:
            raise ModelError(f"{what} is damaged: {name} cannot be read ({error.strerror})") from None


def read_manifest(folder: str, name: str) -> dict[str, Any]:
    """Read the manifest of a published folder.

    Args:
        folder: Path or URI.
        name: What an error calls the model.

    Raises:
        ModelError: The manifest is missing (the folder is half-written), damaged, or names a file outside the folder.
    """
    what = f"model {name} is damaged: {MANIFEST}"
    try:
        manifest = json_files.parse(json_files.read_bytes(folder, MANIFEST), what)
    except FileNotFoundError:
        raise ModelError(f"model {name} is not complete: {MANIFEST}, which is written last, is missing") from None
    except OSError as error:
        if files.is_lost_connection(error):
            raise
        raise ModelError(f"{what} cannot be read ({error.strerror})") from None
    except UserError as error:
        raise ModelError(str(error)) from None
    if not _is_manifest(manifest):
        raise ModelError(f"{what} cannot be read: it is not the manifest of a model")
    for file in manifest["files"]:
        try:
            relative_name(file, what)
        except UserError as error:
            raise ModelError(str(error)) from None
        if not is_digested(file):
            raise ModelError(f"{what} names {file[:99]!r}, of a kind that is refused (taken are {', '.join(DIGESTED)})")
    if digest(manifest["files"]) != manifest["digest"]:
        raise ModelError(f"{what} contradicts itself")
    return dict(manifest)


def _is_manifest(tree: Any) -> bool:
    """Whether a tree has the form of a manifest. What the names in it lead to is not looked at."""
    if not isinstance(tree, dict) or not isinstance(tree.get("files"), dict) or not tree["files"]:
        return False
    entries = [e if isinstance(e, dict) else {} for e in tree["files"].values()]
    sizes, sums = [e.get("size") for e in entries], [e.get("sha256") for e in entries]
    rows, needs = tree.get("rows", []), tree.get("needs", [])
    return (
        NAME.fullmatch(str(tree.get("name"))) is not None
        and all(isinstance(size, int) and size >= 0 for size in sizes)
        and all(re.fullmatch(r"[0-9a-f]{64}", str(each)) for each in [tree.get("digest"), *sums])
        and all(isinstance(tree.get(key) or "", str) for key in _TEXTS)
        and isinstance(tree.get("metrics") or {}, dict)
        and isinstance(rows, list)
        and all(isinstance(row, str) for row in rows)
        and isinstance(needs, list)
        and all(isinstance(reference, str) for reference in needs)
    )


def local(folder: str | Path) -> Path:
    """Return a model folder on this machine. One from elsewhere is fetched once, verified, and kept.

    Args:
        folder: A path, an object-store URI, or `hf://owner/name@commit`.

    Raises:
        ModelError: The folder is missing or damaged.
    """
    source = str(folder)
    if source.startswith(HUB):
        return hub(source.removeprefix(HUB))
    if len(urlsplit(source).scheme) <= 1:
        if not Path(source).is_dir():
            raise ModelError(f"no model folder {source}")
        return Path(source)
    manifest = read_manifest(source, source)
    target = cache() / str(manifest["digest"])[:32]
    if not _is_whole(target, manifest):
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=".fetch-"))
        try:
            fs, path = files.filesystem(source)
            for name in manifest["files"]:
                here = inside(staging, name, f"model {source}")
                here.parent.mkdir(parents=True, exist_ok=True)
                pafs.copy_files(f"{path}/{name}", str(here), fs, pafs.LocalFileSystem())
            verify(staging, manifest["files"], source)
            screen(staging)
            move_into_place(staging, target, lambda copy: _is_whole(copy, manifest))
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target


def hub(reference: str) -> Path:
    """Return a snapshot of `owner/name` or `owner/name@revision` from the model hub or its cache.

    Raises:
        ModelError: The hub does not give it.
    """
    from huggingface_hub import snapshot_download

    repo, _, revision = reference.partition("@")
    wanted = [f"*{kind}" for kind in DIGESTED]
    try:
        return Path(snapshot_download(repo, revision=revision or None, allow_patterns=wanted))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"model {reference}: not a folder, and the hub does not give it ({one_line(error, 200)})"
        ) from None


def move_into_place(staging: Path, target: Path, is_whole: Callable[[Path], bool]) -> None:
    """Rename a finished folder to its final place.

    Args:
        staging: The finished folder.
        target: Its final place. A folder that is already there stays, unless it is damaged.
        is_whole: Tells whether a folder is undamaged.
    """
    if os.path.lexists(target) and not is_whole(target):
        old = Path(tempfile.mkdtemp(dir=target.parent, prefix=".damaged-"))
        os.rename(target, old / target.name)
        shutil.rmtree(old, ignore_errors=True)
    try:
        staging.chmod(0o755)
        os.rename(staging, target)
    except OSError:
        if not is_whole(target):
            raise


def _is_whole(folder: Path, manifest: Mapping[str, Any]) -> bool:
    try:
        verify(folder, manifest["files"], str(folder), trust=True)
    except ModelError:
        return False
    return True


def _sum(path: Path, trust: bool) -> str:
    return remembered_sha256(path, cache() / "digests") if trust else sha256(path)
