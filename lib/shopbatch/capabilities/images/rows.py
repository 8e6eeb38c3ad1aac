"""Read picture vectors, picture files and the catalogue's classes from the warehouse, one file at a time."""

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
    """Some rows of `image_vectors`; a vector is its codes times its scale.

    Attributes:
        image_ids: Ids of the pictures, [n].
        products: Product of each picture, or None, [n].
        sha256: SHA-256 of the files, [n].
        codes: The vectors in 8 bits, int8 [n, dim].
        scales: Factor of each vector's codes, float32 [n].
    """

    image_ids: list[str]
    products: list[str | None]
    sha256: list[str]
    codes: np.ndarray
    scales: np.ndarray

    def floats(self) -> np.ndarray:
        """Return the decoded vectors, float32 [n, dim]."""
        return np.asarray(self.codes.astype(np.float32) * self.scales[:, None])

    def take(self, rows: Sequence[int]) -> Vectors:
        """Return the rows with these numbers, in this order."""
        ids, products = [self.image_ids[i] for i in rows], [self.products[i] for i in rows]
        return Vectors(ids, products, [self.sha256[i] for i in rows], self.codes[rows], self.scales[rows])


def each_file(vectors: Snapshot) -> Iterator[Vectors]:
    """Yield the rows of each file of `image_vectors`; files without rows are skipped."""
    for file in vectors.files:
        schema = vectors.select(["image_id", "product_id", "sha256", "vector", "scale"])
        rows = files.read(file.uri, schema, file.partition)
        if rows.num_rows:
            codes = _codes(rows["vector"])
            ids, products, sums = (rows[column].to_pylist() for column in ("image_id", "product_id", "sha256"))
            yield Vectors(ids, products, sums, codes, rows["scale"].to_numpy().astype(np.float32))


def all_vectors(vectors: Snapshot) -> Vectors:
    """Return all rows of `image_vectors`, sorted by image id. Raises UserError if there are none.

    They need a byte of memory for each dimension, and a few hundred bytes more for each picture.
    """
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
    """Return pinned snapshots of `product_images` and `image_vectors`.

    Raises:
        UserError: A table does not exist or lacks columns.
    """
    return store.require(PRODUCT_IMAGES, PRODUCT_IMAGES.names), store.require(IMAGE_VECTORS, IMAGE_VECTORS.names)


def recipe_of(vectors: Snapshot) -> str:
    """Return the recipe (digest of model and settings) of the vectors in `image_vectors`; "" if unknown."""
    return str(vectors.metadata.get("recipe", ""))


def catalogue_classes(products: Snapshot, column: str) -> dict[str, str]:
    """Return {product id: class} from the column `column` of `products`, without empty classes."""
    rows = pl.DataFrame(products.read(["product_id", column])).drop_nulls()
    rows = rows.filter(pl.col(column).str.strip_chars() != "")
    return dict(zip(rows["product_id"].to_list(), rows[column].to_list(), strict=True))


def picked(images: Snapshot, image_ids: Collection[str], columns: Sequence[str]) -> pl.DataFrame:
    """Return columns of some pictures; memory is needed for one file and the chosen rows only.

    Args:
        images: Pinned snapshot of `product_images`.
        image_ids: Ids of the pictures.
        columns: Columns to return; `image_id` must be one of them.
    """
    wanted, parts = pa.array(sorted(image_ids), pa.string()), [images.schema.empty_table().select(columns)]
    for file in images.files if len(wanted) else ():
        names = files.read(file.uri, images.select(["image_id"]), file.partition)
        if pc.any(pc.is_in(names["image_id"], wanted)).as_py():
            rows = files.read(file.uri, images.select(columns), file.partition)
            parts.append(rows.filter(pc.is_in(rows["image_id"], wanted)))
    return pl.DataFrame(pa.concat_tables(parts))


def looks_of(images: Snapshot) -> pl.DataFrame:
    """Return image_id, product_id, sha256, perceptual_hash and signature of all pictures, sorted by image id."""
    columns = ["image_id", "product_id", "sha256", "perceptual_hash", "signature"]
    return pl.DataFrame(images.read(columns)).sort("image_id")


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    return matrix(column, np.int8).astype(np.int8)
