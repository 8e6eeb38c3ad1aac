"""Packs tokenised documents into blocks so that few token positions stay unused. Pure functions of numpy arrays.

A block holds whole documents with at most `block_tokens` tokens in total, without separators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WINDOW = 4096  # documents packed together: enough to fill blocks, few enough to keep a random order


@dataclass(frozen=True)
class Document:
    """One training text as tokens.

    Attributes:
        ids: Token ids, int32 [n].
        trained: bool [n], True for tokens that a causal model learns to predict from the tokens before them; a
            classifier has none.
        label: Class of the document; -1 for none.
    """

    ids: np.ndarray
    trained: np.ndarray
    label: int = -1


def pack(lengths: Sequence[int], block_tokens: int, seed: int) -> list[list[int]]:
    """Assign documents to blocks of at most `block_tokens` tokens, by best-fit decreasing (Johnson 1973).

    The documents are put into random order, and each window of 4,096 of them is packed separately.

    Args:
        lengths: Number of tokens of each document, from 1 to `block_tokens`.
        block_tokens: Maximum number of tokens of a block.
        seed: Seed of the random order.

    Returns:
        The document numbers of each block; every document is in exactly one block.

    Raises:
        ValueError: A document is empty or longer than a block.
    """
    sizes = np.asarray(lengths, np.int64)
    if sizes.size and (sizes.min() < 1 or sizes.max() > block_tokens):
        raise ValueError(f"documents must have 1 to {block_tokens} tokens")
    order = np.random.default_rng(seed).permutation(len(sizes))
    blocks: list[list[int]] = []
    for start in range(0, len(order), WINDOW):
        window = order[start : start + WINDOW]
        blocks += _best_fit(window[np.argsort(-sizes[window], kind="stable")], sizes, block_tokens)
    return blocks


def _best_fit(ordered: np.ndarray, sizes: np.ndarray, capacity: int) -> list[list[int]]:
    """Put each document, in the given order, into the fullest block that still has space for it.

    Args:
        ordered: Document numbers, longest document first.
        sizes: Number of tokens of each document.
        capacity: Maximum number of tokens of a block.

    Returns:
        The document numbers of each block.
    """
    room: list[list[list[int]]] = [[] for _ in range(capacity + 1)]  # blocks by the number of tokens still free
    spaces = np.zeros(capacity + 1, bool)  # True where `room` has a block
    blocks: list[list[int]] = []
    for document in ordered.tolist():
        size = int(sizes[document])
        fits = int(spaces[size:].argmax()) + size
        if spaces[fits]:
            block = room[fits].pop()
            spaces[fits] = bool(room[fits])
        else:
            fits = capacity
            blocks.append(block := [])
        block.append(document)
        room[fits - size].append(block)
        spaces[fits - size] = True
    return blocks


@dataclass(frozen=True)
class Batch:
    """The input of an objective: documents of several blocks, one after the other.

    Attributes:
        ids: Token ids, int64 [tokens].
        positions: Position of each token in its document, from 0, int64 [tokens].
        trained: Tokens that are trained on, bool [tokens].
        lengths: Number of tokens of each document.
        labels: Class of each document, int64 [documents]; -1 for none.
        seed: Seed for random draws that all micro-batches of a step must share, such as randomly chosen negatives.
        sizes: Number of documents of each block, in order, for objectives that compare the documents of a block; empty
            if all documents belong to one block.
    """

    ids: np.ndarray
    positions: np.ndarray
    trained: np.ndarray
    lengths: list[int]
    labels: np.ndarray
    seed: int = 0
    sizes: Sequence[int] = ()


def flatten(documents: Sequence[Document], seed: int = 0, sizes: Sequence[int] = ()) -> Batch:
    """Concatenate documents to one batch; the token positions start from 0 in each document.

    Args:
        documents: The documents, block by block.
        seed: Seed for random draws that all micro-batches of a step must share.
        sizes: Number of documents of each block; empty if all documents belong to one block.
    """
    lengths = [len(d.ids) for d in documents]
    return Batch(
        np.concatenate([d.ids for d in documents]).astype(np.int64),
        np.concatenate([np.arange(n) for n in lengths]).astype(np.int64),
        np.concatenate([d.trained for d in documents]),
        lengths,
        np.array([d.label for d in documents], np.int64),
        seed,
        sizes,
    )
