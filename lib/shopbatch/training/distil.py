"""The distillation objective: a small encoder (the student) learns to imitate a larger one (its teacher) on texts.

A linear map turns the student's vector into the teacher's, as the hidden states of a small model are mapped to those of
a large one (Jiao et al. 2020, "TinyBERT"). The teacher's own linear heads, which stay unchanged, then turn the mapped
vector into class probabilities. A document's loss has up to three terms:

- the distance of the mapped vector from the teacher's vector: the mean squared error, or 1 minus the cosine;
- the distance of the probabilities from the teacher's: the Kullback-Leibler divergence at a temperature, times the
  temperature squared (Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network");
- the cross entropy of the document's label.

A term is 0 for a document without the target of that term. The map is needed only for training: a head that is fitted
to the student's vectors afterwards can express any linear map of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import nn
from torch.nn.functional import cosine_similarity, cross_entropy, log_softmax

from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.training.objectives import PackedVectors
from shopbatch.training.packing import Batch
from shopbatch.warehouse import files


@dataclass(frozen=True)
class Terms:
    """Weights and settings of the three terms of the distillation loss.

    Attributes:
        vector: Weight of the distance between the vectors.
        logits: Weight of the divergence between the class probabilities.
        label: Weight of the cross entropy of the label.
        distance: Distance of two vectors: mean squared error, or 1 minus the cosine.
        temperature: Divisor of the logits in the divergence.
    """

    vector: float = 1.0
    logits: float = 1.0
    label: float = 0.0
    distance: Literal["mse", "cosine"] = "mse"
    temperature: float = 2.0


@dataclass(frozen=True)
class Targets:
    """The teacher's outputs for all documents, its heads, and the initial map of the student's vectors.

    Attributes:
        vectors: The teacher's vectors, float16 [n, dim], centred and scaled to unit variance, so that every component
            has the same importance. A row of NaN: the document has no vector.
        logits: The teacher's logits, float32 [n, classes]. A row of NaN: the document has none.
        labels: int64 [n]; -1: the document has no label.
        groups: Index of the head for each document, int64 [n].
        heads: Weights of the teacher's heads on the centred and scaled vectors, float32 [groups, dim, classes].
        biases: Biases of the teacher's heads, float32 [groups, classes].
        centre: Mean of the student's vectors before training, float32 [student's dim].
        scale: Standard deviation of the student's vectors before training, float32 [student's dim].
        weights: Weights of the initial map of centred and scaled vectors, float32 [student's dim, dim].
        bias: Bias of the initial map, float32 [dim].
    """

    vectors: np.ndarray
    logits: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    heads: np.ndarray
    biases: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def write(self, uri: str) -> None:
        """Write all arrays to one safetensors file at a path or URI."""
        files.write_bytes(uri, save({name: np.ascontiguousarray(value) for name, value in vars(self).items()}))

    @classmethod
    def read(cls, uri: str) -> Targets:
        """Read the targets from a file that `write` wrote.

        Raises:
            OSError: The file is missing or damaged.
        """
        fs, path = files.filesystem(uri)
        with fs.open_input_stream(path) as stream:
            data = stream.read()
        try:
            return cls(**load(data))
        except (SafetensorError, TypeError) as error:
            raise OSError(f"{uri} is damaged: {error}") from None


class Distil(PackedVectors):
    """The distillation loss of a student; the module describes it.

    The label of a document in a batch is its row number in `targets`.

    Args:
        encoder: The student, a transformers encoder.
        spec: Layers and poolings of the student's vectors.
        targets: The teacher's outputs, and the initial map.
        terms: Weights and settings of the loss.
        token_dropout: Share of the tokens that are hidden during training, 0 to 1.
    """

    by_document = True

    def __init__(
        self, encoder: Any, spec: EncoderSpec, targets: Targets, terms: Terms, *, token_dropout: float = 0.0
    ) -> None:
        super().__init__(encoder, spec, token_dropout=token_dropout)
        self.targets, self.terms = targets, terms
        self.map = nn.Linear(*targets.weights.shape)  # trained, and added to the fitted map
        nn.init.zeros_(self.map.weight)
        nn.init.zeros_(self.map.bias)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the loss of each document, float32 [documents]."""
        mapped = self.mapped(self.vectors(batch))
        return self.losses(mapped, batch.labels)

    def mapped(self, vectors: torch.Tensor) -> torch.Tensor:
        """Map the student's vectors [n, student's dim] to the teacher's vector space, float32 [n, dim]."""
        names = ("centre", "scale", "weights", "bias")
        centre, scale, weights, bias = (_on(getattr(self.targets, name), vectors) for name in names)
        inputs = (vectors - centre) / scale
        # Adam moves all weights by equal amounts, so the output's step grows with the number of inputs; this limits it
        added = self.map(inputs) / inputs.shape[1] ** 0.5
        mapped: torch.Tensor = inputs @ weights + bias + added
        return mapped.float()

    def losses(self, mapped: torch.Tensor, numbers: np.ndarray) -> torch.Tensor:
        """Return the loss of each document, float32 [n].

        Args:
            mapped: The documents' mapped vectors, from `mapped`.
            numbers: The documents' row numbers in `targets`, int64 [n].
        """
        targets, terms = self.targets, self.terms
        vectors, logits = (_on(a[numbers].astype(np.float32), mapped) for a in (targets.vectors, targets.logits))
        labels = torch.from_numpy(targets.labels[numbers]).to(mapped.device)
        groups = targets.groups[numbers]
        heads, biases = _on(targets.heads[groups], mapped), _on(targets.biases[groups], mapped)
        own = torch.einsum("nd,ndc->nc", mapped, heads).float() + biases
        total = torch.zeros(len(numbers), device=mapped.device)
        # documents without a target are left out first: 0 times NaN is NaN, also in a gradient
        there = vectors.isfinite().all(1).nonzero()[:, 0]
        total = total.index_add(0, there, terms.vector * self._distance(mapped[there], vectors[there]))
        there = logits.isfinite().all(1).nonzero()[:, 0]
        total = total.index_add(0, there, terms.logits * self._divergence(own[there], logits[there]))
        there = (labels >= 0).nonzero()[:, 0]
        entropy = cross_entropy(own[there], labels[there], reduction="none")
        return total.index_add(0, there, terms.label * entropy)

    def _distance(self, mapped: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Return the distance of each mapped vector from the teacher's vector, [n]."""
        if self.terms.distance == "mse":
            return ((mapped - vectors) ** 2).mean(1)
        return 1 - cosine_similarity(mapped, vectors)

    def _divergence(self, own: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Return the Kullback-Leibler divergence of the student's class probabilities from the teacher's, [n]."""
        heat = self.terms.temperature
        student, teacher = log_softmax(own / heat, 1), log_softmax(logits / heat, 1)
        return (teacher.exp() * (teacher - student)).sum(1) * heat**2


def fitted_map(vectors: np.ndarray, goal: np.ndarray, penalty: float = 1.0) -> dict[str, np.ndarray]:
    """Fit the initial map from the student's vectors to the teacher's by ridge regression.

    Args:
        vectors: The student's vectors before training, float32 [n, student's dim].
        goal: The teacher's vectors, centred and scaled, float32 [n, dim].
        penalty: Ridge penalty on the squared weights, relative to the mean squared error. With a small penalty the map
            relies on directions in which the vectors hardly differ, so that every change of the student is amplified.

    Returns:
        The fields `centre`, `scale`, `weights` and `bias` of `Targets`, by name.
    """
    centre, scale = vectors.mean(0, dtype=float), vectors.std(0, dtype=float) + 1e-6
    inputs = ((vectors - centre) / scale).astype(np.float32)
    bias = goal.mean(0, dtype=float)
    gram = (inputs.T @ inputs).astype(float) / len(inputs) + penalty * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, (inputs.T @ (goal - bias.astype(np.float32))).astype(float) / len(inputs))
    parts = {"centre": centre, "scale": scale, "weights": weights, "bias": bias}
    return {name: value.astype(np.float32) for name, value in parts.items()}


def _on(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """Return an array as a tensor on the device of `like`."""
    return torch.from_numpy(values).to(like.device)
