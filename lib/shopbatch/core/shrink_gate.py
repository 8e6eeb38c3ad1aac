"""The gate setting that many jobs share: by how much a published table, or a table that a job reads, may shrink."""

from __future__ import annotations

from typing import Literal

from shopbatch.core.config import Strict


class ShrinkGate(Strict):
    """The block `gates` of a job's configuration: a limit on the number of rows that must be met before publishing."""

    rows: float | Literal["any"] = 0.5
    """Fewest rows that a run may publish, as a share of the live version's rows; 0.5 refuses a result of less than
    half. Each source table is checked in the same way against the rows it had when the live version was made. Not
    checked below 20 rows, but an empty source is refused. `any` turns the check off."""
