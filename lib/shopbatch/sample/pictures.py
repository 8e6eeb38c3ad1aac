"""Drawn pictures of the boutique's English products (data/pictures.yaml): flat shapes, a little moved, turned, tinted.

They show that the jobs about pictures work from end to end, and how contradictions and duplicates are reported. They
say nothing about photographs. The truth is known: every 29th product shows another kind, and every 23rd has the file of
the product before it.
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

VERSION = 1  # of what is drawn; raise it with every change of the result
MOST = 2000  # pictures of a sample
_SIDE, _FINE = 160, 3  # pixels a side, and how many times finer it is drawn
_WRONG, _SHARED = 29, 23  # every so many products show another kind, or the file of the product before

Shape = tuple[Literal["polygon", "rectangle", "ellipse", "line"], Literal["main", "dark", "light"], tuple[float, ...]]
Colour = tuple[int, int, int]


class _Pictures(WordFile):
    """All of pictures.yaml."""

    colours: dict[str, Colour]
    kinds: dict[str, tuple[Shape, ...]]


@lru_cache(maxsize=1)
def _words() -> _Pictures:
    return read_words(_Pictures, "shopbatch.sample", "data/pictures.yaml")


def pictures(products: pa.Table, seed: int = 0) -> pa.Table:
    """Return pictures of products, as rows of `product_images`.

    Args:
        products: Rows of `products`; those in English of a kind that can be drawn get a picture, at most MOST.
        seed: Of all draws.
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
    """Return the kind that the picture of the product of this number shows: its own, or by mistake another one."""
    kinds = sorted(_words().kinds)
    return kind if number % _WRONG != _WRONG - 1 else kinds[(kinds.index(kind) + 11) % len(kinds)]


def draw(kind: str, colour: str, number: int, seed: int) -> bytes:
    """Draw a product as a PNG file; equal arguments give equal bytes."""
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
    """The corners of a shape; an ellipse has many."""
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
    """Points turned and scaled about the middle, moved, in pixels."""
    sine, cosine, unit = math.sin(angle), math.cos(angle), _SIDE * _FINE / 100
    out: list[tuple[float, float]] = []
    for x, y in points:
        right, down = scale * (x - 50), scale * (y - 50)
        turned = 50 + shift[0] + right * cosine - down * sine, 50 + shift[1] + right * sine + down * cosine
        # whole pixels, so that no library's rounding of a sine can change the picture
        out.append((round(turned[0] * unit), round(turned[1] * unit)))
    return out


def _table(rows: list[tuple[str, bytes]]) -> pa.Table:
    """Rows of `product_images` from products and files."""
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
