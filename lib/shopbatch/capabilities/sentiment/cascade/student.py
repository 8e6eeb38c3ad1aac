"""Train the smallest model of a cascade, which only averages token embeddings, to give a large model's probabilities.

The vector of a text is the mean of its tokens' embeddings, which costs next to nothing to compute. The embeddings and
one linear layer are trained on the large model's probabilities (Hinton et al. 2015, "Distilling the knowledge in a
neural network"). The classifier is that of Joulin et al. 2016, "Bag of tricks for efficient text classification".
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

_BATCH = 128  # texts per training step
_POOL = 16  # steps whose texts are sorted by length together, so that batches need little padding
_RATES = (3e-3, 5e-3)  # greatest learning rates of embeddings and of the linear layer; both fall to 0
_SHARP = 8.0  # factor on the linear layer's outputs, so that small weights are enough for sure answers


def train_embedding(folder: Path, texts: pa.Array, given: np.ndarray, epochs: int, seed: int) -> None:
    """Train the token embeddings of a model whose text vectors are their means, and write the model back to its folder.

    A linear layer is trained together with the embeddings and then thrown away; a head is fitted to the new vectors
    later.

    Args:
        folder: The encoder's folder.
        texts: Training texts, string [n].
        given: The large model's probabilities of these texts, [n, classes].
        epochs: Number of passes over the texts.
        seed: Seed of the order of the texts and of the linear layer.
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
    model.train(False)  # switches off dropout, not the gradients
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
    """Yield the row numbers of the texts of each training step; the texts of a step have similar lengths."""
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
    """Return the mean of the token embeddings of each text, [n, hidden]; `rows` holds the token ids of each text."""
    longest = max(map(len, rows))
    mask = torch.from_numpy(np.arange(longest) < np.array([len(ids) for ids in rows])[:, None])
    ids = torch.zeros(mask.shape, dtype=torch.int64)
    ids[mask] = torch.from_numpy(np.concatenate(rows))
    states: torch.Tensor = model.embeddings(input_ids=ids)  # type: ignore[operator]
    present = mask.unsqueeze(-1).to(states.dtype)
    return (states * present).sum(dim=1) / present.sum(dim=1)
