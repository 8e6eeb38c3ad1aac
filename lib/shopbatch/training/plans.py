"""What is trained, as data that is sent to the workers: a plan builds the same objective on each of them.

A plan is small and cheap to import; `build` loads the base model in the worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from shopbatch.models.configs import LoraConfig
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import local

if TYPE_CHECKING:
    from torch import nn


class Plan(Protocol):
    """Builds the objective of a run."""

    def build(self, recompute: bool = False) -> nn.Module:
        """Return the objective with its initial weights; frozen weights require no gradient.

        Args:
            recompute: Whether activations are recomputed in the backward pass instead of being kept.

        Raises:
            ModelError: The model cannot be loaded, or cannot be trained on packed documents.
        """


@dataclass(frozen=True)
class CausalPlan:
    """Trains a causal language model: all its weights, or low-rank adapters (lora.rank > 0)."""

    model: str
    lora: LoraConfig
    seed: int = 0

    def build(self, recompute: bool = False) -> nn.Module:
        """Load the model and add the adapters."""
        import torch

        from shopbatch.models.causal import adapt
        from shopbatch.models.loading import load_causal
        from shopbatch.training import attention
        from shopbatch.training.objectives import NextToken, verify

        model = load_causal(local(self.model), attention=attention.NAME)
        verify(NextToken(model))
        if recompute:
            _recompute(model)
        torch.manual_seed(self.seed)  # adapters are initialised at random
        return NextToken(adapt(model, self.lora) if self.lora.rank else model)


@dataclass(frozen=True)
class ClassifyPlan:
    """Trains an encoder, cut off above the highest layer of `spec`, and a linear head over `classes`.

    start: initial head, see `Classify`. smoothing: label smoothing. dropout: in the encoder's hidden states.
    token_dropout: share of the tokens that are hidden during training. freeze: parameters whose names begin with one of
    these texts are not trained.
    """

    model: str
    classes: int
    spec: EncoderSpec
    start: tuple[np.ndarray, np.ndarray] | None = None
    smoothing: float = 0.0
    dropout: float = 0.0
    token_dropout: float = 0.0
    freeze: tuple[str, ...] = ()
    seed: int = 0

    def build(self, recompute: bool = False) -> nn.Module:
        """Load the encoder and put the head on it."""
        import torch

        from shopbatch.training.objectives import Classify, verify

        encoder, spec = _encoder(self.model, self.spec, self.dropout, self.freeze)
        torch.manual_seed(self.seed)
        objective = Classify(
            encoder,
            self.classes,
            spec,
            self.start,
            smoothing=self.smoothing,
            token_dropout=self.token_dropout,
        )
        verify(objective)
        if recompute:
            _recompute(encoder)
        return objective


@dataclass(frozen=True)
class ContrastPlan:
    """Trains an encoder to find the products of queries, see `contrast.Contrast`.

    useful, products, temperature: as for `Contrast`. dropout: in the encoder's hidden states. token_dropout: share of
    the tokens that are hidden during training. freeze: as for `ClassifyPlan`.
    """

    model: str
    spec: EncoderSpec
    useful: np.ndarray
    products: int
    temperature: float = 0.05
    dropout: float = 0.0
    token_dropout: float = 0.0
    freeze: tuple[str, ...] = ()

    def build(self, recompute: bool = False) -> nn.Module:
        """Load the encoder."""
        from shopbatch.training.contrast import Contrast
        from shopbatch.training.objectives import verify

        encoder, spec = _encoder(self.model, self.spec, self.dropout, self.freeze)
        objective = Contrast(
            encoder, spec, self.useful, self.products, temperature=self.temperature, token_dropout=self.token_dropout
        )
        verify(objective)
        if recompute:
            _recompute(encoder)
        return objective


@dataclass(frozen=True)
class DistilPlan:
    """Trains a student, cut out of its teacher below the layers of `spec`, see `distil.Distil`.

    targets: URI of what `Targets.write` has written. terms: as for `Distil`. dropout: in the encoder's hidden states.
    token_dropout: share of the tokens that are hidden during training. freeze: as for `ClassifyPlan`.
    """

    model: str
    spec: EncoderSpec
    targets: str
    terms: Mapping[str, Any]
    dropout: float = 0.0
    token_dropout: float = 0.0
    freeze: tuple[str, ...] = ()

    def build(self, recompute: bool = False) -> nn.Module:
        """Load the lower layers of the teacher, and what they are to learn."""
        from shopbatch.training.distil import Distil, Targets, Terms
        from shopbatch.training.objectives import verify

        encoder, spec = _encoder(self.model, self.spec, self.dropout, self.freeze)
        targets = Targets.read(self.targets)
        objective = Distil(encoder, spec, targets, Terms(**self.terms), token_dropout=self.token_dropout)
        verify(objective)
        if recompute:
            _recompute(encoder)
        return objective


def _encoder(model: str, spec: EncoderSpec, dropout: float, freeze: tuple[str, ...]) -> tuple[Any, EncoderSpec]:
    """Load an encoder for packed documents; its frozen parameters require no gradient."""
    from shopbatch.models.loading import load_encoder
    from shopbatch.training import attention

    shape = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": 0.0}
    encoder, spec = load_encoder(local(model), spec, config=shape, attention=attention.NAME, pooler=False)
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad = not name.startswith(freeze or ("-",))
    return encoder, spec


def _recompute(model: Any) -> None:
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
