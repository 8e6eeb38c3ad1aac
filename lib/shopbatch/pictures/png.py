"""Checks that a PNG file holds all of its pixels, because Pillow fills missing pixels silently with a colour."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # channels per pixel by colour type
# passes of an interlaced picture (Adam7): first column, first row, step between columns, step between rows
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_BLOCK = 2**20


def is_whole(data: bytes) -> bool:
    """Return True if a PNG is complete: undamaged chunks that unpack to as many bytes as the header demands.

    The unpacked bytes are counted and not kept in memory.

    Args:
        data: Content of a PNG file whose header was checked.
    """
    unpack, count, wanted = zlib.decompressobj(), 0, -1
    try:
        for name, body in _chunks(data):
            if name == b"IHDR":
                wanted = _bytes_of(*struct.unpack(">IIBBBBB", body))
            if name == b"IDAT":
                left = body
                while left and count < wanted:
                    count += len(unpack.decompress(left, _BLOCK))
                    left = unpack.unconsumed_tail
    except (zlib.error, struct.error, KeyError, ValueError):
        return False
    return 0 < wanted <= count


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        if data[at + 8 + size : at + 12 + size] != struct.pack(">I", zlib.crc32(body, zlib.crc32(name))):
            raise ValueError(name)
        yield name, body
        at += 12 + size


def _bytes_of(width: int, height: int, bits: int, colour: int, packing: int, filtering: int, interlaced: int) -> int:
    """Return the number of unpacked bytes that a PNG header demands, with the filter byte before each row.

    The arguments are the fields of the header chunk (IHDR), in order.
    """
    pixel = bits * _CHANNELS[colour]
    if not interlaced:
        return height * (1 + -(-width * pixel // 8))
    sizes = ((-(-(width - x) // across), -(-(height - y) // down)) for x, y, across, down in _PASSES)
    return sum(rows * (1 + -(-columns * pixel // 8)) for columns, rows in sizes if columns > 0 and rows > 0)
