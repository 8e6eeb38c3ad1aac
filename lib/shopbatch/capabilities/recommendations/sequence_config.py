"""The configuration of the sequence part of a recommender. Cheap to import."""

from __future__ import annotations

from pydantic import Field

from shopbatch.core.config import Strict
from shopbatch.training.config import LoopConfig, OptimizerConfig, ScheduleConfig


class SequenceConfig(Strict):
    """A causal Transformer over the products of a user, newest last."""

    max_items: int = Field(default=50, ge=2)
    """Newest products of a user that are read."""
    hidden: int = Field(default=64, ge=8)
    """Numbers of a product's vector, and size of the hidden states; a multiple of heads."""
    layers: int = Field(default=1, ge=1)
    """Number of Transformer layers."""
    heads: int = Field(default=1, ge=1)
    """Attention heads of a layer."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the hidden states that is dropped while training."""
    negatives: int = Field(default=256, ge=1)
    """Products drawn for each step that a target is compared with, if there are too many to compare it with all."""
    softmax_below: int = Field(default=20_000, ge=0)
    """Number of products below which a target is compared with all of them, instead of with the drawn ones."""


# Blocks are short, since most users have few products; the second moment is remembered longer than for texts, since
# most products have a gradient in few steps.
SEQUENCE_LOOP = LoopConfig(
    block_tokens=64,
    batch_blocks=16,
    micro_blocks=4,
    epochs=8,
    eval_steps=150,
    patience=2,
    schedule=ScheduleConfig(peak=2e-3),
    optimizer=OptimizerConfig(beta2=0.98),
)
