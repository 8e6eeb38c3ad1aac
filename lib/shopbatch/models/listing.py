"""Lists the files of a model folder, and refuses folders with files that may hold code or lead outside the folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from shopbatch.core.errors import UserError
from shopbatch.core.inside import inside
from shopbatch.models.errors import ModelError

MANIFEST = "manifest.json"
DIGESTED = (".safetensors", ".json", ".txt", ".model", ".spm", ".jinja")  # file types that belong to a model
_WORDS = re.compile(r"[^.]+\.(md|rst)|(?i:licen[cs]e|notice|readme|copying|use_policy)")  # allowed, never read
_MOST_FILES = 10_000


def listed(folder: Path, derived: bool = False) -> dict[str, Path]:
    """List the files of a model folder, without hidden files and derived files (`openvino-*`).

    Args:
        folder: The folder.
        derived: Whether the folder itself holds derived files, which may be of any type.

    Returns:
        Path of each file by its name relative to the folder, in alphabetical order.

    Raises:
        ModelError: A file is a link (other than those of the Hugging Face cache), not a regular file, or of a type that
            may hold code; the message names it. Or there are more than 10,000 files.
    """
    store = _hub_store(folder)
    entries: dict[str, Path] = {}
    try:
        for name in _walk(folder):
            path = inside(folder, name, f"model {folder}", store)
            if path.is_dir():
                continue
            if not derived and PurePosixPath(name).suffix not in DIGESTED and not _WORDS.fullmatch(path.name):
                kinds = ", ".join(DIGESTED)
                raise ModelError(f"model {folder}: {name} is of a kind that is refused (taken are {kinds}); remove it")
            entries[name] = path
            if len(entries) > _MOST_FILES:
                raise ModelError(f"model {folder}: it has more than {_MOST_FILES:,} files; name a model's own folder")
    except OSError as error:
        raise ModelError(f"model {folder}: it cannot be read ({error.strerror})") from None
    except UserError as error:
        raise ModelError(str(error)) from None
    return dict(sorted(entries.items()))


def is_digested(name: str) -> bool:
    """Return True if a file of this name is a part of the model, so that the model's digest covers it."""
    path = PurePosixPath(name)
    return name != MANIFEST and path.suffix in DIGESTED and not any(_is_apart(part) for part in path.parts)


def _walk(folder: Path) -> Iterator[str]:
    """Yield the relative names of all files, folders and links except hidden and derived ones; follow no links."""
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not _is_apart(name)]
        prefix = PurePosixPath(Path(parent).relative_to(folder))
        yield from (str(prefix / name) for name in [*folders, *names] if not _is_apart(name))


def _is_apart(name: str) -> bool:
    """Return True for the names of hidden files and of files derived from the model, which are not listed."""
    return name.startswith((".", "openvino-"))


def _hub_store(folder: Path) -> Path | None:
    """Return the folder with the file contents of a snapshot in the Hugging Face cache; None for any other folder.

    A snapshot's files are links into this folder.
    """
    blobs = folder.resolve().parent.parent / "blobs"
    return blobs if folder.resolve().parent.name == "snapshots" and blobs.is_dir() else None


def _raise(error: OSError) -> None:
    """Raise the error that `os.walk` met, which it would otherwise ignore."""
    raise error
