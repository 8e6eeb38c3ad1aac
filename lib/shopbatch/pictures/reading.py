"""Turns an untrusted picture file into a small upright RGB picture, or gives the reason why it is refused.

Sizes are read from the header before anything is decoded, so that a file of a few bytes cannot demand more memory than
`MOST_PIXELS` pixels take. Of an animation, the first frame is used. EXIF rotation is applied, transparency is laid on
white, 16-bit values are divided by 256, CMYK becomes RGB. ICC profiles are not applied.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass

from PIL import Image

from shopbatch.pictures.headers import has_too_many_scans, kind_of, webp_size
from shopbatch.pictures.perceptual import perceptual_hash, signature
from shopbatch.pictures.png import is_whole

VERSION = 1  # version of the conversion; raise it when the same file would give another picture
SIDE = 256  # most pixels of the longer side of a stored picture
MOST_BYTES = 64 * 2**20  # largest accepted file
MOST_PIXELS = 50_000_000
LEAST_SIDE = 8  # pixels; smaller pictures are spacers or tracking pixels
_LOSSLESS = 64 * 64  # pictures of up to so many pixels are stored as PNG, because JPEG would spoil them
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# exceptions that Pillow's decoders raise on damaged files
_DAMAGED = (OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, ArithmeticError, EOFError,
            MemoryError, RuntimeError, struct.error, zlib.error, Image.DecompressionBombError,
            Image.DecompressionBombWarning)  # fmt: skip


class NoPicture(Exception):
    """Raised for a file that is refused as a picture.

    Attributes:
        reason: empty, not_an_image, too_large, too_many_pixels, too_small, too_many_scans, truncated or damaged.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Picture:
    """A picture in the form in which it is stored, with the properties of its file.

    Attributes:
        data: The encoded picture, a JPEG or (if it is small) a PNG; upright, RGB, at most `SIDE` pixels a side.
        width, height: Size of the original in pixels, after rotation.
        format: Format of the file: JPEG, PNG, GIF, WEBP or BMP.
        perceptual: Its hash for finding near duplicates, from `perceptual.perceptual_hash`.
        signature: Its colours, from `perceptual.signature`.
    """

    data: bytes
    width: int
    height: int
    format: str
    perceptual: str
    signature: bytes


def read_picture(data: bytes) -> Picture:
    """Decode a picture file and return it small, upright and in RGB.

    Args:
        data: Content of the file; it may be damaged or hostile.

    Raises:
        NoPicture: The file is refused, for the reason in the exception.
    """
    if not data:
        raise NoPicture("empty")
    if len(data) > MOST_BYTES:
        raise NoPicture("too_large")
    kind = kind_of(data)
    if kind is None:
        raise NoPicture("not_an_image")
    if kind == "JPEG" and has_too_many_scans(data):
        raise NoPicture("too_many_scans")
    if kind == "WEBP":
        _check_size(*(webp_size(data) or (0, 0)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about oddities; the size is checked below
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # MPO: a JPEG of a phone that contains further pictures
            with Image.open(io.BytesIO(data), formats=("JPEG", "MPO") if kind == "JPEG" else (kind,)) as image:
                width, height = image.size
                _check_size(width, height)
                if kind == "PNG" and not is_whole(data):
                    raise NoPicture("damaged")
                turn = _UPRIGHT.get(_orientation(image))
                image.draft("RGB", (2 * SIDE, 2 * SIDE))  # decodes a JPEG at reduced size, which saves time
                small = _small(image)
    except _DAMAGED as error:
        if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
            raise NoPicture("too_many_pixels") from None
        cut = isinstance(error, EOFError) or "truncated" in str(error).lower()
        raise NoPicture("truncated" if cut else "damaged") from None
    if turn is not None:
        small = small.transpose(turn)
        width, height = (height, width) if turn in _SIDEWAYS else (width, height)
    return Picture(encoded(small), width, height, kind, perceptual_hash(small), signature(small))


_SIDEWAYS = frozenset(_UPRIGHT[n] for n in (5, 6, 7, 8))


def encoded(image: Image.Image) -> bytes:
    """Encode a small RGB picture for storage: PNG up to 4,096 pixels (JPEG would spoil it), else JPEG of quality 90."""
    out = io.BytesIO()
    if image.width * image.height <= _LOSSLESS:
        image.save(out, "PNG", compress_level=6)
    else:
        image.save(out, "JPEG", quality=90, subsampling=0)
    return out.getvalue()


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise NoPicture("too_many_pixels")
    if width <= 0 or height <= 0:
        raise NoPicture("damaged")
    if min(width, height) < LEAST_SIDE:
        raise NoPicture("too_small")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a picture, 1 to 8; 1 (upright) if it has none or it cannot be read."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except _DAMAGED:
        return 1


def _small(image: Image.Image) -> Image.Image:
    """Decode the first frame onto white and shrink it to at most `SIDE` pixels a side; returns an RGB picture."""
    if image.mode.startswith("I;16") or image.mode == "I":
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    elif image.mode == "F":
        raise NoPicture("damaged")
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        image = Image.new("RGB", with_alpha.size, "white")
        image.paste(with_alpha, mask=with_alpha.getchannel("A"))
    elif image.mode != "RGB":
        image = image.convert("RGB")
    else:
        image.load()
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return image
