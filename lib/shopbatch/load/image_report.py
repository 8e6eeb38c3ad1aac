"""What a load of pictures did, in a few lines for the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from shopbatch.warehouse.snapshot import Snapshot


class Counted(Protocol):
    """The numbers of a load under way."""

    files: int
    pictures: int
    ownerless: int
    reused: int
    reasons: dict[str, int]


@dataclass(frozen=True)
class ImageReport:
    """What a load of pictures did.

    Attributes:
        folder: The folder.
        files: Files in it.
        pictures: Those that are pictures.
        ownerless: Pictures of no known product.
        reused: Pictures that were not decoded again.
        reasons: Refused files by reason.
        version: Of the table; -1: nothing was written.
        already: The table held just this.
        dry_run: Nothing was to be written.
        replaced_sample: The pictures of the sample are gone.
        seconds: Wall-clock time.
        notes: Further sentences.
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
        """The report of a load that has nothing to do."""
        return replace(self, already=True, version=before.version, pictures=before.rows)

    def counted(self, run: Counted) -> ImageReport:
        """The report with the numbers of a run."""
        numbers = {name: getattr(run, name) for name in ("files", "pictures", "ownerless", "reused")}
        return replace(self, **numbers, reasons=dict(sorted(run.reasons.items())))

    def committed(self, version: int, before: Snapshot | None, seconds: float) -> ImageReport:
        """The report of a load that became visible."""
        sample = before is not None and bool(before.files) and "sample" in before.metadata
        return replace(self, version=version, replaced_sample=sample, seconds=seconds)

    def explain(self) -> str:
        """Say how many files were refused for which reason."""
        return ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.items()) or "none was refused"

    def lines(self) -> list[str]:
        """Return a few lines for the user."""
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
