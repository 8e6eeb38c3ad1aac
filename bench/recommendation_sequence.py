"""Evaluate the Transformer of the recommender on a file of sequences, beside a counting model and mixed with it.

Run: python -m bench.recommendation_sequence PATH [loop.epochs=4 sequence.hidden=128 ...]

PATH is a text file, plain or gzipped: one user per line, the user id and then the item ids in order of time. Of each
user the last item is the test item and the one before it the validation item. No model is fitted on these two
(leave-one-out, as papers report it; the gate of the job train_recommender splits by time).

All items are ranked except those that the user had. An item with the same score as the test item counts as half a rank
ahead of it. On the validation items of some users two things are chosen: the training step whose weights are kept, and
how much the Transformer's score counts in the mixed score.

The counting model scores items by how often they follow the user's items in other histories.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from bench.side_by_side import benchmark

from shopbatch.capabilities.recommendations.sequence import NextProducts, SequencePlan, start_vectors
from shopbatch.capabilities.recommendations.sequence_config import SEQUENCE_LOOP, SequenceConfig
from shopbatch.capabilities.recommendations.sequence_documents import document
from shopbatch.capabilities.recommendations.sequence_model import SequenceModel
from shopbatch.core.config import Strict, merge, override
from shopbatch.evaluation.paired import difference
from shopbatch.training.blocks import Blocks
from shopbatch.training.checkpoints import Checkpoints
from shopbatch.training.config import LoopConfig
from shopbatch.training.loop import Data, Trainer
from shopbatch.training.parallel import Parallel

TOGETHER = 512  # number of users that are scored at once
JUDGES = 5000  # the most users whose validation items are used
SHARES = np.array([0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1])  # weights of the Transformer in the mixed score


class Settings(Strict):
    """Settings that the command line can change, such as `sequence.hidden=128`."""

    sequence: SequenceConfig = SequenceConfig()
    """Sizes of the Transformer (hidden size, longest history, ...)."""
    loop: LoopConfig = SEQUENCE_LOOP
    """Settings of the Transformer's training loop (epochs, learning rate, ...)."""


@dataclass(frozen=True)
class Shop:
    """The histories of all users.

    Attributes:
        users: Item numbers of each user in order of time, from 0.
        items: Number of items.
    """

    users: list[np.ndarray]
    items: int

    @classmethod
    def read(cls, path: str) -> Shop:
        """Read the file; users with fewer than four items are left out, because they cannot be evaluated."""
        text = gzip.decompress(Path(path).read_bytes()) if path.endswith(".gz") else Path(path).read_bytes()
        split = [line.split()[1:] for line in text.decode().splitlines()]
        numbers = {item: number for number, item in enumerate(dict.fromkeys(i for items in split for i in items))}
        users = [np.array([numbers[i] for i in items]) for items in split if len(items) > 3]
        return cls(users, len(numbers))

    def some(self, count: int) -> Shop:
        """Return a shop with up to `count` of the users, drawn with a fixed seed."""
        drawn = np.random.default_rng(0).permutation(len(self.users))[:count]
        return Shop([self.users[i] for i in sorted(drawn)], self.items)

    def fit(self) -> list[np.ndarray]:
        """Return the items of each user that models are fitted on: all but the last two (validation and test)."""
        return [items[:-2] for items in self.users]


def count(shop: Shop) -> sp.csr_matrix:
    """Fit the counting model: return the weight from each item a to each item b, sparse float32 [items, items].

    The weight is the number of times that b follows a within 3 steps (1/k for k steps), divided by the number of users
    who have a; plus 0.3 times the cosine between the sets of users who have a and b. The diagonal is 0.
    """
    fit, shape = shop.fit(), (shop.items, shop.items)
    owned = ones(np.repeat(np.arange(len(fit)), [len(f) for f in fit]), np.concatenate(fit), (len(fit), shop.items))
    owned.data[:] = 1
    users = np.maximum(np.asarray(owned.sum(0)).ravel(), 1)
    steps = [
        ones(np.concatenate([f[:-k] for f in fit]), np.concatenate([f[k:] for f in fit]), shape) / k for k in (1, 2, 3)
    ]
    root = sp.diags(users**-0.5)
    weights = (sp.diags(1 / users) @ sum(steps) + 0.3 * root @ (owned.T @ owned) @ root).tolil()
    weights.setdiag(0)
    return weights.tocsr().astype(np.float32)


def ones(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    """Return a sparse matrix that counts how often each pair (row, column) occurs.

    Args:
        rows: Row number of each occurrence, [n].
        columns: Column number of each occurrence, [n].
        shape: Shape of the matrix.
    """
    return sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape)


def train(shop: Shop, settings: Settings) -> NextProducts:
    """Fit the Transformer and return it; the validation items choose the best weights and stop the training."""
    torch.set_num_threads(1)
    fitted = [document(items, np.arange(len(items)), settings.sequence.max_items) for items in shop.fit()]
    judged = [items[:-1] for items in shop.some(JUDGES).users]
    held = [document(i, np.arange(len(i)), settings.sequence.max_items, since=len(i) - 1) for i in judged]
    parts = [
        Blocks.of([d for d in documents if d.trained.any()], settings.loop.block_tokens, settings.loop.seed)
        for documents in (fitted, held)
    ]
    began = time.process_time()

    def log(step: int, values: Mapping[str, float]) -> None:
        if "validation_loss" in values:
            seconds = time.process_time() - began
            print(
                f"  step {step}: 1 - NDCG of validation {values['validation_loss']:.4f}, CPU {seconds:.0f} s",
                flush=True,
            )

    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(folder, "bench", Parallel())
        start = start_vectors(parts[0], shop.items, settings.sequence.hidden, settings.loop.seed)
        objective = SequencePlan(shop.items, settings.sequence, start, settings.loop.seed).build()
        trainer = Trainer(objective, Data(*parts), settings.loop, Parallel(), checkpoints, log)
        state = trainer.run(trainer.prepare(checkpoint_steps=10**9))
    print(f"  best step {state.best_step} of {state.step}, CPU {time.process_time() - began:.0f} s")
    return trainer.objective


