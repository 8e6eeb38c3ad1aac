"""What a picture file says of itself in its first bytes, read before any decoder sees it."""

from __future__ import annotations

import struct
from typing import Literal

Format = Literal["JPEG", "PNG", "GIF", "WEBP", "BMP"]
MOST_SCANS = 500  # of a JPEG; progressive ones have about ten, and each scan costs a pass over the whole picture
_SCAN = b"\xff\xda"


def kind_of(data: bytes) -> Format | None:
    """Return the format by the magic bytes, whatever the file's name says; None for any other file."""
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
    """Return the width and height of a WebP, whose decoder would take memory for them as soon as it is opened.

    None if the header holds none.
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
    """Whether a JPEG has so many scans that decoding it would take for ever."""
    return data.count(_SCAN) > MOST_SCANS
