"""Configuration classes of trainable language models: LoRA adapters, and the sizes of a new model.

Importing this module loads nothing heavy.
"""

from __future__ import annotations

from pydantic import Field

from shopbatch.core.config import Strict


class LoraConfig(Strict):
    """Settings of low-rank adapters (LoRA, Hu et al. 2021), which are added to all linear layers of the decoder."""

    rank: int = Field(default=16, ge=0)
    """Rank of the adapters: higher values train more parameters. 0 adds no adapters and trains all weights of the
    model."""
    alpha: float = Field(default=32.0, gt=0)
    """Scale of the adapters: the output of an adapter is multiplied by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of an adapter's inputs that are dropped at random during training, 0 to 1. 0 drops none."""


class ScratchConfig(Strict):
    """Sizes of a new model: a Transformer like Llama (Touvron et al. 2023) with a byte-level BPE of the shop's texts.

    The model starts with about 12 x hidden^2 x layers + vocabulary x hidden random weights.
    """

    hidden: int = Field(default=256, ge=16)
    """Size of the hidden states; must be a multiple of heads."""
    layers: int = Field(default=6, ge=1)
    """Number of Transformer layers."""
    heads: int = Field(default=4, ge=1)
    """Attention heads per layer; must be a multiple of kv_heads."""
    kv_heads: int = Field(default=2, ge=1)
    """Key-value heads per layer (grouped-query attention): each serves heads / kv_heads attention heads."""
    inner: int = Field(default=704, ge=16)
    """Size of the inner feed-forward layer."""
    vocabulary: int = Field(default=4096, ge=300)
    """Maximum number of tokens in the vocabulary."""
    positions: int = Field(default=1024, ge=16)
    """Context length: maximum number of tokens that the model can read."""
