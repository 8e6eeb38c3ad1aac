"""Files -> kept pictures: every kind of good file is read rightly, every bad one has its reason."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from shopbatch.pictures.pixels import pixels
from shopbatch.pictures.reading import MOST_PIXELS, SIDE, NoPicture, Picture, read_picture
from tests.pictures.drawn import CUT, chunk, hostile, photo, png, saved

BAD = hostile()
PASSES = ((2, 2), (2, 1), (1, 3), (3, 2), (2, 5), (5, 4), (4, 9))  # rows and columns of an interlaced 9 x 9 picture


def kept(picture: Picture) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB"), np.int16)


def close(picture: Picture, wanted: Image.Image, most: float = 6) -> bool:
    got, want = kept(picture), np.asarray(wanted.convert("RGB"), np.int16)
    return got.shape == want.shape and np.abs(got - want).mean() < most


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_has_its_reason(name: str) -> None:
    data, reason = BAD[name]
    with pytest.raises(NoPicture) as error:
        read_picture(data)
    assert error.value.reason in (("truncated", "damaged") if reason == CUT else (reason,))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP"])
def test_every_format_is_read_whatever_its_name(kind: str) -> None:
    image = photo().quantize(128) if kind == "GIF" else photo()
    picture = read_picture(saved(image, kind))
    assert (picture.format, picture.width, picture.height) == (kind, 96, 64)
    assert close(picture, photo())


def test_modes_become_rgb() -> None:
    image, grey = photo(), photo().convert("L")
    deep = Image.fromarray((np.asarray(grey, np.uint16) * 257).astype(np.uint16))
    assert close(read_picture(saved(deep, "PNG")), grey)
    assert close(read_picture(saved(grey, "PNG")), grey)
    assert close(read_picture(saved(image.convert("CMYK"), "JPEG", quality=95)), image)
    assert close(read_picture(saved(image.quantize(256), "PNG")), image)
    assert close(read_picture(saved(image.convert("1"), "PNG")), image.convert("1"))
    assert close(read_picture(interlaced()), Image.new("RGB", (9, 9), (0, 0, 0)))
    assert close(read_picture(saved(grey.convert("LA"), "PNG")), grey)


def interlaced() -> bytes:
    """Black, 9 x 9: the bytes of the seven passes, each row with its filter."""
    rows = zlib.compress(bytes(sum(count * (1 + width) for count, width in PASSES)))
    return png(9, 9, chunk(b"IDAT", rows), interlaced=1)


def test_transparency_is_laid_on_white() -> None:
    clear = photo().convert("RGBA")
    clear.putalpha(0)
    white = Image.new("RGB", clear.size, "white")
    assert close(read_picture(saved(clear, "PNG")), white, 1)
    assert close(read_picture(saved(clear, "WEBP", lossless=True)), white, 1)
    palette = Image.new("P", (96, 64), 3)
    palette.putpalette([200, 0, 0] * 256)
    assert close(read_picture(saved(palette, "GIF", transparency=3)), white, 1)
    assert close(read_picture(saved(palette, "PNG", transparency=3)), white, 1)


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_rotation_is_applied(turn: int) -> None:
    """The dark corner comes to the top left again, and the sides are swapped where they should be."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what turns the picture so that the tag undoes it
    stored = photo() if turn == 1 else photo().transpose(Image.Transpose(undo[turn]))
    exif = Image.Exif()
    exif[0x0112] = turn
    for kind in ("JPEG", "PNG", "WEBP"):
        picture = read_picture(saved(stored, kind, exif=exif))
        assert (picture.width, picture.height) == (96, 64), kind
        assert close(picture, photo()), kind


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [photo(seed).quantize(128) for seed in range(3)]
    for kind in ("GIF", "WEBP", "PNG"):
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        assert close(read_picture(data), photo(0), 9), kind


@pytest.mark.slow
def test_large_pictures_shrink_and_small_ones_are_kept_exactly() -> None:
    assert MOST_PIXELS > 7000 * 7000
    large = read_picture(saved(photo(0, 7000, 6990), "JPEG", quality=60))
    assert (large.width, large.height) == (7000, 6990) and max(kept(large).shape) == SIDE
    assert close(large, photo(0, 7000, 6990).resize((SIDE, 256)), 8)
    small = Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28, 3), np.uint8))
    np.testing.assert_array_equal(kept(read_picture(saved(small, "PNG"))), np.asarray(small))
    narrow = read_picture(saved(Image.new("RGB", (8, 9000)), "PNG"))
    assert kept(narrow).shape == (SIDE, 1, 3)


def test_pixels_are_square_and_show_the_whole_picture() -> None:
    data = read_picture(saved(photo(), "PNG")).data
    padded = pixels([data], 48)[0].astype(int)
    assert padded.shape == (48, 48, 3) and (padded[:7] > 248).all() and (padded[-7:] > 248).all()
    assert padded[10, 2].max() < 60, "the dark corner"
    cropped = pixels([data], 48, fit="crop")[0].astype(int)
    assert cropped[2, 2].max() < 60 and cropped[2, 20].max() > 60, "a sixth is cut off at the left"
    assert pixels([], 48).shape == (0, 48, 48, 3)
