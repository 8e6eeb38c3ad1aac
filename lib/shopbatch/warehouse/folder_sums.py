"""Checks the files of a folder that is written once, such as a search index, by the checksums in its manifest."""

from __future__ import annotations

from collections.abc import Mapping

import xxhash

from shopbatch.warehouse import files

_PIECE = 2**22  # bytes that are read at a time


def missing_or_damaged(folder: str, sums: Mapping[str, str]) -> str:
    """Read the files of a folder, and name the first one that is missing or damaged; "" if all are good.

    Args:
        folder: A folder or an object-store URI.
        sums: XXH3 checksum of each file, {name: 16 hex digits}.

    Returns:
        "NAME is missing" or "NAME is damaged", or "".
    """
    fs, path = files.filesystem(folder)
    for name, checksum in sums.items():
        hashed = xxhash.xxh3_64()
        try:
            with fs.open_input_stream(f"{path}/{name}") as stream:
                while piece := stream.read(_PIECE):
                    hashed.update(piece)
        except FileNotFoundError:
            return f"{name} is missing"
        if hashed.hexdigest() != checksum:
            return f"{name} is damaged"
    return ""
