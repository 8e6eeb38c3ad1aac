"""Sizes of the sequence part of a recommender, and defaults of its training. Cheap to import."""

from __future__ import annotations

from pydantic import Field

from shopbatch.core.config import Strict
from shopbatch.training.config import LoopConfig, OptimizerConfig, ScheduleConfig


class SequenceConfig(Strict):
    """Sizes and loss of the causal Transformer over a user's products, in order of time."""

    max_items: int = Field(default=50, ge=2)
    """Number of a user's newest products that the Transformer reads; older ones are ignored. More costs time and
    memory."""
    hidden: int = Field(default=64, ge=8)
    """Length of a product's vector and of the hidden states; a multiple of `heads`. Larger fits more products, and is
    slower."""
    layers: int = Field(default=1, ge=1)
    """Number of Transformer layers."""
    heads: int = Field(default=1, ge=1)
    """Attention heads of each layer; must divide `hidden`."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the hidden states that is set to 0 at random while training, against overfitting; 0 turns it off."""
    negatives: int = Field(default=256, ge=1)
    """Number of random products that a target is compared with in each training step, if there are `softmax_below`
    products or more."""
    softmax_below: int = Field(default=20_000, ge=0)
    """With fewer products than this, a target is compared with all products (exact, slower with many products).
    Otherwise it is compared with `negatives` random ones."""


# Blocks are short because most users have few products. beta2 is higher than for texts (a longer memory of the second
# moment) because most products have a gradient in few steps only.
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
