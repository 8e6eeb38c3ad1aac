"""The folders of a run's checkpoints: their names, their markers, and whether they are whole.

`<run folder>/step-00000120/` holds weights and optimizer state as safetensors, and `checkpoint.json`, the marker, which
is written last: the state of the run, and every file with its checksum. A folder without a marker, or with files that
do not agree with it, is not a checkpoint. `best-00000100/` holds the weights with the best validation loss so far.
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
    size: int
    xxh128: str


@with_config(ConfigDict(extra="allow"))
class _Marker(TypedDict):
    key: str
    state: dict[str, Any]
    files: dict[str, _File]
    sum: str


class CheckpointError(UserError):
    """A checkpoint that is damaged, or belongs to another run. The message is one line."""


def step_name(step: int) -> str:
    """Return the folder name of the checkpoint after a step."""
    return f"step-{step:08d}"


def best_name(step: int) -> str:
    """Return the folder name of the best weights, which a validation after this step found."""
    return f"best-{step:08d}"


def step_number(name: str) -> int:
    """Return the step of a folder name."""
    return int(name.rpartition("-")[2])


def steps(root: str, kind: re.Pattern[str] = STEP) -> list[str]:
    """Return the names of the step folders that exist, oldest first, incomplete ones included."""
    fs, path = files.filesystem(root)
    entries = files.entries(fs, path)
    return sorted(e.base_name for e in entries if e.type == pafs.FileType.Directory and kind.fullmatch(e.base_name))


def marker_text(marker: Mapping[str, Any]) -> bytes:
    """Return the content of the file MARKER: the marker as JSON, with a checksum of itself."""
    return json.dumps(dict(marker) | {"sum": _sum(marker)}, indent=1).encode()


def read_marker(folder: str) -> dict[str, Any]:
    """Read the marker of a checkpoint without looking at the other files.

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
    """Read the marker of a checkpoint and check every file against it.

    Raises:
        CheckpointError: Names the first file that is missing or not what was written.
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
    try:
        return checksum(file)
    except OSError as error:
        raise CheckpointError(f"checkpoint {folder} is damaged: {file.name}: {error.strerror}") from None


def check_best(root: str, state: Mapping[str, Any]) -> None:
    """Check the best weights that a run's state names.

    Raises:
        CheckpointError: As `read_whole`.
    """
    if state.get("best") is not None:
        read_whole(f"{root}/{best_name(state['best_step'])}")


def checksum(path: Path) -> str:
    """Return the XXH3-128 of a file, which guards against accidents, not against attackers."""
    hashed = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            hashed.update(chunk)
    return hashed.hexdigest()


def upload(folder: Path, target: str) -> None:
    """Copy the files of a folder to an object store."""
    fs, path = files.filesystem(target)
    fs.create_dir(path, recursive=True)
    for file in sorted(folder.iterdir()):
        pafs.copy_files(str(file), f"{path}/{file.name}", pafs.LocalFileSystem(), fs)


def remove(uri: str) -> None:
    """Delete a checkpoint, its marker first: without the marker the rest is not a checkpoint."""
    fs, path = files.filesystem(uri)
    files.remove(f"{uri}/{MARKER}")
    fs.delete_dir(path)


@contextmanager
def local_folder(uri: str) -> Iterator[Path]:
    """Provide a checkpoint as a folder on this machine inside the block; one in an object store is copied."""
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
    return xxhash.xxh3_128(json.dumps(marker, sort_keys=True).encode()).hexdigest()
