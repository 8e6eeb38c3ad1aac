"""Read the training pictures of the classifier: each with its class in the catalogue, split into folds.

Pictures that look the same are always in the same fold, so no picture is judged by a model that learnt from a copy of
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from shopbatch.capabilities.images.config import FitConfig
from shopbatch.capabilities.images.fit import HELD_OUT, fold_of
from shopbatch.capabilities.images.rows import catalogue_classes, each_file, picked
from shopbatch.core.errors import UserError
from shopbatch.pictures.perceptual import near_duplicate_groups
from shopbatch.pictures.pixels import grey_pixels
from shopbatch.warehouse.snapshot import Snapshot

_GREY = 28  # side in pixels of the grey pictures for the baseline


@dataclass(frozen=True)
class Examples:
    """Pictures with their classes and vectors, to fit and judge the classifier.

    Attributes:
        image_ids: Ids of the pictures, [n].
        sha256: SHA-256 of the picture files, [n].
        classes: Names of the classes.
        label: Number of each picture's class, int64 [n].
        group: Pictures that look the same share a group number, int64 [n].
        fold: Fold of each picture, or HELD_OUT, int64 [n]. All pictures of a group have the same.
        vectors: Vectors of the pictures, float32 [n, dim].
        grey: Grey values of the pictures at 28 x 28 pixels, float32 [n, 784], for the baseline.
        left_out: {reason: number of pictures that are left out for it}.
    """

    image_ids: list[str]
    sha256: list[str]
    classes: tuple[str, ...]
    label: np.ndarray
    group: np.ndarray
    fold: np.ndarray
    vectors: np.ndarray
    grey: np.ndarray
    left_out: dict[str, int]

    @property
    def held_out(self) -> np.ndarray:
        """The rows of pictures that are held out from all fits, int64."""
        return np.flatnonzero(self.fold == HELD_OUT)


def read_examples(images: Snapshot, vectors: Snapshot, products: Snapshot, column: str, config: FitConfig) -> Examples:
    """Read the pictures to learn from: those of products with a class, without duplicates and rare classes.

    Args:
        images: Pinned snapshot of `product_images`.
        vectors: Pinned snapshot of `image_vectors`.
        products: Pinned snapshot of `products`.
        column: Column of `products` that names the classes.
        config: Limits on the number of pictures, and shares of the folds.

    Raises:
        UserError: Fewer than two classes have enough pictures.
    """
    named = catalogue_classes(products, column)
    there = pl.DataFrame(vectors.read(["image_id", "product_id", "sha256"]))
    class_of = pl.col("product_id").replace_strict(named, default=None, return_dtype=pl.String).alias("class")
    known = there.with_columns(class_of).drop_nulls("class")
    # the order by SHA-256 is as good as random, and copies of a file stay together
    chosen = known.sort("sha256", "image_id").head(config.most_rows)
    looks = picked(images, chosen["image_id"].to_list(), ("image_id", "perceptual_hash", "signature", "picture"))
    chosen = chosen.join(looks, on="image_id", how="inner", maintain_order="left")
    group = near_duplicate_groups(chosen["perceptual_hash"].to_list(), chosen["signature"].to_list())
    chosen = chosen.with_columns(pl.Series("group", group))
    distinct = chosen.unique(["group", "class"], keep="first", maintain_order=True)
    counted = distinct.group_by("class").len().filter(pl.col("len") >= config.least_rows)
    classes = tuple(sorted(counted["class"].to_list()))
    if len(classes) < 2:
        raise UserError(
            f"products.{column}: fewer than two classes have {config.least_rows} different pictures "
            f"({known.height:,} pictures are of products with a {column}); choose another column with label=..., or "
            "lower fit.least_rows"
        )
    rows = distinct.filter(pl.col("class").is_in(classes))
    left_out = {
        "without a class": there.height - known.height,
        "beyond fit.most_rows": known.height - chosen.height,
        "duplicates": chosen.height - distinct.height,
        "of rare classes": distinct.height - rows.height,
    }
    number = {name: place for place, name in enumerate(classes)}
    return Examples(
        rows["image_id"].to_list(),
        rows["sha256"].to_list(),
        classes,
        np.array([number[name] for name in rows["class"].to_list()], np.int64),
        rows["group"].to_numpy(),
        _folds(rows["group"].to_numpy(), chosen["sha256"].to_list(), config),
        _vectors(vectors, rows["image_id"].to_list()),
        grey_pixels(rows["picture"].to_list(), _GREY),
        {reason: count for reason, count in left_out.items() if count},
    )


def _folds(group: np.ndarray, sha256: Sequence[str], config: FitConfig) -> np.ndarray:
    """Return the fold of each picture, int64 [n], so that pictures that look the same have the same fold.

    Args:
        group: Index into `sha256` of the first picture that looks the same as each picture, int64 [n].
        sha256: SHA-256 of the picture files before duplicates were dropped.
        config: Number of folds and share of held-out pictures.
    """
    return np.array([fold_of(sha256[first], config.folds, config.held_out) for first in group.tolist()], np.int64)


def _vectors(vectors: Snapshot, image_ids: Sequence[str]) -> np.ndarray:
    """Return the vectors of some pictures in the order of `image_ids`, float32 [n, dim]."""
    place = {name: number for number, name in enumerate(image_ids)}
    out = np.zeros((len(image_ids), 0), np.float32)
    for part in each_file(vectors):
        here = [i for i, name in enumerate(part.image_ids) if name in place]
        if not here:
            continue
        some = part.take(here)
        out = out if out.shape[1] else np.zeros((len(image_ids), some.codes.shape[1]), np.float32)
        out[[place[name] for name in some.image_ids]] = some.floats()
    return out
