"""The configuration of `build_user_sequences`. Imports nothing heavy."""

from __future__ import annotations

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict


class Keep(Strict):
    """How many entries of a user's history are kept: the newest ones."""

    purchases: int = Field(default=2000, ge=1, le=100_000)
    """Greatest number of purchases and returns per user. Each product counts once a day."""

    visits: int = Field(default=200, ge=0, le=100_000)
    """Greatest number of products viewed or put into the cart per user. Each product counts once a day."""


class SequenceConfig(JobConfig):
    """How much of each user's history is kept."""

    keep: Keep = Keep()
    """How many entries of a user's history are kept."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("user_product_daily",)

    def optional_tables(self) -> tuple[str, ...]:
        """The table that a run reads if the shop has events."""
        return ("user_product_event_daily",)
