"""Reads the format, size and number of scans from the bytes of a picture file, before any decoder opens it."""

from __future__ import annotations

import struct
from typing import Literal

Format = Literal["JPEG", "PNG", "GIF", "WEBP", "BMP"]
MOST_SCANS = 500  # per JPEG; progressive files have about ten, and each costs a pass over the picture
_SCAN = b"\xff\xda"


def kind_of(data: bytes) -> Format | None:
    """Return the format of a picture file by its magic bytes, whatever the file's name says; None for other files."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    return "BMP" if data.startswith(b"BM") else None


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Return the width and height in pixels from the header of a WebP file; None if the header holds none.

    They must be checked before decoding, because the WebP decoder allocates memory for them as soon as it opens the
    file.
    """
    chunk, body = data[12:16], data[20:30]
    if len(body) < 10:
        return None
    if chunk == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if chunk == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    return None


def has_too_many_scans(data: bytes) -> bool:
    """Return True if a JPEG has more than `MOST_SCANS` scans, so that decoding it would take extremely long."""
    return data.count(_SCAN) > MOST_SCANS
