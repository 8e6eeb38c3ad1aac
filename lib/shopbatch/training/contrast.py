"""The objective of a retriever: queries and their products are drawn together, away from the other products.

The loss is InfoNCE (van den Oord, Li and Vinyals 2018) with in-batch negatives, as dense retrievers are trained
(Karpukhin et al. 2020): the cross entropy of a query's own product among all products of its block, their cosines
divided by a temperature.

A document of the blocks is one example: a header with the numbers of its products, then the tokens of the query, of its
own product, and of hard negatives; `trained` marks the first token of each text. The products of a *block* are each
other's negatives, not those of a worker's micro-batch or of the global batch. A block is the smallest unit that is
shared between workers, so neither the number of workers nor loop.micro_blocks changes a loss; loop.block_tokens says
how many negatives there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.training.objectives import PackedVectors
from shopbatch.training.packing import Batch, Document, flatten


def example(query: int, query_ids: Sequence[int], products: Sequence[int], texts: Sequence[Sequence[int]]) -> Document:
    """Make a document of one example.

    Args:
        query: Number of the query; equal queries have one number.
        query_ids: Its tokens.
        products: Numbers of the products, its own one first; products of equal texts have one number.
        texts: Their tokens.
    """
    pieces = [list(products), list(query_ids), *map(list, texts)]
    begins = np.cumsum([0, *map(len, pieces)])[1:-1]
    ids = np.concatenate([np.asarray(piece, np.int32) for piece in pieces])
    first = np.zeros(len(ids), bool)
    first[begins] = True
    return Document(ids, first, query)


def useful_keys(queries: np.ndarray, products: np.ndarray, count: int) -> np.ndarray:
    """Return pairs of a query and a product as sorted numbers, int64 [n], as `Contrast` looks them up.

    Args:
        queries, products: Their numbers, [n].
        count: Number of products.
    """
    return np.unique(queries.astype(np.int64) * count + products)


class Contrast(PackedVectors):
    """InfoNCE of examples; see the module.

    Args:
        encoder, spec, token_dropout: As for `PackedVectors`.
        useful: The pairs of a query and a product that is useful for it, as `useful_keys` makes them: such a product is
            no negative of that query.
        products: Number of products.
        temperature: What cosines are divided by.
    """

    by_document = True

    def __init__(
        self,
        encoder: Any,
        spec: EncoderSpec | None,
        useful: np.ndarray,
        products: int,
        *,
        temperature: float = 0.05,
        token_dropout: float = 0.0,
    ) -> None:
        super().__init__(encoder, spec, token_dropout=token_dropout)
        self.useful, self.products, self.temperature = useful, products, temperature

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the loss of each example, float32 [documents]."""
        ends = np.cumsum(batch.lengths)
        taken = [_Example.of(batch, end - length, end) for end, length in zip(ends, batch.lengths, strict=True)]
        texts = [text for one in taken for text in one.texts]
        # not `batch.seed`: nothing is drawn for a whole step
        vectors = normalize(self.vectors(flatten(texts)).float(), dim=1)
        sizes = batch.sizes or [len(taken)]
        losses, text, document = [], 0, 0
        for size in sizes:
            block, labels = taken[document : document + size], batch.labels[document : document + size]
            count = sum(len(one.texts) for one in block)
            losses.append(self._losses(vectors[text : text + count], block, labels))
            document, text = document + size, text + count
        return torch.cat(losses)

    def _losses(self, vectors: torch.Tensor, block: Sequence[_Example], queries: np.ndarray) -> torch.Tensor:
        """Return the losses of one block; vectors [texts, dim], each example's query before its products."""
        starts = np.cumsum([0, *(len(one.texts) for one in block)])[:-1]
        within = [1 + np.arange(len(one.products)) for one in block]
        places = np.concatenate([start + steps for start, steps in zip(starts, within, strict=True)])
        # a product that occurs twice is one candidate: it is not a negative of itself, and counts once
        numbers, first = np.unique(np.concatenate([one.products for one in block]), return_index=True)
        own = np.searchsorted(numbers, [one.products[0] for one in block])
        known = np.isin(queries[:, None] * self.products + numbers, self.useful, assume_unique=False)
        known[np.arange(len(block)), own] = False
        device = vectors.device
        asked, candidates = (vectors[torch.from_numpy(at).to(device)] for at in (starts, places[first]))
        scores = (asked @ candidates.T).float() / self.temperature
        scores = scores.masked_fill(torch.from_numpy(known).to(device), -torch.inf)
        return cross_entropy(scores, torch.from_numpy(own).to(device), reduction="none")


class _Example:
    """An example of a batch: numbers of its products, and its texts (the query, then the products)."""

    def __init__(self, products: np.ndarray, texts: list[Document]) -> None:
        self.products, self.texts = products, texts

    @classmethod
    def of(cls, batch: Batch, start: int, end: int) -> _Example:
        """Take apart what `example` has made."""
        ids, begins = batch.ids[start:end], np.flatnonzero(batch.trained[start:end])
        pieces = np.split(ids, begins)
        return cls(pieces[0], [Document(piece, np.zeros(len(piece), bool)) for piece in pieces[1:]])
