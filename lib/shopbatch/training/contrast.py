"""The contrastive objective of a retriever: moves the vectors of queries towards their products, away from others.

The loss is InfoNCE (van den Oord, Li and Vinyals 2018) with in-batch negatives, as dense retrievers are trained
(Karpukhin et al. 2020). It is the cross entropy of a query's own product among all products of its block; the scores
are cosines divided by a temperature.

Each document of the blocks is one example. It starts with a header, the numbers by which its products are known; then
follow the tokens of the query, of its own product, and of hard negatives. `trained` marks the first token of each text.
The products of a *block* are each other's negatives, not those of a worker's micro-batch or of the global batch. A
block is the smallest unit that workers share, so neither the number of workers nor loop.micro_blocks changes a loss.
loop.block_tokens determines how many negatives a query has.
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
    """Encode one training example (a query with its products) as a document.

    Args:
        query: Number of the query; equal queries have the same number. It becomes the document's label.
        query_ids: Token ids of the query.
        products: A number for each product, the query's own product first, then hard negatives. Any numbering will do
            in which products with equal texts have the same number.
        texts: Token ids of each product's text.
    """
    pieces = [list(products), list(query_ids), *map(list, texts)]
    begins = np.cumsum([0, *map(len, pieces)])[1:-1]
    ids = np.concatenate([np.asarray(piece, np.int32) for piece in pieces])
    first = np.zeros(len(ids), bool)
    first[begins] = True
    return Document(ids, first, query)


def useful_keys(queries: np.ndarray, products: np.ndarray, count: int) -> np.ndarray:
    """Encode pairs of a query and a product that is relevant to it as numbers, for `Contrast.useful`.

    The number of a pair is query * count + product.

    Args:
        queries: Number of each pair's query, int [n].
        products: Number of each pair's product, int [n].
        count: Total number of products.

    Returns:
        The sorted, distinct numbers, int64 [pairs].
    """
    return np.unique(queries.astype(np.int64) * count + products)


class Contrast(PackedVectors):
    """The InfoNCE loss of examples that `example` encoded; the module describes it.

    Args:
        encoder: The transformers encoder.
        spec: Layers and poolings of the vectors; None for the defaults of `EncoderSpec`.
        useful: The pairs of a query and a product that is relevant to it, from `useful_keys`. Such a product is never a
            negative of its query.
        products: Total number of products.
        temperature: Divisor of the cosines.
        token_dropout: Share of the tokens that are hidden during training, 0 to 1.
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
        # without `batch.seed`, because nothing is drawn at random for a whole step
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
        """Return the loss of each example of one block, float32 [examples].

        Args:
            vectors: Normalised vectors, [texts, dim]: for each example its query, then its products.
            block: The examples.
            queries: Number of each example's query.
        """
        starts = np.cumsum([0, *(len(one.texts) for one in block)])[:-1]
        within = [1 + np.arange(len(one.products)) for one in block]
        places = np.concatenate([start + steps for start, steps in zip(starts, within, strict=True)])
        # a product that occurs several times is one candidate, so it is not its own negative
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
    """A decoded example of a batch.

    Args:
        products: The numbers of its products (see `example`).
        texts: Its texts as documents: the query, then the products.
    """

    def __init__(self, products: np.ndarray, texts: list[Document]) -> None:
        self.products, self.texts = products, texts

    @classmethod
    def of(cls, batch: Batch, start: int, end: int) -> _Example:
        """Decode the example in the tokens `start` to `end` of a batch, which `example` encoded."""
        ids, begins = batch.ids[start:end], np.flatnonzero(batch.trained[start:end])
        pieces = np.split(ids, begins)
        return cls(pieces[0], [Document(piece, np.zeros(len(piece), bool)) for piece in pieces[1:]])
