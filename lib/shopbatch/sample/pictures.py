"""Draws pictures of the boutique's English products: flat shapes, slightly moved, turned and tinted.

With them the picture jobs can be tried from end to end: every 29th picture shows another type of product than its
product has, and every 23rd product has the same file as the product before it, so it is known which contradictions and
duplicates the jobs must report. The drawings say nothing about the quality on photographs. The shapes are in
data/pictures.yaml.
"""

from __future__ import annotations

import hashlib
import io
import math
from functools import lru_cache
from typing import Literal

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

from shopbatch.pictures.reading import read_picture
from shopbatch.sample.draws import below
from shopbatch.tables.images import PRODUCT_IMAGES
from shopbatch.text.word_files import WordFile, read_words

VERSION = 1  # version of the drawings; raise it with every change of a picture
MOST = 2000  # most pictures of a sample
_SIDE, _FINE = 160, 3  # pixels a side, and the factor by which it is drawn larger, then shrunk
_WRONG, _SHARED = 29, 23  # every 29th picture shows another type, every 23rd repeats the file before

Shape = tuple[Literal["polygon", "rectangle", "ellipse", "line"], Literal["main", "dark", "light"], tuple[float, ...]]
Colour = tuple[int, int, int]


class _Pictures(WordFile):
    """The content of pictures.yaml: RGB colours by name, and the shapes of each type of product."""

    colours: dict[str, Colour]
    kinds: dict[str, tuple[Shape, ...]]


@lru_cache(maxsize=1)
def _words() -> _Pictures:
    return read_words(_Pictures, "shopbatch.sample", "data/pictures.yaml")


def pictures(products: pa.Table, seed: int = 0) -> pa.Table:
    """Return pictures of products as rows of `product_images`.

    Args:
        products: Rows of `products`. English products of a type that can be drawn get a picture, at most `MOST`
            products.
        seed: Seed of all random draws.
    """
    rows, drawn = [], dict[str, bytes]()
    columns = products.select(["product_id", "product_type", "language", "attributes"]).to_pylist()
    chosen = [row for row in columns if row["language"] == "en" and row["product_type"] in _words().kinds][:MOST]
    before = ""
    for number, row in enumerate(chosen):
        name = str(row["product_id"])
        colour = dict(row["attributes"] or []).get("colour", "grey")
        same = bool(before) and number % _SHARED == _SHARED - 1
        drawn[name] = drawn[before] if same else draw(shown(row["product_type"], number), colour, number, seed)
        rows.append((name, drawn[name]))
        before = name
    return _table(rows)


def shown(kind: str, number: int) -> str:
    """Return the type of product that a picture shows: usually the product's own, in every 29th picture another one.

    Args:
        kind: Type of the product.
        number: Position of the product among those with a picture, from 0.
    """
    kinds = sorted(_words().kinds)
    return kind if number % _WRONG != _WRONG - 1 else kinds[(kinds.index(kind) + 11) % len(kinds)]


def draw(kind: str, colour: str, number: int, seed: int) -> bytes:
    """Draw a product and return a PNG file; equal arguments give equal bytes.

    Args:
        kind: Type of the product, with shapes in pictures.yaml.
        colour: Name of its colour; grey if pictures.yaml lacks it.
        number: A number of the product, from which scale, angle, shift and tint are drawn.
        seed: Seed of all random draws.
    """
    rows = np.array([number], np.uint64)

    def some(name: str, least: float, greatest: float) -> float:
        return least + (greatest - least) * int(below(seed, f"picture {name}", rows, 1001)[0]) / 1000

    scale, angle = some("scale", 0.8, 0.98), math.radians(some("angle", -7, 7))
    shift, size = (some("x", -4, 4), some("y", -4, 4)), _SIDE * _FINE
    paper = int(some("paper", 238, 255))
    main = tuple(min(255, max(0, round(c + some(f"tint {i}", -14, 14)))) for i, c in enumerate(_rgb(colour)))
    tones = {"main": main, "dark": tuple(c * 3 // 5 for c in main), "light": tuple((c + 255) // 2 for c in main)}
    image = Image.new("RGB", (size, size), (paper,) * 3)
    pen = ImageDraw.Draw(image)
    for shape, tone, points in _words().kinds[kind]:
        corners = _placed(_outline(shape, points), scale, angle, shift)
        if shape == "line":
            pen.line(corners, fill=tones[tone], width=2 * _SIDE * _FINE // 100)
        else:
            pen.polygon(corners, fill=tones[tone])
    out = io.BytesIO()
    image.resize((_SIDE, _SIDE), Image.Resampling.BOX).save(out, "PNG")
    return out.getvalue()


def _rgb(colour: str) -> Colour:
    return _words().colours.get(colour, (150, 150, 150))


def _outline(shape: str, points: tuple[float, ...]) -> list[tuple[float, float]]:
    """Return the corners (x, y) of a shape; an ellipse becomes a polygon of 48 corners.

    Args:
        shape: polygon, line, rectangle or ellipse.
        points: x, y, x, y, ... of the corners; left, top, right, bottom for a rectangle or ellipse.
    """
    if shape in ("polygon", "line"):
        return list(zip(points[::2], points[1::2], strict=True))
    left, top, right, bottom = points
    if shape == "rectangle":
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    turns = [2 * math.pi * step / 48 for step in range(48)]
    x, y, a, b = (left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2
    return [(x + a * math.cos(turn), y + b * math.sin(turn)) for turn in turns]


def _placed(
    points: list[tuple[float, float]], scale: float, angle: float, shift: tuple[float, float]
) -> list[tuple[float, float]]:
    """Return points turned and scaled about the middle of the picture and then moved, in whole pixels.

    Args:
        points: Points (x, y) on a picture of 100 x 100 units.
        scale: Factor of enlargement.
        angle: Angle in radians.
        shift: Shift (right, down) in the same units.
    """
    sine, cosine, unit = math.sin(angle), math.cos(angle), _SIDE * _FINE / 100
    out: list[tuple[float, float]] = []
    for x, y in points:
        right, down = scale * (x - 50), scale * (y - 50)
        turned = 50 + shift[0] + right * cosine - down * sine, 50 + shift[1] + right * sine + down * cosine
        # whole pixels, so that differences in the last digits of a sine cannot change the picture
        out.append((round(turned[0] * unit), round(turned[1] * unit)))
    return out


def _table(rows: list[tuple[str, bytes]]) -> pa.Table:
    """Return rows of `product_images` from (product id, PNG file) pairs."""
    read = [read_picture(data) for _, data in rows]
    names, sums = [f"{name}.png" for name, _ in rows], [hashlib.sha256(data).hexdigest() for _, data in rows]
    return PRODUCT_IMAGES.fill(
        len(rows),
        image_id=pa.array(names, pa.string()),
        product_id=pa.array([name for name, _ in rows], pa.string()),
        uri=pa.array(names, pa.string()),
        sha256=pa.array(sums, pa.string()),
        perceptual_hash=pa.array([picture.perceptual for picture in read], pa.string()),
        signature=pa.array([picture.signature for picture in read], pa.binary()),
        width=pa.array([picture.width for picture in read], pa.int32()),
        height=pa.array([picture.height for picture in read], pa.int32()),
        format=pa.array([picture.format for picture in read], pa.string()),
        bytes=pa.array([len(data) for _, data in rows], pa.int64()),
        picture=pa.array([picture.data for picture in read], pa.binary()),
        source=pa.repeat("boutique", len(rows)),
    )
