"""Reads vectors, pictures and the catalogue's classes, file by file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.errors import UserError
from shopbatch.tables.images import IMAGE_VECTORS, PRODUCT_IMAGES
from shopbatch.vectors.columns import matrix
from shopbatch.warehouse import files
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store


@dataclass(frozen=True)
class Vectors:
    """Some pictures and their vectors.

    Attributes:
        image_ids: [n].
        products: The product of each, or None, [n].
        sha256: Of the files, [n].
        codes: int8 [n, dim].
        scales: float32 [n].
    """

    image_ids: list[str]
    products: list[str | None]
    sha256: list[str]
    codes: np.ndarray
    scales: np.ndarray

    def floats(self) -> np.ndarray:
        """Return the vectors, float32 [n, dim]."""
        return np.asarray(self.codes.astype(np.float32) * self.scales[:, None])

    def take(self, rows: Sequence[int]) -> Vectors:
        """Return some of the rows."""
        ids, products = [self.image_ids[i] for i in rows], [self.products[i] for i in rows]
        return Vectors(ids, products, [self.sha256[i] for i in rows], self.codes[rows], self.scales[rows])


def each_file(vectors: Snapshot) -> Iterator[Vectors]:
    """Yield the vectors of each file of image_vectors that has rows."""
    for file in vectors.files:
        schema = vectors.select(["image_id", "product_id", "sha256", "vector", "scale"])
        rows = files.read(file.uri, schema, file.partition)
        if rows.num_rows:
            codes = _codes(rows["vector"])
            ids, products, sums = (rows[column].to_pylist() for column in ("image_id", "product_id", "sha256"))
            yield Vectors(ids, products, sums, codes, rows["scale"].to_numpy().astype(np.float32))


def all_vectors(vectors: Snapshot) -> Vectors:
    """Return all vectors, sorted by image: a byte a number, and a few hundred more a picture."""
    parts = list(each_file(vectors))
    if not parts:
        raise UserError("image_vectors has no rows: run embed_images")
    ids = [i for part in parts for i in part.image_ids]
    products = [p for part in parts for p in part.products]
    sums = [s for part in parts for s in part.sha256]
    codes, scales = np.concatenate([part.codes for part in parts]), np.concatenate([part.scales for part in parts])
    whole = Vectors(ids, products, sums, codes, scales)
    order = np.argsort(np.array(ids))
    return whole if (order[1:] > order[:-1]).all() else whole.take(order.tolist())


def require_pictures(store: Store) -> tuple[Snapshot, Snapshot]:
    """Return product_images and image_vectors. UserError: one does not exist, or lacks columns."""
    return store.require(PRODUCT_IMAGES, PRODUCT_IMAGES.names), store.require(IMAGE_VECTORS, IMAGE_VECTORS.names)


def recipe_of(vectors: Snapshot) -> str:
    """Return the recipe of the published vectors."""
    return str(vectors.metadata.get("recipe", ""))


def catalogue_classes(products: Snapshot, column: str) -> dict[str, str]:
    """Return the class of each product that has one."""
    rows = pl.DataFrame(products.read(["product_id", column])).drop_nulls()
    rows = rows.filter(pl.col(column).str.strip_chars() != "")
    return dict(zip(rows["product_id"].to_list(), rows[column].to_list(), strict=True))


def picked(images: Snapshot, image_ids: Collection[str], columns: Sequence[str]) -> pl.DataFrame:
    """Return columns of some pictures, `image_id` among them; other row groups are not kept in memory."""
    wanted, parts = pa.array(sorted(image_ids), pa.string()), [images.schema.empty_table().select(columns)]
    for file in images.files if len(wanted) else ():
        names = files.read(file.uri, images.select(["image_id"]), file.partition)
        if pc.any(pc.is_in(names["image_id"], wanted)).as_py():
            rows = files.read(file.uri, images.select(columns), file.partition)
            parts.append(rows.filter(pc.is_in(rows["image_id"], wanted)))
    return pl.DataFrame(pa.concat_tables(parts))


def looks_of(images: Snapshot) -> pl.DataFrame:
    """Return image_id, product_id, sha256, perceptual_hash and signature of all pictures, sorted by image."""
    columns = ["image_id", "product_id", "sha256", "perceptual_hash", "signature"]
    return pl.DataFrame(images.read(columns)).sort("image_id")


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    return matrix(column, np.int8).astype(np.int8)
