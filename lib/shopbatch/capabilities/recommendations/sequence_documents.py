"""Convert users' histories into documents of tokens for the Transformer, and group the tokens of a batch by days.

A document is one user's history. Each product is one token: the product's number if it is the first of its day, and the
bitwise complement (~number) if it belongs to the same day as the token before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import ArrayLike

from shopbatch.training.packing import Batch, Document

_SHORTEST = 8  # documents up to this length form one group


def document(products: ArrayLike, days: ArrayLike, max_items: int, since: int | None = None) -> Document:
    """Return one user's history as a document: a token for each product, and which tokens are prediction targets.

    Args:
        products: The products, as rows of the model's product table, oldest first, int [n], n >= 1.
        days: Day of each product, ascending, int [n]. If only the order is known, give each product a different day.
        max_items: Number of newest products to keep.
        since: First day whose products are targets; None: all days but the first. The first day is never a target.
    """
    products, days = np.asarray(products)[-max_items:], np.asarray(days)[-max_items:]
    same = np.concatenate([[False], days[1:] == days[:-1]])
    later = days != days[0]
    ids = np.where(same, ~products, products).astype(np.int32)
    return Document(ids, later if since is None else later & (days >= since))


def products_of(ids: np.ndarray) -> np.ndarray:
    """Return the product of each token, as a row of the model's product table, int64 [tokens]."""
    return np.where(ids >= 0, ids, ~ids).astype(np.int64)


@dataclass(frozen=True)
class Encode:
    """Converts histories into documents for `training.blocks.prepare`.

    Attributes:
        max_items: Number of newest products of a history to keep.
    """

    max_items: int

    def __call__(self, histories: pa.Table) -> list[Document | None]:
        """Return a document for each history, or None if the history has no prediction target.

        Args:
            histories: Columns `products` and `days`, lists of int32, and `since`, int32; see `document`.
        """
        products, days, since = (histories[name].to_pylist() for name in ("products", "days", "since"))
        made = [document(p or [0], d or [0], self.max_items, s) for p, d, s in zip(products, days, since, strict=True)]
        return [d if d.trained.any() else None for d in made]


@dataclass(frozen=True)
class Days:
    """Which day each token of a batch belongs to, and which product it is, as tensors for the model.

    Attributes:
        products: Product of each token, as a row of the model's product table, int64 [tokens].
        numbers: Number of each token's day, counted through the whole batch, int64 [tokens].
        positions: Number of each token's day, counted within its document, int64 [tokens].
        last: Number of the last day of each document, int64 [documents].
    """

    products: torch.Tensor
    numbers: torch.Tensor
    positions: torch.Tensor
    last: torch.Tensor

    @classmethod
    def of(cls, batch: Batch, device: torch.device) -> Days:
        """Decode the days and products from the tokens of a batch, and place the tensors on `device`."""
        starts = batch.ids >= 0
        numbers = np.cumsum(starts) - 1
        ends = np.cumsum(batch.lengths)
        first = np.repeat(numbers[ends - batch.lengths], batch.lengths)
        arrays = products_of(batch.ids), numbers, numbers - first, numbers[ends - 1]
        return cls(*(torch.from_numpy(a).to(device) for a in arrays))


@dataclass(frozen=True)
class Rows:
    """Documents of similar lengths as padded rows, with the mask for attention.

    Attributes:
        tokens: Index of the batch's token at each position, int64 [documents, longest].
        real: True where a position holds a token, False for padding, bool [documents, longest].
        seen: True where a position (third axis) may attend to another (last axis): tokens of the same or an earlier
            day, bool [documents, 1, longest, longest].
    """

    tokens: torch.Tensor
    real: torch.Tensor
    seen: torch.Tensor


def rows(lengths: Sequence[int], numbers: torch.Tensor) -> list[Rows]:
    """Group the documents of a batch by length, so that little padding is needed, and return one Rows for each group.

    Args:
        lengths: Number of tokens of each document.
        numbers: Number of each token's day in the batch, int64 [tokens].
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
