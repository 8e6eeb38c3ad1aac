"""The contrastive loss of each example against one written out by hand, text by text."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from shopbatch.training.contrast import Contrast, example, useful_keys
from shopbatch.training.packing import Document, flatten

from . import tiny

Example = tuple[int, list[int], list[int], list[list[int]]]  # query, its tokens, products, their tokens


def vector(objective: Contrast, ids: Sequence[int]) -> np.ndarray:
    alone = flatten([Document(np.asarray(ids, np.int32), np.zeros(len(ids), bool))])
    raw = objective.vectors(alone)[0].detach().double().numpy()
    return np.asarray(raw / np.linalg.norm(raw))


def by_hand(objective: Contrast, block: list[Example], useful: set[tuple[int, int]]) -> list[float]:
    """The loss of each example of a block."""
    texts = {p: ids for _, _, products, found in block for p, ids in zip(products, found, strict=True)}
    losses = []
    for query, ids, (own, *_), _ in block:
        asked = vector(objective, ids)
        score = {p: float(asked @ vector(objective, texts[p])) / objective.temperature for p in texts}
        against = [score[p] for p in texts if p == own or (query, p) not in useful]
        losses.append(math.log(sum(map(math.exp, against))) - score[own])
    return losses


def test_losses_are_those_of_each_block_without_products_that_are_useful_too() -> None:
    draw = np.random.default_rng(3)
    texts = [draw.integers(1, tiny.VOCABULARY, int(draw.integers(2, 9))).tolist() for _ in range(12)]
    queries = [draw.integers(1, tiny.VOCABULARY, 4).tolist() for _ in range(5)]

    def of(query: int, *products: int) -> Example:
        return query, queries[query], list(products), [texts[p] for p in products]

    # product 1 stands in a block three times; query 0 twice, with two of its products; an example has no hard negative
    blocks = [[of(0, 1, 2, 3), of(0, 4, 5), of(2, 6, 1, 1)], [of(1, 7), of(3, 8, 1, 9), of(4, 10, 11)]]
    useful = {(0, 1), (0, 4), (2, 6), (2, 3), (1, 7), (1, 9), (3, 8), (4, 10)}
    pairs = np.array(sorted(useful))
    keys = useful_keys(pairs[:, 0], pairs[:, 1], tiny.PRODUCTS)
    objective = tiny.retriever(useful=keys).eval()
    documents = [example(*one) for block in blocks for one in block]
    batch = flatten(documents, sizes=[len(block) for block in blocks])
    wanted = [loss for block in blocks for loss in by_hand(objective, block, useful)]
    assert objective(batch).tolist() == pytest.approx(wanted, abs=1e-4)
    # a batch that does not say what its blocks are is one block
    together = by_hand(objective, [one for block in blocks for one in block], useful)
    assert objective(flatten(documents)).tolist() == pytest.approx(together, abs=1e-4)
    assert np.mean(together) > np.mean(wanted)
    # each query and each product is drawn at: no text is left out of the gradient
    objective.encoder.get_input_embeddings().weight.grad = None
    objective(batch).sum().backward()
    touched = objective.encoder.get_input_embeddings().weight.grad.abs().sum(1) > 0
    every = {i for one in (*texts[1:], *queries) for i in one}
    assert every <= set(torch.nonzero(touched)[:, 0].tolist())


def test_an_example_alone_in_its_block_has_nothing_to_learn() -> None:
    objective = tiny.retriever().eval()
    assert objective(flatten([example(0, [1, 2], [5], [[3, 4]])])).tolist() == [0.0]
