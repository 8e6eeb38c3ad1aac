"""Tokenises training examples into documents, in Ray tasks; blocks of documents are then packed for training."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from shopbatch.engines.tokens import Reader
from shopbatch.models.folder import local
from shopbatch.training.contrast import example
from shopbatch.training.packing import Document


@dataclass(frozen=True)
class Encode:
    """Tokenises a batch of training examples; Ray tasks call it.

    Attributes:
        model: The encoder's folder.
        query: Prefix put before a query ("query: ").
        passage: Prefix put before a product's text ("passage: ").
        max_tokens: Number of tokens to which a text is cut.
    """

    model: str
    query: str
    passage: str
    max_tokens: int

    def __call__(self, batch: pa.Table) -> list[Document]:
        """Tokenise a batch with the columns of `pairs.EXAMPLES`; returns one document per example."""
        folder = local(self.model)
        queries = Reader(folder, self.query, self.max_tokens, 1).rows(batch["query"].combine_chunks())
        texts = batch["texts"].combine_chunks()
        flat = Reader(folder, self.passage, self.max_tokens, 1).rows(texts.flatten())
        documents, at = [], 0
        for row, (number, products) in enumerate(
            zip(batch["number"].to_pylist(), batch["products"].to_pylist(), strict=True)
        ):
            documents.append(example(number, queries[row], products, flat[at : at + len(products)]))
            at += len(products)
        return documents

    def longest(self, hard: int) -> int:
        """Return the greatest number of tokens that an example with `hard` hard negatives can have."""
        return 1 + hard + (2 + hard) * self.max_tokens
