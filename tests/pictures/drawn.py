"""Pictures for tests: good files of every kind, and damaged or hostile ones with the reason why they are refused."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CUT = "truncated or damaged"  # what a cut file is called depends on where it is cut


def photo(seed: int = 0, width: int = 96, height: int = 64) -> Image.Image:
    """A smooth picture with one dark corner (top left), so that turned copies differ."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(60, 256, (4, 6, 3), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    ImageDraw.Draw(image).rectangle((0, 0, width // 3, height // 3), fill=(10, 20, 30))
    return image


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *chunks: bytes, bits: int = 8, colour: int = 0, interlaced: int = 0) -> bytes:
    """A PNG whose header says what is given, whatever its content."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def webp(name: bytes, body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBP" + name + struct.pack("<I", len(body)) + body


def bmp(width: int, height: int, bits: int = 24) -> bytes:
    return (
        b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, *[0] * 6)
    )


def gif(width: int, height: int, body: bytes = b"") -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + body + b";"


def resized_jpeg(width: int, height: int) -> bytes:
    """A JPEG whose header claims another size than its data have."""
    data = bytearray(saved(photo(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def hostile() -> dict[str, tuple[bytes, str]]:
    """Content and reason by file name."""
    draw, image = np.random.default_rng(1), photo()
    rows = np.zeros((9000, 1126), np.uint8).tobytes()  # one bit a pixel: 81 million of them
    bomb = zlib.compress(bytes(200_000_000), 9)
    other = {
        "zero.jpg": b"", "zero.png": b"", "text.jpg": b"not a picture\n", "page.jpg": b"<!doctype html><html></html>",
        "vector.svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='9999999'/>", "paper.pdf": b"%PDF-1.7\n",
        "archive.png": b"PK\x03\x04" + bytes(40), "packed.png": b"\x1f\x8b\x08" + bytes(40),
        "program.gif": b"\x7fELF\x02\x01\x01" + bytes(60), "pickle.jpg": b"\x80\x04\x95cposix\nsystem\n.",
        "film.mp4": b"\0\0\0\x18ftypmp42" + bytes(40), "scan.tif": b"II*\0\x08\0\0\0" + bytes(60),
        "icon.ico": b"\0\0\x01\0\x01\0" + bytes(40), "nulls.bmp": bytes(500), "noise.webp": draw.bytes(4000),
        "list.json": b'{"a": 1}', "script.py": b"import os\n", "postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n/x",
    }  # fmt: skip
    out = {name: (data, "not_an_image" if data else "empty") for name, data in other.items()}
    for kind, share in [(k, s) for k in ("JPEG", "PNG", "GIF", "WEBP", "BMP") for s in (0.3, 0.6, 0.85)]:
        data = saved(image if kind != "GIF" else image.quantize(64), kind)
        out[f"cut-{share}.{kind.lower()}"] = data[: int(len(data) * share)], CUT
    one = zlib.compress(b"\0\0")
    bombs = {
        "claims.png": png(60_000, 60_000, chunk(b"IDAT", one)),
        "greatest.png": png(2**31 - 1, 2**31 - 1, chunk(b"IDAT", one)),
        "bits.png": png(9000, 9000, chunk(b"IDAT", zlib.compress(rows)), bits=1),
        "wide.png": png(2**31 - 1, 8, chunk(b"IDAT", one)),
        "claims.gif": gif(65_535, 65_535, b"," + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x01\x4c\0"),
        "frame.gif": gif(16, 16, b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x01\x4c\0"),
        "claims.bmp": bmp(60_000, 60_000),
        "flipped.bmp": bmp(60_000, -60_000),
        "claims.jpg": resized_jpeg(65_500, 65_500),
        "canvas.webp": webp(b"VP8X", bytes(4) + b"\xff\x3f\0\xff\x3f\0"),
        "lossless.webp": webp(b"VP8L", b"\x2f" + struct.pack("<I", 0x3FFF | 0x3FFF << 14) + bytes(20)),
        "lossy.webp": webp(b"VP8 ", bytes(3) + b"\x9d\x01\x2a\xff\x3f\xff\x3f" + bytes(20)),
    }
    out |= {name: (data, "too_many_pixels") for name, data in bombs.items()}
    small = {
        "pixel.gif": saved(Image.new("P", (1, 1)), "GIF"),
        "pixel.png": saved(Image.new("RGB", (1, 1)), "PNG"),
        "line.png": saved(Image.new("RGB", (600, 4)), "PNG"),
        "pixel.webp": saved(Image.new("RGB", (1, 1)), "WEBP"),
        "pixel.bmp": saved(Image.new("RGB", (7, 7)), "BMP"),
    }
    out |= {name: (data, "too_small") for name, data in small.items()}
    whole, jpeg = bytearray(saved(image, "PNG")), saved(image, "JPEG")
    whole[29] ^= 0xFF  # the checksum of the header
    damaged = {
        "checksum.png": bytes(whole),
        "no-data.png": png(64, 64),
        "no-width.png": png(0, 64, chunk(b"IDAT", one)),
        "no-stream.png": png(64, 64, chunk(b"IDAT", draw.bytes(300))),
        "few-rows.png": png(64, 64, chunk(b"IDAT", zlib.compress(bytes(65 * 20)))),
        "depth.png": png(64, 64, chunk(b"IDAT", one), bits=7),
        "text-bomb.png": png(64, 64, chunk(b"zTXt", b"a\0\0" + bomb), chunk(b"IDAT", one)),
        "no-tables.jpg": b"\xff\xd8\xff\xda" + jpeg[jpeg.index(b"\xff\xda") + 2 :],
        "markers.jpg": b"\xff\xd8\xff\xd9",
        "no-height.jpg": resized_jpeg(64, 0),
        "garbage.webp": webp(b"VP8 ", bytes(3) + b"\x9d\x01\x2a\x40\0\x40\0" + draw.bytes(60)),
        "chunk.webp": webp(b"JUNK", bytes(30)),
        "depth.bmp": bmp(64, 64, bits=7),
        "no-frame.gif": gif(64, 64),
    }
    out |= {name: (data, CUT) for name, data in damaged.items()}
    scan = jpeg[jpeg.index(b"\xff\xda") : -2]
    out["scans.jpg"] = jpeg[:-2] + 600 * scan + b"\xff\xd9", "too_many_scans"
    return out


def write_hostile(folder: Path) -> dict[str, str]:
    """Write all of them, and what only a file system can hold. Returns the reason by file."""
    files = hostile()
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    out = {name: reason for name, (_, reason) in files.items()}
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(saved(photo(9), "PNG"))
    (folder / "link.png").symlink_to(outside / "secret.png")
    (folder / "folder-link").symlink_to(outside)
    (folder / "dangling.png").symlink_to(outside / "none.png")
    os.mkfifo(folder / "pipe.png")
    with (folder / "large.jpg").open("wb") as file:
        file.truncate(70 * 2**20)
    (folder / "back\\slash.png").write_bytes(saved(photo(), "PNG"))
    (folder / "new\nline.png").write_bytes(saved(photo(), "PNG"))
    links = {name: "link" for name in ("link.png", "folder-link", "dangling.png")}
    return out | links | {"pipe.png": "not_a_file", "large.jpg": "too_large", "back\\slash.png": "bad_name",
                          "new?line.png": "bad_name"}  # fmt: skip
