"""Reads JSON and other small files of untrusted model folders, with limits on size and nesting; refuses links."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from shopbatch.core.errors import UserError, one_line
from shopbatch.core.inside import inside
from shopbatch.models.errors import ModelError
from shopbatch.warehouse import files

SMALL, LARGE = 16 << 20, 256 << 20  # maximum bytes of a configuration, and of a file with a word list or row hashes
_DEEPEST = 64


def parse(data: bytes, what: str) -> Any:
    """Parse JSON text from an untrusted source.

    Args:
        data: The text.
        what: Name of the text in an error message.

    Raises:
        ModelError: The text is not JSON, or is nested more than 64 levels deep.
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
    """Read and parse a JSON file of a model folder.

    Args:
        path: The file.
        what: Name of the file in an error message.
        most: Maximum size in bytes.

    Raises:
        ModelError: The file is missing, not a regular file, larger than `most`, or refused by `parse`.
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
    """Return the content of a file in a folder or object store, if it is not larger than a limit.

    Args:
        folder: Path or URI of the folder.
        name: Name of the file in the folder.
        most: Maximum size in bytes.

    Raises:
        FileNotFoundError: The file does not exist.
        UserError: It is larger than `most`, a link, or not a regular file.
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
