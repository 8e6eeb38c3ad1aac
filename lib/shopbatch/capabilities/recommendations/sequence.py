"""The Transformer behind the sequence part: predicts what a user buys next from the order of past purchases.

Product vectors go through a causal Transformer; the scores are inner products with the same product vectors. The model
is SASRec (Kang and McAuley 2018) with a softmax loss (Klenitskiy and Vasilev 2023) and gated layers (Tikhonovich et al.
2025). The products of one day are a set: they share a position, attend to each other and to earlier days, and are the
prediction targets of the day before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention, silu
from torch.utils.checkpoint import checkpoint

from shopbatch.capabilities.recommendations.sequence_config import SequenceConfig
from shopbatch.capabilities.recommendations.sequence_documents import Days, Rows, products_of, rows
from shopbatch.training.blocks import Blocks
from shopbatch.training.one_thread import one_thread
from shopbatch.training.optimizer import RowEmbedding
from shopbatch.training.packing import Batch

_SPREAD = 0.02  # standard deviation of random initial vectors of products and positions
_START_SPREAD = 0.1  # standard deviation of initial product vectors from `start_vectors`
_ROUNDS = 8  # power iterations of the singular value decomposition
_CELLS = 4_000_000  # greatest targets x products of a matrix of scores, in evaluation


class Layer(nn.Module):
    """One Transformer layer: attention, then a feed-forward network.

    Each of the two sublayers has a layer norm before it, and a gate, computed from the sublayer's input, on its output.
    """

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.norm, self.norm_after = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.gate, self.gate_after = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.project, self.join = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.widen, self.narrow = nn.Linear(hidden, 8 * hidden), nn.Linear(4 * hidden, hidden)

    def forward(self, states: torch.Tensor, groups: Sequence[Rows]) -> torch.Tensor:
        """Return the new states of all tokens of a batch, [tokens, hidden].

        Args:
            states: States of the tokens, [tokens, hidden].
            groups: The documents of the batch as padded rows, from `sequence_documents.rows`.
        """
        attended = self.join(self._attend(self.project(self.norm(states)), groups))
        states = states + self.dropout(attended * self.gate(states).sigmoid())
        left, right = self.widen(self.norm_after(states)).chunk(2, 1)
        widened = self.narrow(self.dropout(silu(left) * right))
        changed: torch.Tensor = states + self.dropout(widened * self.gate_after(states).sigmoid())
        return changed

    def _attend(self, projected: torch.Tensor, groups: Sequence[Rows]) -> torch.Tensor:
        """Attend within each document and return the attended values in token order, [tokens, hidden].

        Args:
            projected: Queries, keys and values side by side, [tokens, 3 x hidden].
            groups: The documents of the batch as padded rows.
        """
        pieces = []
        for group in groups:
            padded = projected[group.tokens].reshape(*group.tokens.shape, 3, self.heads, -1)
            query, key, value = padded.permute(2, 0, 3, 1, 4)
            values = scaled_dot_product_attention(query, key, value, attn_mask=group.seen)
            pieces.append(values.transpose(1, 2).flatten(2)[group.real])
        order = torch.cat([group.tokens[group.real] for group in groups])
        return torch.cat(pieces)[torch.argsort(order)]


class NextProducts(nn.Module):
    """The Transformer with its loss, for the training loop: each product is predicted from the days before.

    If there are fewer than `softmax_below` products, a target is compared with all of them. Otherwise it is compared
    with `negatives` random products, drawn uniformly anew for each step and shared by all targets of the step; then
    only the products that a step touches have a gradient.

    Args:
        products: Number of products.
        config: Sizes of the network, and how the loss is computed.
        recompute: True: activations are computed again in the backward pass instead of being stored, which saves
            memory.
    """

    def __init__(self, products: int, config: SequenceConfig, recompute: bool = False) -> None:
        super().__init__()
        self.config, self.recompute, hidden = config, recompute, config.hidden
        self.drawn = products >= config.softmax_below
        self.table = (RowEmbedding if self.drawn else nn.Embedding)(products, hidden)
        self.positions = nn.Embedding(config.max_items, hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList([Layer(hidden, config.heads, config.dropout) for _ in range(config.layers)])
        self.norm = nn.LayerNorm(hidden)
        for embedding in (self.table, self.positions):
            nn.init.normal_(embedding.weight, std=_SPREAD)

    def users(self, batch: Batch) -> torch.Tensor:
        """Return a vector for each document (user), [documents, hidden], from the state after the user's last day.

        The inner product of a user's vector and a product's vector is the product's score.
        """
        days = Days.of(batch, self.table.weight.device)
        return self.vectors(batch, days)[days.last]

    def vectors(self, batch: Batch, days: Days) -> torch.Tensor:
        """Return a vector for each day of a batch, [days, hidden]: the mean of the final states of the day's tokens.

        The vector of a day predicts the products of the next day.

        Args:
            batch: The documents.
            days: The days of this batch, from `Days.of`.
        """
        states = self.dropout(self.table(days.products) + self.positions(days.positions))
        groups = rows(batch.lengths, days.numbers)
        for layer in self.layers:
            states = checkpoint(layer, states, groups, use_reentrant=False) if self.recompute else layer(states, groups)
        states = self.norm(states).float()
        sums = states.new_zeros(int(days.last[-1]) + 1, states.shape[1]).index_add(0, days.numbers, states)
        means: torch.Tensor = sums / torch.bincount(days.numbers)[:, None]
        return means

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the loss of each target product, predicted from the days before its own, float32 [targets].

        While training, the loss is the cross entropy. In evaluation it is 1 - 1 / log2(1 + rank of the target), because
        on held-out products the cross entropy rises long before the ranks get worse.
        """
        days = Days.of(batch, self.table.weight.device)
        trained = torch.from_numpy(batch.trained).to(days.numbers.device)
        targets = days.products[trained]
        vectors = self.vectors(batch, days)[days.numbers[trained] - 1]
        if not self.training:
            return 1 - self._gains(vectors, targets)
        if not self.drawn:
            return cross_entropy((vectors @ self.table.weight.T).float(), targets, reduction="none")
        negatives = self.negatives(batch.seed)
        own = (vectors * self.table(targets)).sum(1, keepdim=True)
        others = (vectors @ self.table(negatives).T).masked_fill(targets[:, None] == negatives, -torch.inf)
        return cross_entropy(torch.cat([own, others], 1).float(), torch.zeros_like(targets), reduction="none")

    def negatives(self, seed: int) -> torch.Tensor:
        """Draw the random products that all targets of a step are compared with, int64 [negatives]."""
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randint(self.table.num_embeddings, (self.config.negatives,), generator=generator)
        return drawn.to(self.table.weight.device)

    def _gains(self, vectors: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return 1 / log2(1 + rank) of each target among all products, float32 [targets]; ties count half a rank.

        Args:
            vectors: Vector of the day before each target, [targets, hidden].
            targets: The product to predict for each vector, as a row of the model's product table, int64 [targets].
        """
        ranks = []
        step = max(1, _CELLS // self.table.num_embeddings)
        for own, wanted in zip(torch.split(vectors, step), torch.split(targets, step), strict=True):
            scores = own @ self.table.weight.T
            score = scores.gather(1, wanted[:, None])
            ranks.append((scores > score).sum(1) + ((scores == score).sum(1) - 1) / 2)
        return 1 / torch.log2(2 + torch.cat(ranks))


@dataclass(frozen=True)
class SequencePlan:
    """How the training workers build the untrained Transformer of a recommender's sequence part.

    Attributes:
        products: Number of products.
        config: Sizes of the network.
        start: Initial vectors of the products, float32 [products, hidden], from `start_vectors`; None for random ones.
        seed: Seed of all random weights.
    """

    products: int
    config: SequenceConfig
    start: np.ndarray | None = None
    seed: int = 0

    def build(self, recompute: bool = False) -> NextProducts:
        """Return the untrained model with its initial weights, which depend only on the plan."""
        torch.manual_seed(self.seed)
        objective = NextProducts(self.products, self.config, recompute)
        if self.start is not None:
            with torch.no_grad():
                objective.table.weight.copy_(torch.from_numpy(self.start))
        return objective


def start_vectors(train: Blocks, products: int, hidden: int, seed: int) -> np.ndarray:
    """Return initial product vectors in which products with the same users are similar, float32 [products, hidden].

    They come from a truncated singular value decomposition (Halko et al. 2011) of the matrix of users and products,
    where each product is weighted by 1 / sqrt(number of its users). A Transformer that starts from them needs fewer
    passes over the data than one that must learn from nothing which products go together.

    Args:
        train: The training blocks.
        products: Number of products.
        hidden: Length of a vector.
        seed: Seed of the decomposition, and of the random vectors of products that nobody had.
    """
    product = torch.from_numpy(products_of(train.ids))
    user = torch.from_numpy(np.repeat(np.arange(len(train.lengths)), train.lengths))
    pairs = torch.unique(torch.stack([user, product]), dim=1)
    users = torch.bincount(pairs[1], minlength=products)
    values = users[pairs[1]].float().rsqrt()
    shape = (len(train.lengths), products)
    matrix = torch.sparse_coo_tensor(pairs, values, shape, check_invariants=True, is_coalesced=True)
    with torch.random.fork_rng(), one_thread():  # same bits on a driver with another number of CPUs
        torch.manual_seed(seed)
        vectors = torch.randn(products, hidden)
        # twice as many directions as are kept, because the singular values of the later ones are close together
        _, sizes, directions = torch.svd_lowrank(matrix, min(2 * hidden, *matrix.shape), niter=_ROUNDS)
    bought, kept = users > 0, (directions * sizes)[:, :hidden]
    vectors[bought] = 0.0
    vectors[bought, : kept.shape[1]] = kept[bought]
    return np.asarray(nn.functional.normalize(vectors, dim=1) * (_START_SPREAD * hidden**0.5))
