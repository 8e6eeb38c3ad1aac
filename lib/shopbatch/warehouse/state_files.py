"""Reads small JSON state files safely: a damaged file is set aside and counts as missing, so that later runs go on.

A crash of the machine can leave a file empty, cut or full of NUL bytes, and a person or a program can leave anything.
So every reader says which form it expects, and what it does without the file.
"""

from __future__ import annotations

import sys
from functools import cache
from itertools import count
from typing import Any

import pyarrow.fs as pafs
from pydantic import TypeAdapter, ValidationError

from shopbatch.core.errors import one_line
from shopbatch.core.privacy import clean
from shopbatch.warehouse import files
from shopbatch.warehouse.checksums import DamagedFile

_named: set[str] = set()  # the lines that this process has printed: each damaged file is named once


def load(uri: str, kind: Any) -> Any:
    """Read a JSON file of a known form; a damaged file is an error.

    Args:
        uri: The file.
        kind: Its form, as pydantic takes it: a TypedDict, a model, `dict[str, Any]`.

    Returns:
        The validated value; None if there is no such file.

    Raises:
        DamagedFile: The file is not JSON, has another form, is a folder, or may not be read.
        OSError: The object store does not answer.
    """
    fs, path = files.filesystem(uri)
    try:
        with fs.open_input_stream(path) as stream:
            text = stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if files.is_lost_connection(error):
            raise
        is_folder = fs.get_file_info(path).type == pafs.FileType.Directory
        raise DamagedFile(uri, "it is a folder" if is_folder else error.strerror or one_line(error, 200)) from None
    try:
        return _adapter(kind).validate_json(text)
    except ValidationError as error:
        raise DamagedFile(uri, _why(text, error)) from None


def read(uri: str, kind: Any, instead: str, keep: bool = False) -> Any:
    """Read a JSON file of a known form; a damaged file is reported, set aside, and treated as missing.

    Args:
        uri: The file.
        kind: Its form, see `load`.
        instead: What happens without the file, for the message about a damaged one.
        keep: Whether a damaged file stays where it is, for readers that must not change anything.

    Returns:
        The validated value; None if there is no such file or it is damaged.
    """
    try:
        return load(uri, kind)
    except DamagedFile as damage:
        if keep:
            _name(f"{damage.said}; {instead}")
        else:
            set_aside(damage, instead)
        return None


def set_aside(damage: DamagedFile, instead: str) -> int:
    """Rename a damaged file to `NAME.damaged-N`, and report it on standard error.

    Args:
        damage: The error that names the file and the damage.
        instead: What happens without the file, for the message.

    Returns:
        N: the number of files of that name that have been set aside by now.
    """
    fs, path = files.filesystem(damage.uri)
    number = next(n for n in count(1) if fs.get_file_info(aside_name(path, n)).type == pafs.FileType.NotFound)
    try:
        fs.move(path, aside_name(path, number))
        how = f"set aside as {aside_name(damage.uri, number).rpartition('/')[2]}"
    except OSError as error:  # another process was faster, or nothing may be written here
        if files.is_lost_connection(error):
            raise
        how = "it does not count"
    _name(f"{damage.said}: {how}; {instead}")
    return number


def _name(text: str) -> None:
    line = clean(f"shopbatch: {text}")
    if line not in _named:
        _named.add(line)
        print(line, file=sys.stderr, flush=True)


def aside_name(path: str, number: int) -> str:
    """Return the path under which a damaged file is kept: ("a.json", 2) -> "a.json.damaged-2"."""
    return f"{path}.damaged-{number}"


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _why(text: bytes, error: ValidationError) -> str:
    """Return in a few words why a file is invalid, without quoting its content."""
    if not text:
        return "it is empty"
    if not text.strip(b"\0"):
        return "it holds only NUL bytes"
    first = error.errors(include_input=False, include_url=False)[0]
    if first["type"] == "json_invalid":
        return "it is not JSON"
    where = ".".join(map(str, first["loc"])) or "its content"
    return one_line(f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}", 200)
