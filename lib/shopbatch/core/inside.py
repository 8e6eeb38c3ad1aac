"""Names that come from files or from users become paths here: a name stays inside its folder, or it is refused."""

from __future__ import annotations

import re
from pathlib import Path

from shopbatch.core.errors import UserError

# control characters, line separators, characters that change the direction of writing, and bytes that are no text
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST = 1024


def relative_name(name: object, of: str) -> str:
    """Return a name, with slashes between its parts, if it leads to a place inside the folder that it is joined to.

    Args:
        name: The name.
        of: What has the name, for the error.

    Raises:
        UserError: It is absolute, leads upwards, or holds a backslash, a colon in its first part or a control
            character.
    """
    if not isinstance(name, str) or not name or len(name) > _LONGEST:
        raise UserError(f"{of}: a file's name is no text of 1 to {_LONGEST} characters")
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in name or ":" in parts[0] or _UNSEEN.search(name):
        raise UserError(f"{of}: {name[:100]!a} may lead out of its folder; rename that file")
    return name


def inside(folder: Path, name: object, of: str, store: Path | None = None) -> Path:
    """Return the path of a file or folder of this name, which is inside `folder` and no link.

    Args:
        folder: The folder.
        name: The name, relative to it. Nothing needs to exist under it.
        of: What has the name, for the error.
        store: A folder into which links may lead: the hub's cache keeps files there, and links to them.

    Raises:
        UserError: As `relative_name`; or on the way is a link, or it names neither a file nor a folder but a device, a
            pipe or a socket.
    """
    path = folder
    for part in relative_name(name, of).split("/"):
        path = path / part
        if path.is_symlink() and not (store and path.resolve().is_relative_to(store)):
            raise UserError(f"{of}: {path.relative_to(folder)} is a link; put the file itself there")
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UserError(f"{of}: {name} is neither a file nor a folder; remove it")
    return path
