"""Kept pictures -> the pixels that an encoder reads, and small pictures for pages."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Literal

import numpy as np
from PIL import Image

Fit = Literal["pad", "crop", "stretch"]
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
Filter = Literal["bilinear", "bicubic"]


def pixels(pictures: Sequence[bytes], size: int, fit: Fit = "pad", resample: Filter = "bicubic") -> np.ndarray:
    """Return square pixels, uint8 [n, size, size, 3].

    Args:
        pictures: Kept pictures, as `reading.read_picture` makes them.
        size: Pixels a side.
        fit: pad: the whole picture on white. crop: its middle. stretch: all of it, out of shape.
        resample: How pixels in between are found.

    Raises:
        OSError, ValueError, SyntaxError: A picture is not one that `read_picture` made.
    """
    out = np.empty((len(pictures), size, size, 3), np.uint8)
    for number, data in enumerate(pictures):
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            image.draft("RGB", (size, size))
            out[number] = np.asarray(_square(image.convert("RGB"), size, fit, _FILTERS[resample]))
    return out


def grey_pixels(pictures: Sequence[bytes], size: int) -> np.ndarray:
    """Return grey values from 0 to 1, float32 [n, size * size], of the whole pictures: what a classifier must beat."""
    colours = pixels(pictures, size)
    return (colours.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255).reshape(len(pictures), -1)


def data_uri(data: bytes, size: int = 96) -> str:
    """Return a kept picture as a data URI of a few kilobytes, at most so many pixels a side."""
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
        small = image.convert("RGB")
    small.thumbnail((size, size))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=75)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def _square(image: Image.Image, size: int, fit: Fit, how: Image.Resampling) -> Image.Image:
    width, height = image.size
    if fit == "stretch" or width == height:
        return image if image.size == (size, size) else image.resize((size, size), how)
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        return image.resize((size, size), how, (left, top, left + side, top + side))
    scale = size / max(width, height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    out = Image.new("RGB", (size, size), "white")
    out.paste(image.resize(inner, how), ((size - inner[0]) // 2, (size - inner[1]) // 2))
    return out
