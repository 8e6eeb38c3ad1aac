"""What is trained, as data that travels to the workers: each plan builds the same objective everywhere.

Light until `build` is called, which loads the base model in the worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from shopbatch.models.configs import LoraConfig
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import ModelError, local, quietly

if TYPE_CHECKING:
    from torch import nn


class Plan(Protocol):
    """model: folder (path or URI) of the base."""

    @property
    def model(self) -> str: ...

    def build(self, recompute: bool = False) -> nn.Module:
        """The objective with its weights as they are to begin with; frozen ones ask for no gradient.

        ModelError: the model can not be loaded, or can not be trained on packed documents.
        """


@dataclass(frozen=True)
class CausalPlan:
    """A causal language model: all of its weights, or adapters of low rank (lora.rank > 0)."""

    model: str
    lora: LoraConfig
    seed: int = 0

    def build(self, recompute: bool = False) -> nn.Module:
        import torch

        from shopbatch.models.causal import adapt, load
        from shopbatch.training import attention
        from shopbatch.training.objectives import NextToken, verify

        model = load(local(self.model), attention.NAME)
        verify(NextToken(model))
        if recompute:
            _recompute(model)
        torch.manual_seed(self.seed)  # adapters begin at random
        return NextToken(adapt(model, self.lora) if self.lora.rank else model)


@dataclass(frozen=True)
class ClassifyPlan:
    """An encoder, cut off above the highest layer of `spec`, with a linear head over `classes`.

    start: of the head, see `Classify`. smoothing: of labels. dropout: in the encoder.
    token_dropout: share of tokens that are hidden while training. freeze: parameters whose names begin so stay as they
    are.
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
        import torch

        from shopbatch.training.objectives import Classify, verify

        encoder, spec = self._encoder(dropout=self.dropout)
        for name, parameter in encoder.named_parameters():
            parameter.requires_grad = not name.startswith(self.freeze or ("-",))
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

    def _encoder(self, dropout: float) -> tuple[Any, EncoderSpec]:
        """The encoder without what is above the vector's layers, and the spec with these counted from 0."""
        import torch
        import transformers

        from shopbatch.training import attention

        folder = local(self.model)
        try:
            with quietly():
                config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
                depths = self.spec.depths(config.num_hidden_layers)
                config.num_hidden_layers = max(*depths, 1)
                config.hidden_dropout_prob, config.attention_probs_dropout_prob = dropout, 0.0
                encoder = transformers.AutoModel.from_pretrained(
                    folder,
                    config=config,
                    dtype=torch.float32,
                    attn_implementation=attention.NAME,
                    use_safetensors=True,
                    trust_remote_code=False,
                    local_files_only=True,
                    add_pooling_layer=False,
                )
                return encoder, self.spec.model_copy(update={"layers": depths})
        except (OSError, ValueError, RuntimeError, AttributeError, TypeError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"{folder}: can not be loaded: {' '.join(str(error).split())[:300]}") from None


def _recompute(model: Any) -> None:
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
