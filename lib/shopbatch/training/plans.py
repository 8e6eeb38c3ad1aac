"""Plans: small descriptions of what to train, which are sent to the workers; each worker builds its objective from one.

A plan is cheap to import; only `build`, in the worker, loads the base model.
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
    """A description of what to train, from which every worker builds the same objective."""

    def build(self, recompute: bool = False) -> nn.Module:
        """Load the base model and return the objective with its initial weights; frozen weights require no gradient.

        Args:
            recompute: Whether activations are recomputed in the backward pass instead of being stored.

        Raises:
            ModelError: The model cannot be loaded, or cannot be trained on packed documents.
        """


@dataclass(frozen=True)
class CausalPlan:
    """Fine-tuning of a causal language model: all its weights, or low-rank adapters if lora.rank > 0.

    Attributes:
        model: Path or URI of the base model's folder.
        lora: Settings of the adapters.
        seed: Seed of the adapters' initial weights.
    """

    model: str
    lora: LoraConfig
    seed: int = 0

    def build(self, recompute: bool = False) -> nn.Module:
        """Load the model, add the adapters, and return the `NextToken` objective."""
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
    """Fine-tuning of an encoder, cut off above the highest layer of `spec`, with a linear head for classification.

    Attributes:
        model: Path or URI of the encoder's folder.
        classes: Number of classes.
        spec: Layers and poolings of the vectors.
        start: Initial head: weights [dim, classes] and bias [classes]; None for a random one.
        smoothing: Label smoothing, 0 to 1.
        dropout: Dropout of the encoder's hidden states, 0 to 1.
        token_dropout: Share of the tokens that are hidden during training, 0 to 1.
        freeze: Parameters whose names begin with one of these prefixes are not trained.
        seed: Seed of the head's initial weights.
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
        """Load the encoder, add the head, and return the `Classify` objective."""
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
    """Fine-tuning of an encoder as a retriever, which finds the products of queries (see `contrast.Contrast`).

    Attributes:
        model: Path or URI of the encoder's folder.
        spec: Layers and poolings of the vectors.
        useful: Pairs of a query and a product that is relevant to it, from `contrast.useful_keys`.
        products: Total number of products.
        temperature: Divisor of the cosines.
        dropout: Dropout of the encoder's hidden states, 0 to 1.
        token_dropout: Share of the tokens that are hidden during training, 0 to 1.
        freeze: Parameters whose names begin with one of these prefixes are not trained.
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
        """Load the encoder and return the `Contrast` objective."""
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
    """Distillation of a student, which consists of the teacher's lower layers (see `distil.Distil`).

    Attributes:
        model: Path or URI of the teacher's encoder folder, whose weights the student starts with.
        spec: Layers and poolings of the student's vectors; layers above the highest one are left out.
        targets: Path or URI of the file that `Targets.write` wrote.
        terms: Fields of `distil.Terms` by name.
        dropout: Dropout of the encoder's hidden states, 0 to 1.
        token_dropout: Share of the tokens that are hidden during training, 0 to 1.
        freeze: Parameters whose names begin with one of these prefixes are not trained.
    """

    model: str
    spec: EncoderSpec
    targets: str
    terms: Mapping[str, Any]
    dropout: float = 0.0
    token_dropout: float = 0.0
    freeze: tuple[str, ...] = ()

    def build(self, recompute: bool = False) -> nn.Module:
        """Load the student and its targets, and return the `Distil` objective."""
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
    """Load an encoder with the attention for packed documents; its frozen parameters require no gradient.

    Args:
        model: Path or URI of the encoder's folder.
        spec: Layers and poolings of the vectors.
        dropout: Dropout of the hidden states, 0 to 1; the attention weights have none.
        freeze: Prefixes of the names of parameters to freeze.

    Returns:
        The transformers encoder, and the spec with its layers counted from 0.
    """
    from shopbatch.models.loading import load_encoder
    from shopbatch.training import attention

    shape = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": 0.0}
    encoder, spec = load_encoder(local(model), spec, config=shape, attention=attention.NAME, pooler=False)
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad = not name.startswith(freeze or ("-",))
    return encoder, spec


def _recompute(model: Any) -> None:
    """Turn on gradient checkpointing, so that activations are recomputed in the backward pass."""
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