def scores(shop: Shop, weights: sp.csr_matrix, model: SequenceModel, ahead: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Score all items for users, in blocks of TOGETHER users, by the counting model and by the Transformer.

    Args:
        shop: The users.
        weights: The weights of the counting model, from `count`.
        model: The Transformer.
        ahead: 1 to predict each user's last item (test), 2 to predict the one before it (validation).

    Yields:
        For each block: the items to predict, [users]; the scores of counting and of the Transformer, [users, items]
        each, standardised, with -inf for items that the user had.
    """
    products = model.products
    for start in range(0, len(shop.users), TOGETHER):
        users = shop.users[start : start + TOGETHER]
        known = [items[:-ahead] for items in users]
        lengths = [len(items) for items in known]
        rows, columns = np.repeat(np.arange(len(users)), lengths), np.concatenate(known)
        ages = np.concatenate([np.arange(n)[::-1] for n in lengths])
        history = sp.csr_matrix(((0.7**ages).astype(np.float32), (rows, columns)), (len(users), shop.items))
        counted = (history @ weights).toarray()
        learnt = model.score([(items, np.arange(len(items))) for items in known]) @ products.T
        both = np.stack([standard(counted), standard(learnt)])
        both[:, rows, columns] = -np.inf
        yield np.array([items[-ahead] for items in users]), *both


def standard(values: np.ndarray) -> np.ndarray:
    """Standardise each user's scores (rows) to mean 0 and standard deviation 1."""
    spread = values.std(1, keepdims=True)
    return (values - values.mean(1, keepdims=True)) / np.where(spread > 0, spread, 1)


def ranks(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the rank of each user's wanted item, from 0, float64 [users]; ties count half.

    Args:
        values: Scores, [users, items].
        wanted: Number of the wanted item of each user.
    """
    own = values[np.arange(len(wanted)), wanted][:, None]
    return (values > own).sum(1) + ((values == own).sum(1) - 1) / 2


def quality(rank: np.ndarray) -> np.ndarray:
    """Return HR@10 and NDCG@10 of each user from the rank of the wanted item, [2, users]."""
    inside = rank < 10
    return np.stack([inside, np.where(inside, 1 / np.log2(rank + 2), 0)])


def judge(shop: Shop, weights: sp.csr_matrix, model: SequenceModel, ahead: int, shares: np.ndarray) -> np.ndarray:
    """Return HR@10 and NDCG@10 of mixed scores for each share of the Transformer, [shares, 2, users].

    Args:
        shop: The users.
        weights: The weights of the counting model.
        model: The Transformer.
        ahead: 1 to predict each user's last item (test), 2 to predict the one before it (validation).
        shares: Shares of the Transformer in the mixed score: 0 is counting alone, 1 the Transformer alone.
    """
    tiles = []
    for wanted, counted, learnt in scores(shop, weights, model, ahead):
        mixed = [counted if s == 0 else learnt if s == 1 else (1 - s) * counted + s * learnt for s in shares]
        tiles.append([quality(ranks(values, wanted)) for values in mixed])
    return np.concatenate(tiles, 2)


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Fit both models, choose the Transformer's share on the validation items, and print the figures of the test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("settings", nargs="*", help="key=value, such as sequence.hidden=128")
    arguments = parser.parse_args(argv)
    settings = Settings.model_validate(reduce(merge, map(override, arguments.settings), Settings().model_dump()))
    shop = Shop.read(arguments.path)
    print(f"{len(shop.users):,} users, {shop.items:,} items, {sum(map(len, shop.users)):,} lines", flush=True)
    began = time.process_time()
    weights = count(shop)
    print(f"counting: CPU {time.process_time() - began:.1f} s\nTransformer: {settings}", flush=True)
    model = SequenceModel(train(shop, settings))
    chosen = judge(shop.some(JUDGES), weights, model, 2, SHARES).mean(2)
    best = float(SHARES[chosen[:, 1].argmax()])
    listed = ", ".join(f"{share:.1f} {ndcg:.4f}" for share, ndcg in zip(SHARES, chosen[:, 1], strict=True))
    print(f"validation NDCG@10 by the Transformer's share: {listed}; chosen {best}", flush=True)
    tested = judge(shop, weights, model, 1, np.array([0.0, 1.0, best]))
    for name, result in zip(("counting", "Transformer", "both"), tested, strict=True):
        intervals = [difference(each, np.zeros(len(each)), 0) for each in result]
        shown = [f"{i.value:.4f} [{i.low:.4f}, {i.high:.4f}]" for i in intervals]
        print(f"{name:12} HR@10 {shown[0]}  NDCG@10 {shown[1]}", flush=True)
    gains = [difference(both, counted, 0) for both, counted in zip(tested[2], tested[0], strict=True)]
    shown = [f"{g.value:+.4f} [{g.low:+.4f}, {g.high:+.4f}]" for g in gains]
    print(f"both - counting, paired: HR@10 {shown[0]}  NDCG@10 {shown[1]}")


if __name__ == "__main__":
    main()
