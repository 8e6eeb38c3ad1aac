"""The candidate of an inference run: the written but not yet visible files of the new table, with counts of their rows.

`derive.py` writes it (one Ray task for each part of the source), `audit.py` judges it by gates, and `publish.py`
commits it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shopbatch.warehouse.files import DataFile
from shopbatch.warehouse.mix import bounded_mix

VOLATILE = ("scored_at", "run_id")  # how a row came to be: tables that differ only in these are equal


@dataclass(frozen=True)
class Written:
    """The files that one Ray task wrote for one part of the source, and counts of their rows.

    Attributes:
        files: Files of the published table.
        rejects: Files of the rejects table.
        published: Number of rows in `files`.
        rejected: Number of rows in `rejects`.
        pending: Number of source rows without a result that are in neither table.
        kept: Number of rows copied from the live table because their new result is pending. They are counted in
            `published`, too.
        reasons: Number of rejected rows by reason.
        mix: Number of published rows, {group: {label: rows}}: by the values of the two columns `Stage.drift_columns`.
        measured: The values that `Stage.measure` computed from the published rows, {name: value}.
        digest: Sum of the hashes of the published rows modulo 2^64, without the columns VOLATILE (time and run). The
            digest of a table is the sum of the digests of its parts.
        rejects_digest: The same sum over the rejected rows.
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
    """The new version of a published table and its rejects, written but not yet visible: one `Written` per part."""

    parts: list[Written]

    @property
    def files(self) -> list[DataFile]:
        """Files of the published table."""
        return [f for p in self.parts for f in p.files]

    @property
    def rejects(self) -> list[DataFile]:
        """Files of the rejects table."""
        return [f for p in self.parts for f in p.rejects]

    def total(self, name: str) -> int:
        """Return the sum of one numeric attribute of `Written` over all parts, such as `total("published")`."""
        return sum(getattr(p, name) for p in self.parts)

    def digest(self, name: str = "digest") -> str:
        """Return a digest of all rows, 16 hex digits: the same for the same rows in any order and any files.

        Args:
            name: `digest` for the published rows, `rejects_digest` for the rejected rows.
        """
        return f"{self.total(name) % 2**64:016x}"

    @property
    def reasons(self) -> dict[str, int]:
        """Number of rejected rows by reason."""
        return _added([p.reasons for p in self.parts])

    @property
    def mix(self) -> dict[str, dict[str, int]]:
        """Number of published rows, {group: {label: rows}}, with the groups and labels of `Stage.drift_columns`.

        If there are very many groups, the small ones are merged, see `warehouse.mix.bounded_mix`.
        """
        groups = {g for p in self.parts for g in p.mix}
        return bounded_mix({g: _added([p.mix.get(g, {}) for p in self.parts]) for g in groups})

    @property
    def measured(self) -> dict[str, float]:
        """The greatest value over all parts of each number that `Stage.measure` computed."""
        names = sorted({n for p in self.parts for n in p.measured})
        return {n: max(p.measured.get(n, 0.0) for p in self.parts) for n in names}


def _added(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {k: sum(c.get(k, 0) for c in counts) for k in sorted({k for c in counts for k in c})}
