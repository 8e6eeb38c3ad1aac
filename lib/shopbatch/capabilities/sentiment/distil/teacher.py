"""The teacher: a sentiment model, what it makes of the examples, and what its student reads."""

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
    """A head with the encoder that it reads.

    Attributes:
        model: The head's model.
        encoder: The encoder.
        head: The head.
        spec: How the encoder makes vectors, its layers counted from 0.
    """

    model: Model
    encoder: Model
    head: SentimentHead
    spec: EncoderSpec

    @classmethod
    def of(cls, models: str, reference: str) -> Teacher:
        """Find it.

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
        """Return how a student of so many layers makes vectors: from the layers of corresponding depth.

        Raises:
            UserError: That is no fewer layers than the teacher computes.
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
        """Return what a student learns from examples.

        Args:
            learnt: label, language and split of the training and validation examples.
            vectors: The teacher's vectors of them, float16 or float32 [n, dim].
            cut: The vectors that the student makes of them before its training, [n, student's dim].
        """
        train = learnt["split"].to_numpy() == "train"
        mean, scale = vectors[train].mean(0, dtype=float), vectors[train].std(0, dtype=float) + 1e-6
        goal = ((vectors - mean) / scale).astype(np.float32)
        head = self.head
        groups = np.zeros(learnt.num_rows, np.int64)
        for group, rows in enumerate(head.rows_by_language(learnt["language"].combine_chunks())):
            groups[rows] = group
        # the heads read centred and scaled vectors here, so the scale goes into their weights
        heat = head.temperature[:, None]
        heads = (head.weights * scale[:, None] / heat[..., None]).astype(np.float32)
        biases = ((head.bias + np.einsum("d,gdc->gc", mean, head.weights)) / heat).astype(np.float32)
        logits = np.empty((learnt.num_rows, heads.shape[2]), np.float32)
        for group in range(len(heads)):
            logits[groups == group] = goal[groups == group] @ heads[group] + biases[group]
        labels = learnt["label"].to_numpy().astype(np.int64)
        start = fitted_map(cut[train].astype(np.float32), goal[train])
        return Targets(goal.astype(np.float16), logits, labels, groups, heads, biases, **start)
