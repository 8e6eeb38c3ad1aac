"""What other clients do to a Delta table without changing a row, or by going back to an older version."""

from __future__ import annotations

from deltalake import DeltaTable


def vacuum(uri: str) -> None:
    """Delete every file that the newest version does not show."""
    DeltaTable(uri).vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)


def compact_and_vacuum(uri: str) -> None:
    """Merge the small files, and delete them."""
    DeltaTable(uri).optimize.compact()
    vacuum(uri)


def restore(uri: str) -> None:
    """Go back to the version before the newest one."""
    DeltaTable(uri).restore(DeltaTable(uri).version() - 1)
