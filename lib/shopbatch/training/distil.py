"""The objective of a student: an encoder learns what a larger one, its teacher, makes of the same texts.

The student's vector goes through a linear map to the teacher's vector, as the hidden states of a small model are mapped
to those of a large one (Jiao et al. 2020, "TinyBERT"), and from there through the teacher's own linear heads, which
stay as they are. A document's loss has up to three terms:

- how far the mapped vector is from the teacher's: the mean squared error, or 1 minus the cosine;
- how far the probabilities are from the teacher's: the Kullback-Leibler divergence at a temperature, times its square
  (Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network");
- the cross entropy of the document's label.

A term whose target a document lacks is 0 for that document. The map is needed only for training: a head that is fitted
to the student's vectors can hold any linear map of them.
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
    """How much each term counts, and how it is computed.

    Attributes:
        vector, logits, label: Weights of the three terms.
        distance: How far two vectors are from each other.
        temperature: What the logits are divided by in the second term.
    """

    vector: float = 1.0
    logits: float = 1.0
    label: float = 0.0
    distance: Literal["mse", "cosine"] = "mse"
    temperature: float = 2.0


@dataclass(frozen=True)
class Targets:
    """What the teacher makes of the documents, by their numbers, and where the student's map starts.

    Attributes:
        vectors: float16 [n, dim], centred and scaled to unit variance, so that every number of a vector counts alike. A
            row of NaN: the document has no vector.
        logits: float32 [n, classes]. A row of NaN: none.
        labels: int64 [n]; -1: none.
        groups: int64 [n], which head reads the document.
        heads: float32 [groups, dim, classes]: weights of the teacher's heads, for vectors as above.
        biases: float32 [groups, classes].
        centre, scale: float32 [student's dim]: what the student's vectors are centred and scaled by.
        weights: float32 [student's dim, dim]: the map of centred and scaled vectors.
        bias: float32 [dim].
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
        """Write them to a file."""
        files.write_bytes(uri, save({name: np.ascontiguousarray(value) for name, value in vars(self).items()}))

    @classmethod
    def read(cls, uri: str) -> Targets:
        """Read what `write` has written.

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
    """The loss of a student; see the module. The label of a document is its number among the targets.

    Args:
        encoder, spec, token_dropout: As for `PackedVectors`.
        targets: What is learnt.
        terms: How much each term counts.
    """

    by_document = True

    def __init__(
        self, encoder: Any, spec: EncoderSpec, targets: Targets, terms: Terms, *, token_dropout: float = 0.0
    ) -> None:
        super().__init__(encoder, spec, token_dropout=token_dropout)
        self.targets, self.terms = targets, terms
        self.map = nn.Linear(*targets.weights.shape)  # what training adds to the map that was fitted
        nn.init.zeros_(self.map.weight)
        nn.init.zeros_(self.map.bias)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the loss of each document, float32 [documents]."""
        mapped = self.mapped(self.vectors(batch))
        return self.losses(mapped, batch.labels)

    def mapped(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the student's vectors [n, student's dim] in the space of the teacher's, float32 [n, dim]."""
        names = ("centre", "scale", "weights", "bias")
        centre, scale, weights, bias = (_on(getattr(self.targets, name), vectors) for name in names)
        inputs = (vectors - centre) / scale
        # Adam moves every weight alike, so an output by a sum over all inputs: with more of them, steps are smaller
        added = self.map(inputs) / inputs.shape[1] ** 0.5
        mapped: torch.Tensor = inputs @ weights + bias + added
        return mapped.float()

    def losses(self, mapped: torch.Tensor, numbers: np.ndarray) -> torch.Tensor:
        """Return the loss of each document, float32 [n].

        Args:
            mapped: What `mapped` makes of the documents' vectors.
            numbers: The documents' numbers among the targets, int64 [n].
        """
        targets, terms = self.targets, self.terms
        vectors, logits = (_on(a[numbers].astype(np.float32), mapped) for a in (targets.vectors, targets.logits))
        labels = torch.from_numpy(targets.labels[numbers]).to(mapped.device)
        groups = targets.groups[numbers]
        heads, biases = _on(targets.heads[groups], mapped), _on(targets.biases[groups], mapped)
        own = torch.einsum("nd,ndc->nc", mapped, heads).float() + biases
        total = torch.zeros(len(numbers), device=mapped.device)
        # what is missing is left out before anything is computed: 0 times NaN is NaN, also in a gradient
        there = vectors.isfinite().all(1).nonzero()[:, 0]
        total = total.index_add(0, there, terms.vector * self._distance(mapped[there], vectors[there]))
        there = logits.isfinite().all(1).nonzero()[:, 0]
        total = total.index_add(0, there, terms.logits * self._divergence(own[there], logits[there]))
        there = (labels >= 0).nonzero()[:, 0]
        entropy = cross_entropy(own[there], labels[there], reduction="none")
        return total.index_add(0, there, terms.label * entropy)

    def _distance(self, mapped: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        if self.terms.distance == "mse":
            return ((mapped - vectors) ** 2).mean(1)
        return 1 - cosine_similarity(mapped, vectors)

    def _divergence(self, own: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        heat = self.terms.temperature
        student, teacher = log_softmax(own / heat, 1), log_softmax(logits / heat, 1)
        return (teacher.exp() * (teacher - student)).sum(1) * heat**2


def fitted_map(vectors: np.ndarray, goal: np.ndarray, penalty: float = 1.0) -> dict[str, np.ndarray]:
    """Fit the map by ridge regression; what `Targets` holds of it, by name.

    Args:
        vectors: The student's vectors before training, float32 [n, student's dim].
        goal: The teacher's vectors, centred and scaled, float32 [n, dim].
        penalty: Ridge penalty on the squared weights, beside the mean squared error. With a small one the map rests on
            directions in which the vectors hardly differ, so that every change of the student is amplified.
    """
    centre, scale = vectors.mean(0, dtype=float), vectors.std(0, dtype=float) + 1e-6
    inputs = ((vectors - centre) / scale).astype(np.float32)
    bias = goal.mean(0, dtype=float)
    gram = (inputs.T @ inputs).astype(float) / len(inputs) + penalty * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, (inputs.T @ (goal - bias.astype(np.float32))).astype(float) / len(inputs))
    parts = {"centre": centre, "scale": scale, "weights": weights, "bias": bias}
    return {name: value.astype(np.float32) for name, value in parts.items()}


def _on(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(values).to(like.device)
