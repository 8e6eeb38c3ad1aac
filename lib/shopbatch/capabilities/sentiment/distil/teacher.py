"""The teacher of distil_encoder: a sentiment model, and the targets that a student learns from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.capabilities.sentiment.model import head_and_encoder
from shopbatch.core.errors import UserError
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import local
from shopbatch.models.loading import model_config
from shopbatch.models.registry import Model
from shopbatch.training.distil import Targets, fitted_map


@dataclass(frozen=True)
class Teacher:
    """A sentiment head with the encoder whose vectors it reads.

    Attributes:
        model: The head, as a model of the registry.
        encoder: The encoder.
        head: The loaded head.
        spec: How the encoder makes vectors, with its layers counted from 0.
    """

    model: Model
    encoder: Model
    head: SentimentHead
    spec: EncoderSpec

    @classmethod
    def of(cls, models: str, reference: str) -> Teacher:
        """Find and load the teacher.

        Args:
            models: The registry's root.
            reference: `name@live`, `name@digest` or a folder.

        Raises:
            ModelError: A model is missing or damaged.
        """
        model, encoder = head_and_encoder(models, reference)
        folder = local(encoder.path)
        spec = EncoderSpec.load(folder)
        depths = spec.depths(int(model_config(folder)["num_hidden_layers"]))
        return cls(model, encoder, SentimentHead.load(model.path), spec.model_copy(update={"layers": depths}))

    def student(self, layers: int) -> EncoderSpec:
        """Return how a student with `layers` layers makes its vectors from the states of its layers.

        It uses the layers at the same relative depths as the teacher.

        Raises:
            UserError: `layers` is not less than the number of layers that the teacher computes.
        """
        top = max(self.spec.layers)
        if layers >= top:
            raise UserError(
                f"student.layers={layers}: the teacher {self.encoder.reference} computes {top} layers, so that a "
                "student must have fewer"
            )
        depths = {max(round(depth * layers / top), min(depth, 1)) for depth in self.spec.layers}
        return self.spec.model_copy(update={"layers": tuple(sorted(depths))})

    def targets(self, learnt: pa.Table, vectors: np.ndarray, cut: np.ndarray) -> Targets:
        """Return what a student learns from the examples: the teacher's vectors and logits, and the labels.

        Args:
            learnt: Columns label, language and split of the training and validation examples.
            vectors: The teacher's vectors of these examples, float16 or float32 [n, dim].
            cut: The vectors that the student makes of them before its training, [n, student's dim]. A linear map from
                these to the teacher's vectors is fitted as the starting point.
        """
        train = learnt["split"].to_numpy() == "train"
        mean, scale = vectors[train].mean(0, dtype=float), vectors[train].std(0, dtype=float) + 1e-6
        goal = ((vectors - mean) / scale).astype(np.float32)
        head = self.head
        groups = np.zeros(learnt.num_rows, np.int64)
        for group, rows in enumerate(head.rows_by_language(learnt["language"].combine_chunks())):
            groups[rows] = group
        # the targets are centred and scaled vectors, so the heads' weights and biases are converted to read these
        heat = head.temperature[:, None]
        heads = (head.weights * scale[:, None] / heat[..., None]).astype(np.float32)
        biases = ((head.bias + np.einsum("d,gdc->gc", mean, head.weights)) / heat).astype(np.float32)
        logits = np.empty((learnt.num_rows, heads.shape[2]), np.float32)
        for group in range(len(heads)):
            logits[groups == group] = goal[groups == group] @ heads[group] + biases[group]
        labels = learnt["label"].to_numpy().astype(np.int64)
        start = fitted_map(cut[train].astype(np.float32), goal[train])
        return Targets(goal.astype(np.float16), logits, labels, groups, heads, biases, **start)
