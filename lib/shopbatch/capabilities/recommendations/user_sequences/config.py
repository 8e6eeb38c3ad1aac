"""The configuration of `build_user_sequences`. Imports nothing heavy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict


class Keep(Strict):
    """How many entries of a user's history are kept: the newest ones."""

    purchases: int = Field(default=2000, ge=1, le=100_000)
    """Greatest number of purchases and returns per user. Each product counts once a day."""

    visits: int = Field(default=200, ge=0, le=100_000)
    """Greatest number of products viewed or put into the cart per user. Each product counts once a day."""


class Gates(Strict):
    """Limits that the sequences must meet before they are published."""

    rows: float | Literal["any"] = 0.5
    """Least users that a run may publish, as a share of those that are live if these are 20 or more. Tiles without
    rows are refused, too. `any` lets every number pass."""


class SequenceConfig(JobConfig):
    """How much of each user's history is kept."""

    keep: Keep = Keep()
    """How many entries of a user's history are kept."""

    gates: Gates = Gates()
    """Limits that decide whether the sequences are published."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("user_product_daily",)

    def optional_tables(self) -> tuple[str, ...]:
        """The table that a run reads if the shop has events."""
        return ("user_product_event_daily",)
