"""Write the web page `pictures.html` beside the report of a run; the pictures are embedded in the page.

`classify_images` and `find_similar_images` show their results on it.
"""

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
    """A picture on the page with two short lines of text below it."""

    image_id: str
    first: str
    second: str


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        title: Heading of the section.
        note: Text below the heading.
        rows: Rows of pictures; the pictures of one row belong together.
    """

    title: str
    note: str
    rows: Sequence[Sequence[Card]]


def of_product(product_id: str | None) -> str:
    """Return the caption of a picture that names its product ("product 123"), or "of no product" for None."""
    return "of no product" if product_id is None else f"product {product_id}"


def is_there(store: Store, job: str, live: Snapshot) -> bool:
    """Return whether the run that published the version `live` also wrote its page (a killed run may not have)."""
    run = str(live.metadata.get("run_id", ""))
    fs, path = files.filesystem(f"{run_folder(store.root, job, run)}/{PAGE}")
    return bool(run) and bool(fs.get_file_info(path).is_file)


def write(store: Store, report: Report, title: str, sections: Sequence[Section], images: Snapshot) -> int:
    """Write the page, link it in the report, and return the number of pictures that it shows.

    Args:
        store: The warehouse.
        report: The report of the run, beside which the page is written.
        title: Title of the page.
        sections: The parts of the page.
        images: Pinned snapshot of `product_images`, from which the picture files are read.
    """
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
