"""Perceptual hashes of pictures, and the search for groups of pictures that look the same (near duplicates)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ROWS = COLUMNS = 16  # size of the difference hash
BITS = ROWS * COLUMNS
CELLS = 8  # cells of the signature per side
NEAR_BITS = 15  # two pictures may look the same if their hashes differ in at most so many bits ...
NEAR_LEVELS = 6.0  # ... and do so if their signatures differ by at most so many levels on average
_STEP = 4  # grey levels; differences up to this are taken for noise
_BANDS, _WORDS = 16, BITS // 64
_NEIGHBOURS = 32  # a picture is compared with so many next entries of a band


def perceptual_hash(image: Image.Image) -> str:
    """Return the difference hash (dHash) of a picture, 64 hex digits.

    The picture is averaged to 17 x 16 grey values; a bit says whether a value is at least 5 levels darker than its
    right neighbour. A uniform area gives zeros, whatever noise a JPEG has there.
    """
    grey = np.asarray(image.convert("L").resize((COLUMNS + 1, ROWS), Image.Resampling.BOX), np.int16)
    return np.packbits(grey[:, 1:] - grey[:, :-1] > _STEP).tobytes().hex()


def signature(image: Image.Image) -> bytes:
    """Return the mean RGB colours of the picture in a grid of 8 x 8 cells, 192 bytes.

    They distinguish pictures that show the same shape in different colours, which the grey hash does not.
    """
    return np.asarray(image.convert("RGB").resize((CELLS, CELLS), Image.Resampling.BOX), np.uint8).tobytes()


def near_duplicate_groups(hashes: Sequence[str], signatures: Sequence[bytes]) -> np.ndarray:
    """Group pictures that look the same, and return the group number of each picture, int64 [n].

    Two pictures look the same if their hashes differ in at most 15 of 256 bits and their signatures by at most 6 grey
    levels on average. Groups are transitive: a picture that looks like a member belongs to the group. The number of a
    group is the index of its first picture.

    Two such hashes agree in at least one of the 16 bands of 16 bits, so candidates are searched band by band. Within a
    band a picture is compared with its next 32 neighbours in the order of hashes, so that memory and time stay linear
    where very many pictures share a band (white backgrounds); in such crowds a pair may be missed.

    Args:
        hashes: Hashes from `perceptual_hash`, [n].
        signatures: Signatures from `signature`, [n].
    """
    size = len(hashes)
    if not size:
        return np.zeros(0, np.int64)
    words = np.frombuffer(bytes.fromhex("".join(hashes)), ">u8").astype(np.uint64).reshape(size, _WORDS)
    cells = np.frombuffer(b"".join(signatures), np.uint8).reshape(size, CELLS * CELLS * 3)
    bits = np.unpackbits(words.astype(">u8").view(np.uint8), axis=1)
    pairs = []
    for band in range(_BANDS):
        # a band takes every sixteenth bit, so that it does not describe one edge of the picture only
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
    """Return the pairs of pictures that look the same, among pictures with the same value of one band.

    A band is 16 of the 256 bits of the hash. Each picture is compared with the next 32 entries of `order`.

    Args:
        order: Indices of the pictures, sorted by band value and then by hash, [n].
        key: Band value of each entry of `order`, [n].
        words: Hashes as four 64-bit words, uint64 [n, 4].
        cells: Signatures, uint8 [n, 192].

    Returns:
        Arrays of indices, int64 [2, pairs] each.
    """
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
