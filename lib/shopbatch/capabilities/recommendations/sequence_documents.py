"""A user's products as a document, and the days of a batch of documents.

In a document each product is a token: its number if it begins a day, and the bitwise complement of its number if it
belongs to the day of the token before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import ArrayLike

from shopbatch.training.packing import Batch, Document

_SHORTEST = 8  # documents up to this length are attended to together


def document(products: ArrayLike, days: ArrayLike, max_items: int, since: int | None = None) -> Document:
    """Return the history of a user as a document.

    Args:
        products: Numbers of the products, oldest first, int [n], n >= 1.
        days: The day of each product, never falling, int [n]. Where only an order is known, every product has its own.
        max_items: Newest products to keep.
        since: Day from which on products are targets; None for every day but the first.
    """
    products, days = np.asarray(products)[-max_items:], np.asarray(days)[-max_items:]
    same = np.concatenate([[False], days[1:] == days[:-1]])
    later = days != days[0]
    ids = np.where(same, ~products, products).astype(np.int32)
    return Document(ids, later if since is None else later & (days >= since))


def products_of(ids: np.ndarray) -> np.ndarray:
    """Return the number of each token's product, int64 [tokens]."""
    return np.where(ids >= 0, ids, ~ids).astype(np.int64)


@dataclass(frozen=True)
class Encode:
    """Makes documents of histories for `blocks.prepare`.

    max_items: newest products of a history to keep.
    """

    max_items: int

    def __call__(self, histories: pa.Table) -> list[Document | None]:
        """Return a document for each history that has a target; None for the others.

        Args:
            histories: Columns `products` and `days`, lists of int32, and `since`, int32; see `document`.
        """
        products, days, since = (histories[name].to_pylist() for name in ("products", "days", "since"))
        made = [document(p or [0], d or [0], self.max_items, s) for p, d, s in zip(products, days, since, strict=True)]
        return [d if d.trained.any() else None for d in made]


@dataclass(frozen=True)
class Days:
    """The days of a batch, as the model reads them.

    products: number of each token's product, int64 [tokens]. numbers: which day of the batch a token belongs to,
    int64 [tokens]. positions: the same within its document. last: each document's last day, int64 [documents].
    """

    products: torch.Tensor
    numbers: torch.Tensor
    positions: torch.Tensor
    last: torch.Tensor

    @classmethod
    def of(cls, batch: Batch, device: torch.device) -> Days:
        """Read the days out of the tokens of a batch."""
        starts = batch.ids >= 0
        numbers = np.cumsum(starts) - 1
        ends = np.cumsum(batch.lengths)
        first = np.repeat(numbers[ends - batch.lengths], batch.lengths)
        arrays = products_of(batch.ids), numbers, numbers - first, numbers[ends - 1]
        return cls(*(torch.from_numpy(a).to(device) for a in arrays))


@dataclass(frozen=True)
class Rows:
    """Documents of similar lengths, as padded rows for attention.

    tokens: token of the batch at each place, int64 [documents, longest]. real: whether the place is not padding.
    seen: which places (last axis) a place sees, bool [documents, 1, longest, longest].
    """

    tokens: torch.Tensor
    real: torch.Tensor
    seen: torch.Tensor


def rows(lengths: Sequence[int], numbers: torch.Tensor) -> list[Rows]:
    """Group the documents of a batch by length, so that little is padded.

    Args:
        lengths: Tokens of each document.
        numbers: The day of each token, int64 [tokens].
    """
    sizes = np.asarray(lengths)
    starts = np.cumsum(sizes) - sizes
    kinds = np.ceil(np.log2(np.maximum(sizes, _SHORTEST))).astype(int)
    groups = []
    for kind in np.unique(kinds):
        chosen = kinds == kind
        places = np.arange(sizes[chosen].max())
        real = torch.from_numpy(places < sizes[chosen][:, None]).to(numbers.device)
        at = np.minimum(places, sizes[chosen][:, None] - 1) + starts[chosen][:, None]
        tokens = torch.from_numpy(at).to(numbers.device)
        days = numbers[tokens]
        seen = real[:, None, :] & (days[:, None, :] <= days[:, :, None])
        groups.append(Rows(tokens, real, seen[:, None]))
    return groups
