"""Decodes stored pictures into the pixel arrays that encoders read, and into small pictures for HTML pages."""

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
    """Decode pictures into square RGB arrays of one size, uint8 [n, size, size, 3].

    Args:
        pictures: Encoded pictures, as `reading.read_picture` returns them in `Picture.data`.
        size: Width and height of the arrays in pixels.
        fit: How to make a picture square. pad: the whole picture on white. crop: its middle. stretch: the whole
            picture, distorted.
        resample: The interpolation.

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
    """Return the pictures as flat grey values from 0 to 1, float32 [n, size * size].

    They are the features of the baseline that a picture classifier must beat.

    Args:
        pictures: Encoded pictures, as for `pixels`.
        size: Pixels a side.
    """
    colours = pixels(pictures, size)
    return (colours.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) / 255).reshape(len(pictures), -1)


def data_uri(data: bytes, size: int = 96) -> str:
    """Return a stored picture as a JPEG data URI of a few kilobytes, to be embedded into an HTML page.

    Args:
        data: The encoded picture, as for `pixels`.
        size: Most pixels of the longer side.
    """
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
