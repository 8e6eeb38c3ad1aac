"""The files of training checkpoints: folder names, the marker file, checksums, and checks for completeness.

`<run folder>/step-00000120/` holds weights and optimizer state as safetensors. Its marker, `checkpoint.json`, is
written last, and holds the state of the run and the checksum of every file. A folder without a marker, or whose files
do not match it, is not a valid checkpoint. `best-00000100/` holds the weights with the best validation loss so far.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import xxhash
from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from shopbatch.core.errors import UserError
from shopbatch.core.inside import inside
from shopbatch.core.scratch import scratch
from shopbatch.warehouse import files, state_files
from shopbatch.warehouse.checksums import DamagedFile

MARKER = "checkpoint.json"
STEP, BEST = re.compile(r"step-\d{8}"), re.compile(r"best-\d{8}")


class _File(TypedDict):
    """The size in bytes and the XXH3-128 of a file, as stored in the marker."""

    size: int
    xxh128: str


@with_config(ConfigDict(extra="allow"))
class _Marker(TypedDict):
    """The content of the marker: key of the run, its state, its files by name, and a checksum of all these."""

    key: str
    state: dict[str, Any]
    files: dict[str, _File]
    sum: str


class CheckpointError(UserError):
    """A checkpoint is damaged, or belongs to another run. The message is one line."""


def step_name(step: int) -> str:
    """Return the folder name of the checkpoint after an optimizer step (120 -> "step-00000120")."""
    return f"step-{step:08d}"


def best_name(step: int) -> str:
    """Return the folder name of the best weights, found by the validation after this step (100 -> "best-00000100")."""
    return f"best-{step:08d}"


def step_number(name: str) -> int:
    """Return the step number in a folder name ("step-00000120" -> 120)."""
    return int(name.rpartition("-")[2])


def steps(root: str, kind: re.Pattern[str] = STEP) -> list[str]:
    """Return the names of a run's checkpoint folders, oldest first, incomplete ones included.

    Args:
        root: Folder of the run (path or URI).
        kind: STEP for the checkpoints of steps, BEST for those of the best weights.
    """
    fs, path = files.filesystem(root)
    entries = files.entries(fs, path)
    return sorted(e.base_name for e in entries if e.type == pafs.FileType.Directory and kind.fullmatch(e.base_name))


def marker_text(marker: Mapping[str, Any]) -> bytes:
    """Return the content of the marker file: the marker as JSON, with a checksum of itself."""
    return json.dumps(dict(marker) | {"sum": _sum(marker)}, indent=1).encode()


def read_marker(folder: str) -> dict[str, Any]:
    """Read the marker of a checkpoint, without checking the other files.

    Raises:
        CheckpointError: The marker is missing or damaged.
    """
    try:
        marker: _Marker | None = state_files.load(f"{folder}/{MARKER}", _Marker)
    except DamagedFile as damage:
        raise CheckpointError(f"checkpoint {damage.said}") from None
    if marker is None:
        raise CheckpointError(f"checkpoint {folder} is incomplete: {MARKER}, which is written last, is missing")
    tree = dict(marker)
    if tree.pop("sum") != _sum(tree):
        raise CheckpointError(f"checkpoint {folder} is damaged: {MARKER} does not match its own checksum")
    return tree


def read_whole(folder: str) -> dict[str, Any]:
    """Read the marker of a checkpoint, and check that every file has the size and checksum that it lists.

    In an object store only the sizes are checked.

    Raises:
        CheckpointError: A file is missing or differs; the message names the first one.
    """
    marker = read_marker(folder)
    fs, path = files.filesystem(folder)
    for name, entry in marker["files"].items():
        try:
            inside(Path(path), name, f"checkpoint {folder}")
        except UserError as error:
            raise CheckpointError(str(error)) from None
        info = fs.get_file_info(f"{path}/{name}")
        if info.size != entry["size"]:
            raise CheckpointError(
                f"checkpoint {folder} is damaged: {name} has {info.size} bytes instead of {entry['size']}"
            )
        if isinstance(fs, pafs.LocalFileSystem) and _checksum_of(folder, Path(path) / name) != entry["xxh128"]:
            raise CheckpointError(f"checkpoint {folder} is damaged: {name} is not what was written")
    return marker


def _checksum_of(folder: str, file: Path) -> str:
    """Return the XXH3-128 of a file; raise CheckpointError if it cannot be read."""
    try:
        return checksum(file)
    except OSError as error:
        raise CheckpointError(f"checkpoint {folder} is damaged: {file.name}: {error.strerror}") from None


def check_best(root: str, state: Mapping[str, Any]) -> None:
    """Check the checkpoint of the best weights so far; do nothing if the run had no validation yet.

    Args:
        root: Folder of the run (path or URI).
        state: State of the run, as `loop.State.tree` returns it; its `best_step` names the checkpoint.

    Raises:
        CheckpointError: The checkpoint is incomplete or damaged (see `read_whole`).
    """
    if state.get("best") is not None:
        read_whole(f"{root}/{best_name(state['best_step'])}")


def checksum(path: Path) -> str:
    """Return the XXH3-128 of a file in hex. It detects accidental damage, not deliberate changes."""
    hashed = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            hashed.update(chunk)
    return hashed.hexdigest()


def upload(folder: Path, target: str) -> None:
    """Copy the files of a local folder to a folder in an object store."""
    fs, path = files.filesystem(target)
    fs.create_dir(path, recursive=True)
    for file in sorted(folder.iterdir()):
        pafs.copy_files(str(file), f"{path}/{file.name}", pafs.LocalFileSystem(), fs)


def remove(uri: str) -> None:
    """Delete a checkpoint, its marker first, so that a partly deleted folder does not count as a checkpoint."""
    fs, path = files.filesystem(uri)
    files.remove(f"{uri}/{MARKER}")
    fs.delete_dir(path)


@contextmanager
def local_folder(uri: str) -> Iterator[Path]:
    """Provide a checkpoint as a local folder inside this block; one in an object store is copied to this machine."""
    fs, path = files.filesystem(uri)
    if isinstance(fs, pafs.LocalFileSystem):
        yield Path(path)
        return
    with scratch("shopbatch-checkpoint-") as folder:
        copy = folder / "checkpoint"
        copy.mkdir()
        pafs.copy_files(path, str(copy), fs, pafs.LocalFileSystem())
        yield copy


def _sum(marker: Mapping[str, Any]) -> str:
    """Return the XXH3-128 of a marker's JSON, in hex."""
    return xxhash.xxh3_128(json.dumps(marker, sort_keys=True).encode()).hexdigest()
