"""Turns file names that come from files or users into paths that stay inside a given folder, or refuses them."""

from __future__ import annotations

import re
from pathlib import Path

from shopbatch.core.errors import UserError

# control characters, line separators, characters that change the writing direction, and bytes that are not UTF-8
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST = 1024


def relative_name(name: object, of: str) -> str:
    """Return a relative file name unchanged if it is safe to join to a folder; refuse all other names.

    Args:
        name: The name, with slashes between its parts.
        of: The file or thing in which the name was found, for the error message.

    Raises:
        UserError: The name is absolute, leads upwards (`..`), is empty or too long, or holds a backslash, a control
            character, or a colon in its first part.
    """
    if not isinstance(name, str) or not name or len(name) > _LONGEST:
        raise UserError(f"{of}: a file's name is no text of 1 to {_LONGEST} characters")
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in name or ":" in parts[0] or _UNSEEN.search(name):
        raise UserError(f"{of}: {name[:100]!a} may lead out of its folder; rename that file")
    return name


def inside(folder: Path, name: object, of: str, store: Path | None = None) -> Path:
    """Return the path of a file or folder inside `folder`, and refuse names and links that lead out of it.

    Args:
        folder: The folder.
        name: The name relative to the folder. The file need not exist.
        of: The file or thing in which the name was found, for the error message.
        store: A folder into which links may lead, such as the cache of the Hugging Face hub, which keeps its files in
            one place and links to them; None refuses every link.

    Raises:
        UserError: The name is unsafe as in `relative_name`, a part of the path is a link that is not allowed, or the
            path is a device, pipe or socket.
    """
    path = folder
    for part in relative_name(name, of).split("/"):
        path = path / part
        if path.is_symlink() and not (store and path.resolve().is_relative_to(store)):
            raise UserError(f"{of}: {path.relative_to(folder)} is a link; put the file itself there")
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UserError(f"{of}: {name} is neither a file nor a folder; remove it")
    return path
