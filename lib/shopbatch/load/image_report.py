"""The report of one load of pictures: counts and notes, as lines of text for the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from shopbatch.warehouse.snapshot import Snapshot


class Counted(Protocol):
    """The counts of a load under way, which `ImageReport.counted` copies into a report.

    Attributes:
        files: Number of files in the folder.
        pictures: Number of files that are pictures.
        ownerless: Number of pictures that belong to no known product.
        reused: Number of pictures that were not decoded again.
        reasons: Reason -> number of files refused for it.
    """

    files: int
    pictures: int
    ownerless: int
    reused: int
    reasons: dict[str, int]


@dataclass(frozen=True)
class ImageReport:
    """The result of one load of pictures, which the command prints.

    Attributes:
        folder: The folder, as the user wrote it.
        files: Number of files in the folder.
        pictures: Number of files that are pictures.
        ownerless: Number of pictures that belong to no known product.
        reused: Number of pictures that were not decoded again, because their files did not change.
        reasons: Reason -> number of files refused for it.
        version: Version of the table; -1 if nothing was committed.
        already: Whether nothing was done, because the table holds just these pictures.
        dry_run: Whether nothing was written, because the user asked for a dry run.
        replaced_sample: Whether the load replaced pictures of a built-in sample.
        seconds: Duration of the load; 0 if nothing was committed.
        notes: Further sentences for the user.
    """

    folder: str
    files: int = 0
    pictures: int = 0
    ownerless: int = 0
    reused: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    version: int = -1
    already: bool = False
    dry_run: bool = False
    replaced_sample: bool = False
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def already_there(self, before: Snapshot) -> ImageReport:
        """Return a copy of the report that says that the table already holds just these pictures.

        Args:
            before: The table.
        """
        return replace(self, already=True, version=before.version, pictures=before.rows)

    def counted(self, run: Counted) -> ImageReport:
        """Return a copy of the report with the counts of a load.

        Args:
            run: The load.
        """
        numbers = {name: getattr(run, name) for name in ("files", "pictures", "ownerless", "reused")}
        return replace(self, **numbers, reasons=dict(sorted(run.reasons.items())))

    def committed(self, version: int, before: Snapshot | None, seconds: float) -> ImageReport:
        """Return a copy of the report for a load whose rows were committed.

        Args:
            version: The table's version with the rows.
            before: The table before the load; None if it did not exist.
            seconds: Duration of the load.
        """
        sample = before is not None and bool(before.files) and "sample" in before.metadata
        return replace(self, version=version, replaced_sample=sample, seconds=seconds)

    def explain(self) -> str:
        """Return one line with the number of refused files for each reason."""
        return ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.items()) or "none was refused"

    def lines(self) -> list[str]:
        """Return the report as lines of text for the terminal."""
        lines = list(self.notes)
        if self.already:
            return [*lines, f"product_images: {self.folder} is there already, nothing done (version {self.version})"]
        if self.reasons:
            where = "" if self.dry_run else " (shopbatch show product_images_load_rejects)"
            lines.append(f"refused: {self.explain()}{where}")
        if self.ownerless:
            lines.append(f"{self.ownerless:,} pictures are of no product of the catalogue; they are loaded without one")
        if self.replaced_sample:
            lines.append("the pictures of the sample are replaced")
        counted = f"{self.pictures:,} pictures of {self.files:,} files in {self.folder}"
        if self.dry_run:
            return [*lines, f"product_images: {counted} would replace the table; nothing was written"]
        again = f", {self.reused:,} of them unchanged" if self.reused else ""
        return [*lines, f"product_images: {counted}{again}, in {self.seconds:.1f} s (version {self.version})"]
