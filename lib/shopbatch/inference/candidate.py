"""The candidate of an inference run: what each part's task wrote, and the sum of it.

Made by `derive.py`, judged by `audit.py`, committed by `publish.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.mix import bounded_mix

VOLATILE = ("scored_at", "run_id")  # how a row came to be, not what it says: tables that differ only here are equal


@dataclass(frozen=True)
class Written:
    """What one publish task did.

    Attributes:
        files: Files of the published table.
        rejects: Files of its rejects.
        published: Rows published.
        rejected: Rows rejected.
        pending: Rows whose result is pending and that have no live row to keep.
        kept: Rows taken over from the live table because their new result is pending (they count as published too).
        reasons: Rejected rows by reason.
        mix: Published rows by group and label, see `Stage.drift_columns`.
        measured: What the stage measured.
        digest: Sum of the hashes of the published rows' lasting columns (mod 2^64), to be added up over parts.
        rejects_digest: The same of the rejects.
    """

    files: list[DataFile]
    rejects: list[DataFile]
    published: int
    rejected: int
    pending: int
    kept: int
    reasons: dict[str, int]
    mix: dict[str, dict[str, int]]
    measured: dict[str, float]
    digest: int
    rejects_digest: int


@dataclass(frozen=True)
class Candidate:
    """What would become visible: the sum over all parts."""

    parts: list[Written]

    @property
    def files(self) -> list[DataFile]:
        """Files of the published table."""
        return [f for p in self.parts for f in p.files]

    @property
    def rejects(self) -> list[DataFile]:
        """Files of the rejects."""
        return [f for p in self.parts for f in p.rejects]

    def total(self, name: str) -> int:
        """Add up a number of `Written` over the parts."""
        return sum(getattr(p, name) for p in self.parts)

    def digest(self, name: str = "digest") -> str:
        """Digest the rows; the same for the same rows in any order and any files."""
        return f"{self.total(name) % 2**64:016x}"

    @property
    def reasons(self) -> dict[str, int]:
        """Rejected rows by reason."""
        return _added([p.reasons for p in self.parts])

    @property
    def mix(self) -> dict[str, dict[str, int]]:
        """Published rows by group and label; small groups beyond a number are one."""
        groups = {g for p in self.parts for g in p.mix}
        return bounded_mix({g: _added([p.mix.get(g, {}) for p in self.parts]) for g in groups})

    @property
    def measured(self) -> dict[str, float]:
        """The greatest value of each number that the stage measured."""
        names = sorted({n for p in self.parts for n in p.measured})
        return {n: max(p.measured.get(n, 0.0) for p in self.parts) for n in names}


def _added(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {k: sum(c.get(k, 0) for c in counts) for k in sorted({k for c in counts for k in c})}
