"""What a model folder is: safetensors, tokenizer and configuration; its digest; and how it comes to this machine.

Called by the registry (driver) and by the engines (workers). A folder is a path, an object-store URI, or
`hf://owner/name@commit` on the model hub.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from shopbatch.core.errors import UserError
from shopbatch.warehouse import files

MANIFEST = "manifest.json"
HUB = "hf://"
Files = Mapping[str, Mapping[str, Any]]  # path in the folder -> {"sha256": hex, "size": bytes}
_PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"})
_KEPT = (".safetensors", ".json", ".txt", ".model", ".gguf", ".xml", ".bin", ".jinja")


class ModelError(UserError):
    """A model that is not there, damaged, incomplete, or of a kind that is refused. One line."""


def cache() -> Path:
    """Where models are kept on this machine: SHOPBATCH_CACHE, else ~/.cache/shopbatch."""
    return Path(os.environ.get("SHOPBATCH_CACHE") or "~/.cache/shopbatch").expanduser() / "models"


def refuse_pickles(folder: Path) -> None:
    """Raises ModelError for any file that loading might unpickle: a pickle can run code.

    A .bin with its .xml beside it holds OpenVINO weights and is plain numbers.
    """
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in _PICKLES or path.is_dir():
            continue
        if path.suffix == ".bin" and path.with_suffix(".xml").exists():
            continue
        raise ModelError(f"model {folder}: {path.relative_to(folder)} may be a pickle; only safetensors are loaded")


def contents(folder: Path) -> dict[str, dict[str, Any]]:
    """sha256 and size of the files that make the model: not the manifest, not what was derived from the others."""
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        derived = any(part.startswith((".", "openvino-")) for part in relative.parts)
        if path.is_file() and not derived and path.suffix in _KEPT and relative.name != MANIFEST:
            found[relative.as_posix()] = {"sha256": _sha256(path), "size": path.stat().st_size}
    return found


def digest(contained: Files) -> str:
    """The model's name for good, 64 hex digits: equal files, equal digest."""
    text = json.dumps({path: [entry["sha256"], entry["size"]] for path, entry in contained.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def verify(folder: Path, contained: Files, name: str) -> None:
    """Raises ModelError naming the first file that is not as it was when the model was built."""
    for path, entry in sorted(contained.items(), key=lambda item: int(item[1]["size"])):
        try:
            size = (folder / path).stat().st_size
            if size != entry["size"]:
                raise ModelError(f"model {name} is damaged: {path} has {size:,} bytes instead of {entry['size']:,}")
            if _sha256(folder / path) != entry["sha256"]:
                raise ModelError(f"model {name} is damaged: {path} is not what was built (its sha256 differs)")
        except OSError as error:
            raise ModelError(f"model {name} is damaged: {path} can not be read ({error.strerror})") from None


def read_manifest(folder: str, name: str) -> dict[str, Any]:
    """The manifest of a published folder (path or URI). Raises ModelError: missing (half-written), damaged."""
    fs, path = files.filesystem(folder)
    try:
        with fs.open_input_stream(f"{path}/{MANIFEST}") as stream:
            manifest = json.loads(stream.read())
        if digest(manifest["files"]) != manifest["digest"]:
            raise ModelError(f"model {name} is damaged: {MANIFEST} does not hold together")
    except FileNotFoundError:
        raise ModelError(f"model {name} is not complete: {MANIFEST}, written last, is not there") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"model {name} is damaged: {MANIFEST} can not be read") from None
    return dict(manifest)


def local(folder: str | Path) -> Path:
    """The folder on this machine: a path as it is; one from elsewhere is fetched once, verified, and kept.

    Raises ModelError.
    """
    where = str(folder)
    if where.startswith(HUB):
        return hub(where.removeprefix(HUB))
    if len(urlsplit(where).scheme) <= 1:
        if not Path(where).is_dir():
            raise ModelError(f"no model folder {where}")
        return Path(where)
    manifest = read_manifest(where, where)
    target = cache() / str(manifest["digest"])[:32]
    if not _holds(target, manifest):
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=".fetch-"))
        try:
            fs, path = files.filesystem(where)
            for name in manifest["files"]:
                (aside / name).parent.mkdir(parents=True, exist_ok=True)
                pafs.copy_files(f"{path}/{name}", str(aside / name), fs, pafs.LocalFileSystem())
            verify(aside, manifest["files"], where)
            move_into_place(aside, target, lambda there: _holds(there, manifest))
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return target


def hub(reference: str) -> Path:
    """A snapshot of `owner/name` or `owner/name@revision` from the model hub (or its cache). Raises ModelError."""
    from huggingface_hub import snapshot_download

    repo, _, revision = reference.partition("@")
    wanted = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]
    try:
        return Path(snapshot_download(repo, revision=revision or None, allow_patterns=wanted))
    except (OSError, ValueError) as error:
        raise ModelError(f"model {reference}: not a folder, and the hub does not give it ({_line(error)})") from None


def move_into_place(aside: Path, target: Path, is_whole: Callable[[Path], bool]) -> None:
    """Rename a finished folder to where it belongs. One that is there already stays, unless it is damaged."""
    if target.exists() and not is_whole(target):
        old = Path(tempfile.mkdtemp(dir=target.parent, prefix=".damaged-"))
        os.rename(target, old / target.name)
        shutil.rmtree(old, ignore_errors=True)
    try:
        aside.chmod(0o755)
        os.rename(aside, target)
    except OSError:
        if not is_whole(target):
            raise


@contextmanager
def quietly() -> Iterator[None]:
    """transformers without its warnings and bars for the length of the block."""
    import transformers

    quiet = transformers.utils.logging
    level = quiet.get_verbosity()
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    try:
        yield
    finally:
        quiet.set_verbosity(level)
        quiet.enable_progress_bar()


def _holds(folder: Path, manifest: Mapping[str, Any]) -> bool:
    try:
        verify(folder, manifest["files"], str(folder))
    except ModelError:
        return False
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
