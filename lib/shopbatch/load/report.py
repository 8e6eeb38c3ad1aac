"""What a load did, for the user and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class LoadReport:
    """One load. rows_read = rows_loaded + rows_rejected.

    columns: the table's column -> the file's. ignored: the file's columns that no column was found for.
    reasons: "column: reason" -> values refused (a row may have several). duplicate_keys: rows whose key an earlier
    row of the file has (a job takes the latest). already: nothing was done, the same file was loaded before.
    beside_sample: the table held a sample, and now holds these rows too.
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
        return 0 if self.already else self.rows_read - self.rows_rejected

    def done(self, version: int, beside_sample: bool) -> LoadReport:
        return replace(self, version=version, beside_sample=beside_sample)

    def done_before(self, version: int) -> LoadReport:
        return replace(self, version=version, already=True)

    def counts(self) -> dict[str, int]:
        return {"rows_read": self.rows_read, "rows_loaded": self.rows_loaded, "rows_rejected": self.rows_rejected}

    def why(self) -> str:
        """The reasons, most frequent first; "no rows" if there was nothing to refuse."""
        most = sorted(self.reasons.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count:,} {reason}" for reason, count in most) or "it holds no rows"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "rows_loaded": self.rows_loaded, "seconds": round(self.seconds, 3)}

    def lines(self) -> list[str]:
        """What a user wants to know, a few lines."""
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
            lines.append(f"refused: {self.why()} (rows and reasons: table {self.table}_load_rejects)")
        if self.duplicate_keys:
            lines.append(f"{self.duplicate_keys:,} rows repeat the key of an earlier row; jobs take the latest")
        if self.beside_sample:
            lines.append(f"{self.table} held sample rows, which are still there; --replace puts yours in their place")
        lines.append(
            f"{self.table}: {self.rows_loaded:,} of {self.rows_read:,} rows of {self.file} loaded ({self.mode}, "
            f"version {self.version}) in {self.seconds:.1f} s"
        )
        return lines
