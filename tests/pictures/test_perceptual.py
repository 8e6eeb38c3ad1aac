"""What looks the same is one group, and colours, shapes and crowds of blank pictures are told apart."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from shopbatch.pictures.perceptual import near_duplicate_groups
from shopbatch.pictures.reading import Picture, read_picture
from tests.pictures.drawn import photo, saved


def groups(pictures: list[Picture]) -> list[int]:
    return near_duplicate_groups([p.perceptual for p in pictures], [p.signature for p in pictures]).tolist()


def test_copies_in_another_size_or_quality_are_one_group() -> None:
    first = photo(1, 600, 400)
    swapped = Image.fromarray(np.asarray(first)[:, :, ::-1].copy())
    files = [
        saved(first, "JPEG", quality=95),
        saved(photo(2, 600, 400), "JPEG"),
        saved(first.resize((300, 200)), "PNG"),
        saved(first, "JPEG", quality=40),
        saved(first, "WEBP", quality=60),
        saved(swapped, "PNG"),
        saved(first.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG"),
    ]
    assert groups([read_picture(data) for data in files]) == [0, 1, 0, 0, 0, 5, 6]
    assert groups([]) == []


def test_many_pictures_on_white_are_grouped_in_little_memory() -> None:
    """A thousand shapes on white, each with one copy: most bits of their hashes are equal."""
    draw, pictures = np.random.default_rng(0), []
    for _ in range(300):
        cells = np.full((16, 16, 3), 255, np.uint8)
        cells[4:12, 4:12] = draw.integers(0, 256, (8, 8, 3), np.uint8)
        image = Image.fromarray(cells).resize((160, 160), Image.Resampling.NEAREST)
        pictures += [read_picture(saved(image, "PNG")), read_picture(saved(image, "JPEG", quality=70))]
    blank = [read_picture(saved(Image.new("RGB", (90, 90), (n, n, n)), "PNG")) for n in (0, 60, 120, 255)]
    own = groups([*pictures, *blank])
    assert own[:600] == [n - n % 2 for n in range(600)]
    assert own[600:] == [600, 601, 602, 603], "uniform pictures of other tones look different"


def test_a_hash_depends_on_the_picture_alone() -> None:
    one = read_picture(saved(photo(3, 500, 500), "PNG"))
    assert one == read_picture(saved(photo(3, 500, 500), "PNG", compress_level=1))
    assert len(one.perceptual) == 64 and len(one.signature) == 192
    assert Image.open(io.BytesIO(one.data)).format == "JPEG"
