"""What a load did, for the user and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class LoadReport:
    """One load; rows_read = rows_loaded + rows_rejected.

    Attributes:
        table: Name of the table that was loaded.
        file: Name of the file or folder.
        mode: `append` or `replace`.
        load_id: 32 hex digits that name the file's content, the table and the mapping.
        columns: The table's column -> the file's column.
        ignored: Columns of the file that match no column of the table.
        makes_key: Whether keys were made from the content because the file has none.
        rows_read: Rows of the file.
        rows_rejected: Rows with at least one value that was refused.
        reasons: "column: reason" -> number of values refused; a row may have several.
        duplicate_keys: Rows with the key of an earlier row of the file; a job takes the latest.
        seconds: How long the load took.
        version: Version of the table.
        already: Whether nothing was done, because the same file was loaded before.
        beside_sample: Whether the table also holds the rows of a sample.
    """

    table: str
    file: str
    mode: str
    load_id: str
    columns: Mapping[str, str]
    ignored: tuple[str, ...]
    makes_key: bool
    rows_read: int = 0
    rows_rejected: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    duplicate_keys: int = 0
    seconds: float = 0.0
    version: int = -1
    already: bool = False
    beside_sample: bool = False

    @property
    def rows_loaded(self) -> int:
        """Rows that this load added to the table."""
        return 0 if self.already else self.rows_read - self.rows_rejected

    def committed(self, version: int, beside_sample: bool) -> LoadReport:
        """Return the report of a load that became visible as this version."""
        return replace(self, version=version, beside_sample=beside_sample)

    def loaded_before(self, version: int) -> LoadReport:
        """Return the report of a load that found its rows in this version already."""
        return replace(self, version=version, already=True)

    def counts(self) -> dict[str, int]:
        """Return the row counts that are stored with the table's commit."""
        return {"rows_read": self.rows_read, "rows_loaded": self.rows_loaded, "rows_rejected": self.rows_rejected}

    def explain(self) -> str:
        """Return the reasons with their counts, most frequent first."""
        by_count = sorted(self.reasons.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count:,} {reason}" for reason, count in by_count) or "it holds no rows"

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and `rows_loaded`, for JSON."""
        return {**asdict(self), "rows_loaded": self.rows_loaded, "seconds": round(self.seconds, 3)}

    def lines(self) -> list[str]:
        """Return a few lines for the user."""
        matched = ", ".join(t if t == s else f"{t}={s!r}" for t, s in self.columns.items())
        lines = [f"columns: {matched}"]
        if self.ignored:
            lines.append(f"ignored columns of the file: {', '.join(n or '(unnamed)' for n in self.ignored)}")
        if self.makes_key:
            lines.append("no key in the file: made from each row's content")
        if self.already:
            lines.append(f"{self.table}: {self.file} was loaded before, nothing done (version {self.version})")
            return lines
        if self.rows_rejected:
            lines.append(f"refused: {self.explain()} (rows and reasons: table {self.table}_load_rejects)")
        if self.duplicate_keys:
            lines.append(f"{self.duplicate_keys:,} rows repeat the key of an earlier row; jobs take the latest")
        if self.beside_sample:
            lines.append(f"{self.table} also holds sample rows; load with --replace to keep only your own")
        lines.append(
            f"{self.table}: {self.rows_loaded:,} of {self.rows_read:,} rows of {self.file} loaded ({self.mode}, "
            f"version {self.version}) in {self.seconds:.1f} s"
        )
        return lines
