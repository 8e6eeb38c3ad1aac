"""Checks and normalises the location of a warehouse: a folder, or the URI of an object store."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

from shopbatch.core.errors import UserError


def folder_or_uri(location: str) -> str:
    """Normalise the location of a warehouse, as a user writes it, into a path or an object-store URI.

    `file:///data/w` becomes `/data/w`, and `~` becomes the user's home folder. Object-store URIs stay unchanged.

    Raises:
        UserError: The location is empty or not valid text; or it is a file:// URI without a path, or with another
            machine's name, a query or a fragment; or it is an object-store URI without a bucket.
    """
    if not location.strip():
        raise UserError("warehouse: no name; expected a folder or the URI of an object store")
    if any("\ud800" <= character <= "\udfff" for character in location):
        raise UserError(f"warehouse {location!r}: its path is not UTF-8; choose another folder")
    if location.lower().startswith("file://"):
        parts = urlsplit(location)
        if parts.netloc not in ("", "localhost") or not parts.path or "?" in location or "#" in location:
            raise UserError(f"warehouse {location}: expected file:///folder, with %3F for ? and %23 for #")
        return folder_or_uri(unquote(parts.path, errors="surrogateescape"))
    if "://" not in location:
        return os.path.expanduser(location)
    if not urlsplit(location).netloc:
        raise UserError(f"warehouse {location}: no bucket; expected a URI like s3://bucket/folder")
    return location
