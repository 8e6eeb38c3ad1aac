"""Run the job `find_similar_images`: finds duplicates and similar pictures, and publishes `similar_images`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from shopbatch.capabilities.images import page
from shopbatch.capabilities.images.config import FindSimilarImagesConfig
from shopbatch.capabilities.images.publishing import live_of, publish
from shopbatch.capabilities.images.rows import Vectors, all_vectors, looks_of, require_pictures
from shopbatch.capabilities.images.words import pictures_of_words
from shopbatch.pictures.perceptual import near_duplicate_groups
from shopbatch.runs.report import Report
from shopbatch.tables.images import SIMILAR_IMAGES
from shopbatch.vectors.dense import DenseIndex
from shopbatch.warehouse.publish import rows_of
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 1  # of the search; if it is raised, the next run searches again
_QUERIES = 256  # pictures searched for at once
_ROWS = 100_000  # greatest number of rows of a file
_SPARE = 20  # neighbours found beyond k, because those of the same product are left out
_MOST_PRODUCTS = 100  # greatest number of products listed for a duplicate


def find_similar_images(config: FindSimilarImagesConfig, store: Store, report: Report) -> None:
    """Find duplicates and similar pictures of each picture and publish them; nothing is done if they are up to date.

    Raises:
        UserError: There are no vectors, or `texts` needs an encoder that reads texts.
        GateRefused: The table would shrink too far.
    """
    images, vectors = require_pictures(store)
    report.unit = "pictures"
    report.tables |= {source.name: {"read": source.version} for source in (images, vectors)}
    report.rows.read = vectors.rows
    sources = {s.name: {"table_id": s.table_id, "version": s.version} for s in (images, vectors)}
    origin = {"version": VERSION, "k": config.k, "texts": list(config.texts), "sources": sources}
    live = live_of(store, SIMILAR_IMAGES, origin, report)
    if live.same:
        return
    whole = all_vectors(vectors)
    with report.stage("words") as stage:
        said = pictures_of_words(config, store, vectors, whole)
        stage.rows = len(said)
    with report.stage("duplicates") as stage:
        copies = find_copies(whole, images)
        stage.rows = len(whole.image_ids)
    with report.stage("similar") as stage:
        parts = _rows(config, whole, copies, report.run_id)
        published = publish(
            store, report, SIMILAR_IMAGES, parts, live, rows_of({s.name: s for s in (vectors, images)}), config.gates
        )
        stage.rows = len(whole.image_ids)
    if published is None:
        return
    _describe(report, published, copies)
    with report.stage("page") as stage:
        shown = [*_duplicates(published, config), *_look_alike(published, config), *said]
        stage.rows = page.write(store, report, "Pictures that look alike", shown, images)


@dataclass(frozen=True)
class Copies:
    """Which pictures look the same; one entry per picture, in the order of image ids.

    Attributes:
        first: Row of the first picture that looks the same, int64 [n]; the own row if there is no other.
        count: Number of pictures that look the same, the picture itself included, int64 [n].
        same: How the picture relates to the first one, [n]: "file" (same file), "looks" (another file that looks the
            same), "first" (it is the first of several), None (no duplicates).
    """

    first: np.ndarray
    count: np.ndarray
    same: list[str | None]


def find_copies(whole: Vectors, images: Snapshot) -> Copies:
    """Find the pictures that are the same file or look the same, by perceptual hashes.

    Args:
        whole: All rows of `image_vectors`.
        images: Pinned snapshot of `product_images`, which holds the perceptual hashes.
    """
    own = pl.DataFrame({"image_id": whole.image_ids})
    looks = own.join(looks_of(images), on="image_id", how="left", maintain_order="left")
    sha256, group = looks["sha256"].to_list(), np.arange(looks.height)
    # a picture deleted after its vector was computed has no hash, so it has no duplicates
    rows, known = np.flatnonzero(looks["sha256"].is_not_null().to_numpy()), looks.drop_nulls("sha256")
    alike = near_duplicate_groups(known["perceptual_hash"].to_list(), known["signature"].to_list())
    group[rows] = rows[alike]
    count = np.bincount(group, minlength=len(group))[group]
    same: list[str | None] = []
    for row, first in enumerate(group.tolist()):
        if count[row] == 1:
            same.append(None)
        elif row == first:
            same.append("first")
        else:
            same.append("file" if sha256[row] == sha256[first] else "looks")
    return Copies(group, count, same)


def _rows(config: FindSimilarImagesConfig, whole: Vectors, copies: Copies, run_id: str) -> Iterator[pa.Table]:
    """Yield the rows of `similar_images`, one Arrow table per file to write."""
    members: dict[int, list[int]] = {}
    for row in np.flatnonzero(copies.count > 1).tolist():
        members.setdefault(int(copies.first[row]), []).append(row)
    firsts = np.flatnonzero(copies.first == np.arange(len(copies.first)))
    codes, scales = whole.codes[firsts], whole.scales[firsts]
    index = DenseIndex(codes, scales, np.zeros((0, 0), np.float16))  # 8 bits are enough to rank pictures
    size = len(whole.image_ids)
    for start in range(0, size, _ROWS):
        rows = range(start, min(start + _ROWS, size))
        similar: list[list[dict[str, Any]]] = []
        for a in range(rows.start, rows.stop, _QUERIES):
            asked = list(range(a, min(a + _QUERIES, rows.stop)))
            best = index.top(whole.take(asked).floats(), min(config.k + _SPARE, len(firsts)))
            pairs = zip(asked, best, strict=True)
            similar += [_others(whole, copies, row, firsts[at], score, config.k) for row, (at, score) in pairs]
        yield SIMILAR_IMAGES.fill(
            len(rows),
            image_id=pa.array([whole.image_ids[r] for r in rows], pa.string()),
            product_id=pa.array([whole.products[r] for r in rows], pa.string()),
            copy_of=pa.array([whole.image_ids[int(copies.first[r])] for r in rows], pa.string()),
            same=pa.array([copies.same[r] for r in rows], pa.string()),
            copies=pa.array(copies.count[rows.start : rows.stop].astype(np.int32)),
            products=pa.array(
                [_products(whole, r, members.get(int(copies.first[r]), ())) for r in rows], pa.list_(pa.string())
            ),
            similar=pa.array(similar, SIMILAR_IMAGES.schema().field("similar").type),
            run_id=pa.repeat(run_id, len(rows)),
        )


def _others(
    whole: Vectors, copies: Copies, row: int, candidates: np.ndarray, score: np.ndarray, k: int
) -> list[dict[str, Any]]:
    """Return the k most similar pictures of other products, without duplicates of the picture in `row`.

    Args:
        whole: All rows of `image_vectors`.
        copies: Which pictures look the same.
        row: Row of the picture that is searched for.
        candidates: Rows of pictures to choose from, most similar first.
        score: Cosine of each candidate.
        k: Greatest number of pictures to return.

    Returns:
        {image_id, product_id, score} of each picture, most similar first.
    """
    out = []
    for other, value in zip(candidates.tolist(), score.tolist(), strict=True):
        product = whole.products[other]
        own = product is not None and product == whole.products[row]
        if other != copies.first[row] and not own:
            out.append({"image_id": whole.image_ids[other], "product_id": product, "score": min(value, 1.0)})
    return out[:k]


def _products(whole: Vectors, row: int, members: Any) -> list[str]:
    """Return the ids of the other products with a picture that looks the same, sorted, at most 100.

    Args:
        whole: All rows of `image_vectors`.
        row: Row of the picture.
        members: Rows of all pictures that look the same as it.
    """
    others = {whole.products[member] for member in members} - {None, whole.products[row]}
    return sorted(str(product) for product in others)[:_MOST_PRODUCTS]


def _describe(report: Report, published: Snapshot, copies: Copies) -> None:
    shared = pl.DataFrame(published.read(["products"])).filter(pl.col("products").list.len() > 0).height
    counts = {kind: copies.same.count(kind) for kind in ("file", "looks")}
    report.metrics["duplicates"] = {
        "the same file": counts["file"],
        "another file that looks the same": counts["looks"],
        "pictures of several products": shared,
    }
    report.highlights = {
        "pictures": f"{len(copies.same):,}",
        "same file": f"{counts['file']:,}",
        "look the same": f"{counts['looks']:,}",
        "shared by products": f"{shared:,}",
    }


def _duplicates(published: Snapshot, config: FindSimilarImagesConfig) -> list[page.Section]:
    """Return the section of the page with groups of duplicates; the groups that most products share come first."""
    frame = pl.DataFrame(published.read(["image_id", "product_id", "copy_of", "same", "copies"]))
    frame = frame.filter(pl.col("copies") > 1)
    several = pl.col("product_id").n_unique().over("copy_of").alias("several")
    order = ["several", "copies", "copy_of", "image_id"]
    frame = frame.with_columns(several).sort(order, descending=[True, True, False, False])
    rows: dict[str, list[page.Card]] = {}
    for row in frame.head(config.page.pictures).iter_rows(named=True):
        what = {"file": "the same file", "looks": "looks the same", "first": "first of several"}[row["same"]]
        rows.setdefault(row["copy_of"], []).append(page.Card(row["image_id"], what, page.of_product(row["product_id"])))
    note = f"{frame['copy_of'].n_unique():,} pictures stand there more than once; those of most products come first."
    return [page.Section("Duplicates", note, list(rows.values()))]


def _look_alike(published: Snapshot, config: FindSimilarImagesConfig) -> list[page.Section]:
    """Return the section of the page with example pictures, each next to its most similar ones.

    The examples are evenly spaced in the order of image ids.
    """
    wide = 6
    names = pl.DataFrame(published.read(["image_id"]))["image_id"].sort()
    chosen = names.gather_every(max(1, len(names) * wide // max(1, config.page.pictures)))
    frame = pl.DataFrame(published.read(["image_id", "product_id", "similar"]))
    frame = frame.filter(pl.col("image_id").is_in(chosen.implode())).sort("image_id")
    rows = []
    for row in frame.head(config.page.pictures // wide).iter_rows(named=True):
        cards = [page.Card(row["image_id"], "picture", page.of_product(row["product_id"]))]
        for other in row["similar"][: wide - 1]:
            cards.append(page.Card(other["image_id"], f"{other['score']:.2f}", page.of_product(other["product_id"])))
        rows.append(cards)
    return [page.Section("Similar pictures of other products", "A few pictures, and the most similar ones.", rows)]
