"""Model folders (safetensors, tokenizer, configuration): their digests, integrity checks, and download to this machine.

The registry uses this on the driver, and the engines in the workers. A folder is given as a path, an object-store URI,
or `hf://owner/name@commit` on the model hub.
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
_TEXTS = ("base", "encoder", "licence", "created_at", "origin", "rows_key")  # optional text entries of a manifest


def cache() -> Path:
    """Return the folder of this machine's model cache: `models` in $SHOPBATCH_CACHE or ~/.cache/shopbatch."""
    return Path(os.path.expanduser(os.environ.get("SHOPBATCH_CACHE") or "~/.cache/shopbatch")) / "models"


def contents(folder: Path, *, trust: bool = False) -> dict[str, dict[str, Any]]:
    """Return the SHA-256 and size of each file that belongs to the model, by its path in the folder.

    The manifest and files derived from the model, such as OpenVINO graphs, are left out.

    Args:
        folder: The model folder on this machine.
        trust: Whether the SHA-256 of a large file that did not change may come from a cache (see `digests`).

    Returns:
        Path -> {"sha256": hex digits, "size": bytes}.

    Raises:
        ModelError: The folder holds a file that is not allowed (see `listing.listed`).
    """
    paths = {name: path for name, path in listed(folder).items() if is_digested(name)}
    return {name: {"sha256": _sum(path, trust), "size": path.stat().st_size} for name, path in paths.items()}


def digest(contained: Files) -> str:
    """Return the digest that identifies a model, 64 hex digits: folders with equal files have equal digests.

    Args:
        contained: The model's files, as `contents` returns them.
    """
    text = json.dumps({path: [entry["sha256"], entry["size"]] for path, entry in contained.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def verify(folder: Path, contained: Files, name: str, *, trust: bool = False) -> None:
    """Raise ModelError if a file of a model was changed, removed or added since the manifest was written.

    Args:
        folder: The model folder on this machine.
        contained: The files as the manifest lists them.
        name: Name of the model in the error message.
        trust: Whether the SHA-256 of a large file whose size, times and inode are unchanged may come from a cache (see
            `digests`).
    """
    if added := [file for file in listed(folder) if is_digested(file) and file not in contained]:
        raise ModelError(f"model {name} is damaged: {added[0]} was not there when it was built; remove it")
    verify_files(folder, contained, f"model {name}", trust=trust)


def verify_files(folder: Path, contained: Files, what: str, *, trust: bool = False) -> None:
    """Raise ModelError for the first listed file that is missing or has another size or SHA-256, smallest file first.

    Args:
        folder: The folder.
        contained: The listed files.
        what: Name of the folder in the error message.
        trust: As for `verify`.
    """
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
    """Read and check the manifest of a published model folder, without reading the other files.

    Args:
        folder: Path or URI of the folder.
        name: Name of the model in an error message.

    Returns:
        The manifest, at least with `name`, `digest` and `files`.

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
    """Return True if JSON content has the structure of a manifest. The file paths in it are not checked."""
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
    """Return the path of a model folder on this machine; fetch it into the cache and verify it if it is elsewhere.

    Args:
        folder: A path, an object-store URI, or `hf://owner/name@commit`. A path is returned as it is.

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
    """Download a model from the Hugging Face hub, or find it in the hub's cache, and return its folder.

    Args:
        reference: `owner/name` or `owner/name@revision`.

    Raises:
        ModelError: The hub does not have the model, or cannot be reached.
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
    """Rename a finished folder to its final place, also while other processes do the same.

    Args:
        staging: The finished folder.
        target: Its final place. An undamaged folder that is already at this place stays; a damaged one is replaced.
        is_whole: Returns True if a folder is undamaged.
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
    """Return True if a cached folder has exactly the files that the manifest lists."""
    try:
        verify(folder, manifest["files"], str(folder), trust=True)
    except ModelError:
        return False
    return True


def _sum(path: Path, trust: bool) -> str:
    """Return the SHA-256 of a file in hex; with `trust`, that of a large file may come from the cache."""
    return remembered_sha256(path, cache() / "digests") if trust else sha256(path)
