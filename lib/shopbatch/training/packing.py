"""Documents -> blocks, packed so that few tokens of a block stay unused. Pure functions of numpy arrays.

A document is its token ids, which of them are trained on (a causal model predicts them; a classifier has none), and a
class (or -1). A block holds whole documents, at most `block_tokens` tokens, with nothing between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WINDOW = 4096  # documents that are packed together: enough to fill blocks, few enough to keep the order random


@dataclass(frozen=True)
class Document:
    """One text as tokens.

    ids: int32 [n]. trained: bool [n], True where the token is predicted from the tokens before it.
    label: class of the document, -1 for none.
    """

    ids: np.ndarray
    trained: np.ndarray
    label: int = -1


def pack(lengths: Sequence[int], block_tokens: int, seed: int) -> list[list[int]]:
    """Pack documents by best-fit decreasing (Johnson 1973) within windows of a seeded order.

    Args:
        lengths: Tokens of each document, 1 to block_tokens.
        block_tokens: Tokens of a block.
        seed: Seed of the order.

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
    """Put each document into the fullest block that still has room for it."""
    room: list[list[list[int]]] = [[] for _ in range(capacity + 1)]  # blocks by the number of tokens still free
    spaces = np.zeros(capacity + 1, bool)  # which of those lists are not empty
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
    """Documents one after the other, as the objectives read them.

    ids, positions: int64 [tokens]. trained: bool [tokens]. lengths: of the documents. labels: int64 [documents].
    seed: of what an objective draws once for all micro-batches of a step. sizes: documents of each block, in order, for
    an objective that compares the documents of a block; empty: all are of one block.
    """

    ids: np.ndarray
    positions: np.ndarray
    trained: np.ndarray
    lengths: list[int]
    labels: np.ndarray
    seed: int = 0
    sizes: Sequence[int] = ()


def flatten(documents: Sequence[Document], seed: int = 0, sizes: Sequence[int] = ()) -> Batch:
    """Join documents to one batch; positions start from 0 in each document."""
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
