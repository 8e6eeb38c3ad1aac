"""Settings of the job `build_user_sequences`. Cheap to import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict


class Keep(Strict):
    """How many of the newest entries of a user's history are kept."""

    purchases: int = Field(default=2000, ge=1, le=100_000)
    """Greatest number of purchases and returns kept per user, the newest ones. Several of one product on one day are
    one entry."""

    visits: int = Field(default=200, ge=0, le=100_000)
    """Greatest number of product views and additions to the cart kept per user, the newest ones. Several of one product
    on one day are one entry; 0 keeps none."""


class Gates(Strict):
    """Limits that the new table must meet before it is published."""

    rows: float | Literal["any"] = 0.5
    """Smallest number of users that a run may publish, as a share of the users in the live table, if that has 20 or
    more. A table without rows is refused, too. `any` accepts every number."""


class SequenceConfig(JobConfig):
    """Settings of the job (`conf/*/build_user_sequences.yaml`)."""

    keep: Keep = Keep()
    """How many entries of a user's history are kept: the newest ones."""

    gates: Gates = Gates()
    """Limits that the new table must meet before it is published."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the table of daily purchases, which every run reads."""
        return ("user_product_daily",)

    def optional_tables(self) -> tuple[str, ...]:
        """Return the table of daily views and cart additions, which a run reads if the shop has it."""
        return ("user_product_event_daily",)
