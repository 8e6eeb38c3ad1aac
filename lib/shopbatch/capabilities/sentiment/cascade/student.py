"""An embedding that is trained to give the labels of a large model: a bag of tokens, which costs next to nothing.

The vector of a text is the mean of its tokens' embeddings; they and one linear layer are trained on the probabilities
that the large model gives (Hinton et al. 2015, "Distilling the knowledge in a neural network"; as a classifier it is
that of Joulin et al. 2016, "Bag of tricks for efficient text classification").
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from shopbatch.engines.tokens import Reader
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.loading import load_encoder, quietly

_BATCH = 128  # texts of one step
_POOL = 16  # steps whose texts are sorted by length together
_RATES = (3e-3, 5e-3)  # greatest learning rates of embeddings and of the linear layer; both fall to 0
_SHARP = 8.0  # factor on the linear layer's outputs, so that small weights are enough for sure answers


def train_embedding(folder: Path, texts: pa.Array, given: np.ndarray, epochs: int, seed: int) -> None:
    """Train the embedding of an encoder whose vector is the mean of its embedding, and write it back.

    Args:
        folder: The encoder's folder.
        texts: Training texts, string [n].
        given: The large model's probabilities of them, [n, classes].
        epochs: How often each text is read.
        seed: Seed of the order and of the linear layer.
    """
    spec = EncoderSpec.load(folder)
    model, _ = load_encoder(folder, spec, pooler=False)
    rows = [np.asarray(ids) for ids in Reader(folder, spec.prefix, _limit(model), 1).rows(texts)]
    torch.manual_seed(seed)
    linear = torch.nn.Linear(int(model.config.hidden_size), given.shape[1])
    embedding = model.embeddings.word_embeddings.weight
    groups = [{"params": [embedding], "lr": _RATES[0]}, {"params": list(linear.parameters()), "lr": _RATES[1]}]
    optimizer = torch.optim.Adam(groups)
    batches = list(_batches(rows, epochs, seed))
    target = torch.from_numpy(given.astype(np.float32))
    model.train(False)  # without dropout: the gradients are there all the same
    for step, batch in enumerate(batches):
        for group, rate in zip(optimizer.param_groups, _RATES, strict=True):
            group["lr"] = rate * (1 - step / len(batches))
        logits = linear(_pooled(model, [rows[i] for i in batch])) * _SHARP
        loss = -(target[torch.from_numpy(batch)] * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    with quietly():
        model.save_pretrained(folder)


def _limit(model: torch.nn.Module) -> int:
    return min(256, int(model.config.max_position_embeddings))  # type: ignore[union-attr,arg-type]


def _batches(rows: list[np.ndarray], epochs: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the numbers of the texts of each step; those of a step have like lengths."""
    draw = np.random.default_rng(seed)
    lengths = np.array([len(ids) for ids in rows])
    for _ in range(epochs):
        order = draw.permutation(len(rows))
        for first in range(0, len(order), _BATCH * _POOL):
            some = order[first : first + _BATCH * _POOL]
            some = some[np.argsort(lengths[some], kind="stable")]
            parts = [some[a : a + _BATCH] for a in range(0, len(some), _BATCH)]
            yield from (parts[i] for i in draw.permutation(len(parts)))


def _pooled(model: torch.nn.Module, rows: list[np.ndarray]) -> torch.Tensor:
    """The mean of the embeddings of each text's tokens, [n, hidden]."""
    longest = max(map(len, rows))
    mask = torch.from_numpy(np.arange(longest) < np.array([len(ids) for ids in rows])[:, None])
    ids = torch.zeros(mask.shape, dtype=torch.int64)
    ids[mask] = torch.from_numpy(np.concatenate(rows))
    states: torch.Tensor = model.embeddings(input_ids=ids)  # type: ignore[operator]
    present = mask.unsqueeze(-1).to(states.dtype)
    return (states * present).sum(dim=1) / present.sum(dim=1)
