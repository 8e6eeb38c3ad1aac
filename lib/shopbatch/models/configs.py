"""Configurations of models that are trained. Light to import."""

from __future__ import annotations

from pydantic import Field

from shopbatch.core.config import Strict


class LoraConfig(Strict):
    """Low-rank adapters (Hu et al. 2021) on all linear layers of the decoder. rank 0: all weights are trained."""

    rank: int = Field(default=16, ge=0)
    alpha: float = Field(default=32.0, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)


class ScratchConfig(Strict):
    """A Llama-shaped Transformer (Touvron et al. 2023) with random weights, and a byte-level BPE of the shop's text.

    About 12 x hidden^2 x layers + vocabulary x hidden weights. kv_heads: groups of heads that share keys and values.
    """

    hidden: int = Field(default=256, ge=16)
    layers: int = Field(default=6, ge=1)
    heads: int = Field(default=4, ge=1)
    kv_heads: int = Field(default=2, ge=1)
    inner: int = Field(default=704, ge=16)
    vocabulary: int = Field(default=4096, ge=300)
    positions: int = Field(default=1024, ge=16)
