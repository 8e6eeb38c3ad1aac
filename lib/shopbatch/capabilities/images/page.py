"""The page with pictures: `pictures.html` beside the report of a run. The pictures stand in the page itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shopbatch.capabilities.images.rows import picked
from shopbatch.pictures.pixels import data_uri
from shopbatch.runs.report import Report, run_folder
from shopbatch.runs.templates import template
from shopbatch.tables.images import PRODUCT_IMAGES
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot, Store

PAGE = "pictures.html"


@dataclass(frozen=True)
class Card:
    """A picture with two short lines under it."""

    image_id: str
    first: str
    second: str


@dataclass(frozen=True)
class Section:
    """Rows of pictures under a heading; the pictures of a row belong together."""

    title: str
    note: str
    rows: Sequence[Sequence[Card]]


def of_product(product_id: str | None) -> str:
    """The line under a picture that says which product it is of, which a picture need not have."""
    return "of no product" if product_id is None else f"product {product_id}"


def is_there(store: Store, job: str, live: Snapshot) -> bool:
    """Whether the run that made a version has written its page, too; one that was killed in between has not."""
    run = str(live.metadata.get("run_id", ""))
    fs, path = files.filesystem(f"{run_folder(store.root, job, run)}/{PAGE}")
    return bool(run) and bool(fs.get_file_info(path).is_file)


def write(store: Store, report: Report, title: str, sections: Sequence[Section], images: Snapshot) -> int:
    """Write the page, to which the report gets a link. Returns how many pictures it shows."""
    wanted = {card.image_id for section in sections for row in section.rows for card in row}
    rows = picked(images, wanted, ("image_id", "picture"))
    uris = {name: data_uri(data) for name, data in rows.iter_rows()}
    html = template("capabilities/images/page.html.j2").render(
        title=title,
        run={"run_id": report.run_id, "started": report.started_at},
        source=f"{PRODUCT_IMAGES.name} version {images.version}",
        sections=sections,
        uris=uris,
    )
    files.write_bytes(f"{run_folder(store.root, report.job, report.run_id)}/{PAGE}", html.encode())
    report.links |= {"The page with pictures": PAGE}
    return len(uris)
