"""The setting by which every job judges whether a table, or what it is made of, has shrunk too far."""

from __future__ import annotations

from typing import Literal

from shopbatch.core.config import Strict


class ShrinkGate(Strict):
    """What the candidate must pass before it is published."""

    rows: float | Literal["any"] = 0.5
    """Least rows that a run may publish, and that each table that it reads may have, as a share of those of the live
    version if that has 20 or more. A source without rows is refused, too. `any` lets every number pass."""
