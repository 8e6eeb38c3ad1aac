"""Hashes of what a picture looks like, and the groups of pictures that look the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ROWS = COLUMNS = 16  # of the difference hash
BITS = ROWS * COLUMNS
CELLS = 8  # a side of the signature
NEAR_BITS = 15  # two hashes that differ in no more bits may be of one picture ...
NEAR_LEVELS = 6.0  # ... and are, if their signatures differ by no more grey levels on average
_STEP = 4  # grey levels: a smaller difference is noise, and counts as none
_BANDS, _WORDS = 16, BITS // 64
_NEIGHBOURS = 32  # entries of one band that a picture is compared with, in the order of their hashes


def perceptual_hash(image: Image.Image) -> str:
    """Return the difference hash (dHash) of a picture, 64 hex digits.

    The picture is averaged to 17 x 16 grey values; a bit says whether a value is at least 5 levels darker than its
    right neighbour. A uniform area gives zeros, whatever noise a JPEG has there.
    """
    grey = np.asarray(image.convert("L").resize((COLUMNS + 1, ROWS), Image.Resampling.BOX), np.int16)
    return np.packbits(grey[:, 1:] - grey[:, :-1] > _STEP).tobytes().hex()


def signature(image: Image.Image) -> bytes:
    """Return the mean colours of the picture in a grid of 8 x 8 cells, 192 bytes of RGB values.

    They distinguish pictures that show the same shape in different colours.
    """
    return np.asarray(image.convert("RGB").resize((CELLS, CELLS), Image.Resampling.BOX), np.uint8).tobytes()


def near_duplicate_groups(hashes: Sequence[str], signatures: Sequence[bytes]) -> np.ndarray:
    """Return the group of each picture, int64 [n]: pictures that look the same, and those that look like these.

    A group's number is that of its first picture. Two hashes that differ in at most 15 of 256 bits have one of the 16
    bands of 16 bits in common, so candidates are looked for band by band. Within a band a picture is compared with its
    next 32 neighbours in the order of hashes, so that memory and time stay linear where a great many pictures share one
    (white backgrounds); in such crowds a pair may be missed.

    Args:
        hashes: As `perceptual_hash` makes them, [n].
        signatures: As `signature` makes them, [n].
    """
    size = len(hashes)
    if not size:
        return np.zeros(0, np.int64)
    words = np.frombuffer(bytes.fromhex("".join(hashes)), ">u8").astype(np.uint64).reshape(size, _WORDS)
    cells = np.frombuffer(b"".join(signatures), np.uint8).reshape(size, CELLS * CELLS * 3)
    bits = np.unpackbits(words.astype(">u8").view(np.uint8), axis=1)
    pairs = []
    for band in range(_BANDS):
        # every sixteenth bit, so that a band is not just an edge of the picture
        key = np.packbits(bits[:, band::_BANDS], axis=1).view(">u2").astype(np.uint16).ravel()
        order = np.lexsort((*words.T[::-1], key))
        pairs += _pairs(order, key[order], words, cells)
    first, second = np.concatenate(pairs, axis=1) if pairs else np.zeros((2, 0), np.int64)
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    lowest = np.full(label.max() + 1, size, np.int64)
    np.minimum.at(lowest, label, np.arange(size))
    return np.asarray(lowest[label], np.int64)


def _pairs(order: np.ndarray, key: np.ndarray, words: np.ndarray, cells: np.ndarray) -> list[np.ndarray]:
    """Return the pairs of rows that look the same among neighbours of one band, int64 [2, pairs] each."""
    out = []
    for step in range(1, min(_NEIGHBOURS, len(order) - 1) + 1):
        at = np.flatnonzero(key[step:] == key[:-step])
        if not len(at):
            break
        one, other = order[at], order[at + step]
        near = np.bitwise_count(words[one] ^ words[other]).sum(axis=1) <= NEAR_BITS
        one, other = one[near], other[near]
        gap = np.abs(cells[one].astype(np.int16) - cells[other]).mean(axis=1) if len(one) else np.zeros(0)
        same = gap <= NEAR_LEVELS
        if same.any():
            out.append(np.stack([one[same], other[same]]))
    return out
