"""Model folders: safetensors, tokenizer and configuration; their digest; and how they come to this machine.

Called by the registry (on the driver) and by the engines (in the workers). A folder is a path, an object-store URI, or
`hf://owner/name@commit` on the model hub.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from shopbatch.core.errors import UserError, one_line
from shopbatch.warehouse import files

MANIFEST = "manifest.json"
HUB = "hf://"
Files = Mapping[str, Mapping[str, Any]]  # path in the folder -> {"sha256": hex, "size": bytes}
_PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"})
_KEPT = (".safetensors", ".json", ".txt", ".model", ".gguf", ".xml", ".bin", ".jinja")


class ModelError(UserError):
    """A model that is missing, damaged, incomplete, or of a kind that is refused. The message is one line."""


def cache() -> Path:
    """Return the folder for models on this machine: in SHOPBATCH_CACHE, or else in ~/.cache/shopbatch."""
    return Path(os.environ.get("SHOPBATCH_CACHE") or "~/.cache/shopbatch").expanduser() / "models"


def refuse_pickles(folder: Path) -> None:
    """Raise ModelError for any file that loading might unpickle, because a pickle can run code.

    A .bin beside an .xml of the same name is allowed: it holds OpenVINO's weights, which are only numbers.
    """
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in _PICKLES or path.is_dir():
            continue
        if path.suffix == ".bin" and path.with_suffix(".xml").exists():
            continue
        raise ModelError(f"model {folder}: {path.relative_to(folder)} may be a pickle; only safetensors are loaded")


def contents(folder: Path) -> dict[str, dict[str, Any]]:
    """Return sha256 and size of the files that make the model, without the manifest and derived files."""
    entries = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        derived = any(part.startswith((".", "openvino-")) for part in relative.parts)
        if path.is_file() and not derived and path.suffix in _KEPT and relative.name != MANIFEST:
            entries[relative.as_posix()] = {"sha256": _sha256(path), "size": path.stat().st_size}
    return entries


def digest(contained: Files) -> str:
    """Return the model's permanent name, 64 hex digits: equal files have equal digests."""
    text = json.dumps({path: [entry["sha256"], entry["size"]] for path, entry in contained.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def verify(folder: Path, contained: Files, name: str) -> None:
    """Raise ModelError for the first file that has changed since the model was built.

    Args:
        folder: The folder of the files.
        contained: The files as the manifest lists them.
        name: What the error calls the model.
    """
    for path, entry in sorted(contained.items(), key=lambda item: int(item[1]["size"])):
        try:
            size = (folder / path).stat().st_size
            if size != entry["size"]:
                raise ModelError(f"model {name} is damaged: {path} has {size:,} bytes instead of {entry['size']:,}")
            if _sha256(folder / path) != entry["sha256"]:
                raise ModelError(f"model {name} is damaged: {path} is not what was built (its sha256 differs)")
        except OSError as error:
            raise ModelError(f"model {name} is damaged: {path} cannot be read ({error.strerror})") from None


def read_manifest(folder: str, name: str) -> dict[str, Any]:
    """Read the manifest of a published folder.

    Args:
        folder: Path or URI.
        name: What an error calls the model.

    Raises:
        ModelError: The manifest is missing (the folder is half-written) or damaged.
    """
    fs, path = files.filesystem(folder)
    try:
        with fs.open_input_stream(f"{path}/{MANIFEST}") as stream:
            manifest = json.loads(stream.read())
        if digest(manifest["files"]) != manifest["digest"]:
            raise ModelError(f"model {name} is damaged: {MANIFEST} contradicts itself")
    except FileNotFoundError:
        raise ModelError(f"model {name} is not complete: {MANIFEST}, which is written last, is missing") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ModelError) or files.is_lost_connection(error):
            raise
        raise ModelError(f"model {name} is damaged: {MANIFEST} cannot be read") from None
    return dict(manifest)


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
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                pafs.copy_files(f"{path}/{name}", str(staging / name), fs, pafs.LocalFileSystem())
            verify(staging, manifest["files"], source)
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
    wanted = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]
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
    if target.exists() and not is_whole(target):
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
        verify(folder, manifest["files"], str(folder))
    except ModelError:
        return False
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
