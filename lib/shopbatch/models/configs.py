"""The configurations of models that are trained. Importing this module loads nothing heavy."""

from __future__ import annotations

from pydantic import Field

from shopbatch.core.config import Strict


class LoraConfig(Strict):
    """Low-rank adapters (Hu et al. 2021) on all linear layers of the decoder."""

    rank: int = Field(default=16, ge=0)
    """Rank of the adapters. 0 trains all weights of the model instead."""
    alpha: float = Field(default=32.0, gt=0)
    """The output of an adapter is scaled by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of an adapter's inputs that are dropped while training."""


class ScratchConfig(Strict):
    """A new model: a Transformer like Llama (Touvron et al. 2023) and a byte-level BPE of the shop's text.

    Its weights are random, about 12 x hidden^2 x layers + vocabulary x hidden of them.
    """

    hidden: int = Field(default=256, ge=16)
    """Size of the hidden states; a multiple of heads."""
    layers: int = Field(default=6, ge=1)
    """Number of layers."""
    heads: int = Field(default=4, ge=1)
    """Attention heads of a layer; a multiple of kv_heads."""
    kv_heads: int = Field(default=2, ge=1)
    """Groups of heads that share keys and values."""
    inner: int = Field(default=704, ge=16)
    """Size of the hidden layer between a layer's two feed-forward matrices."""
    vocabulary: int = Field(default=4096, ge=300)
    """Most tokens in the vocabulary."""
    positions: int = Field(default=1024, ge=16)
    """Most tokens that the model reads."""
