"""Reads the JSON of model folders, which nobody has to trust: bounded in size and depth, and only from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from shopbatch.core.errors import UserError, one_line
from shopbatch.core.inside import inside
from shopbatch.models.errors import ModelError
from shopbatch.warehouse import files

SMALL, LARGE = 16 << 20, 256 << 20  # bytes: of a configuration, and of a file that lists words or rows
_DEEPEST = 64


def parse(data: bytes, what: str) -> Any:
    """Return the value of a JSON text.

    Args:
        data: The text.
        what: What an error calls it.

    Raises:
        ModelError: It is not JSON, or is nested deeper than any model needs.
    """
    try:
        tree = json.loads(data)
    except RecursionError:
        raise ModelError(f"{what} cannot be read: it is nested too deeply") from None
    except ValueError as error:
        raise ModelError(f"{what} cannot be read: {one_line(error, 100)}") from None
    level = [tree] if isinstance(tree, dict | list) else []
    for _ in range(_DEEPEST):
        if not level:
            return tree
        below = (node.values() if isinstance(node, dict) else node for node in level)
        level = [child for children in below for child in children if isinstance(child, dict | list)]
    raise ModelError(f"{what} cannot be read: it is nested too deeply")


def read(path: Path, what: str, most: int = SMALL) -> Any:
    """Return the value of a JSON file.

    Args:
        path: The file.
        what: What an error calls it.
        most: Greatest size in bytes.

    Raises:
        ModelError: As `parse`; or it is missing, not a file, or larger.
    """
    try:
        if not path.is_file():
            raise ModelError(f"{what} cannot be read: there is no such file")
        if (size := path.stat().st_size) > most:
            raise ModelError(f"{what} has {size:,} bytes, more than {most:,}: not what a model needs")
        return parse(path.read_bytes(), what)
    except OSError as error:
        raise ModelError(f"{what} cannot be read: {error.strerror}") from None


def read_bytes(folder: str, name: str, most: int = LARGE) -> bytes:
    """Return the content of a small file in a folder or under the URI of an object store.

    Raises:
        FileNotFoundError: There is none.
        UserError: It is larger than `most`, a link, or not a file.
    """
    fs, path = files.filesystem(f"{folder}/{name}")
    if isinstance(fs, pafs.LocalFileSystem):
        inside(Path(path).parent, name, folder)
    info = fs.get_file_info(path)
    if info.type == pafs.FileType.NotFound:
        raise FileNotFoundError(path)
    if info.type != pafs.FileType.File or info.size > most:
        raise UserError(f"{folder}: {name} is not a file of at most {most:,} bytes; remove it")
    with fs.open_input_stream(path) as stream:
        return bytes(stream.read())
