"""Which files a model folder may hold: kinds that are only data, and nothing outside the folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from shopbatch.core.errors import UserError
from shopbatch.core.inside import inside
from shopbatch.models.errors import ModelError

MANIFEST = "manifest.json"
DIGESTED = (".safetensors", ".json", ".txt", ".model", ".spm", ".jinja")  # the kinds that make a model
_WORDS = re.compile(r"[^.]+\.(md|rst)|(?i:licen[cs]e|notice|readme|copying|use_policy)")  # never read
_MOST_FILES = 10_000


def listed(folder: Path, derived: bool = False) -> dict[str, Path]:
    """List the files of a model folder. Hidden files and what is derived from the model (`openvino-*`) do not count.

    Args:
        folder: The folder.
        derived: Whether it is a folder of derived files, which may be of any kind.

    Returns:
        Path of each file by its name, relative to the folder.

    Raises:
        ModelError: Names the first file that is a link, no ordinary file, or of a kind that may hold code; or there are
            more files than any model has.
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
    """Return whether a file of this name belongs to what makes a model, and so to its digest."""
    path = PurePosixPath(name)
    return name != MANIFEST and path.suffix in DIGESTED and not any(_is_apart(part) for part in path.parts)


def _walk(folder: Path) -> Iterator[str]:
    """Yield the names of all files, folders and links that count, without following links."""
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not _is_apart(name)]
        prefix = PurePosixPath(Path(parent).relative_to(folder))
        yield from (str(prefix / name) for name in [*folders, *names] if not _is_apart(name))


def _is_apart(name: str) -> bool:
    return name.startswith((".", "openvino-"))


def _hub_store(folder: Path) -> Path | None:
    """Return where the files of a snapshot in the hub's cache are; None for any other folder."""
    blobs = folder.resolve().parent.parent / "blobs"
    return blobs if folder.resolve().parent.name == "snapshots" and blobs.is_dir() else None


def _raise(error: OSError) -> None:
    raise error
