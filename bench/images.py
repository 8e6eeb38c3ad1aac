"""Evaluate the image encoder and the classifier on it, and measure the speed of the image jobs. It downloads nothing.

    python -m bench.images quality FOLDER     # a folder with the idx files of fashion-mnist (or MNIST)
    python -m bench.images speed FOLDER       # pictures per second of CPU time, decoding included
    python -m bench.images scale --rows 200000    # embed_images with the fake engine: rows a second, memory, second run

The idx files of fashion-mnist come in Debian's package dataset-fashion-mnist. The pictures of fashion-mnist have 28 x
28 grey pixels, so the figures say nothing about photographs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import struct
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from bench.side_by_side import benchmark
from PIL import Image

from shopbatch.capabilities.images.config import FitConfig
from shopbatch.capabilities.images.fit import HELD_OUT, fit
from shopbatch.engines.images.base import encode_all
from shopbatch.engines.images.configs import ImageOpenVinoConfig, ImageTorchConfig
from shopbatch.engines.images.factory import open_image_engine
from shopbatch.evaluation.classification import accuracy_interval
from shopbatch.models.registry import base
from shopbatch.pictures.pixels import grey_pixels
from shopbatch.pictures.reading import encoded
from shopbatch.tables.images import PRODUCT_IMAGES
from shopbatch.vectors.dense import DenseIndex, normalised, quantised
from shopbatch.warehouse.store import Store

LABELS, TEST, QUERIES, K = 1500, 3000, 600, 10


def read_idx(path: Path) -> np.ndarray:
    """Read an idx file, gzipped or not, as a uint8 array with the shape that the file states."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    axes = data[3]
    shape = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def read_folder(folder: Path, rows: int, seed: int = 0) -> tuple[pa.Array, np.ndarray]:
    """Draw `rows` pictures from the training files of a folder, encoded as PNG (as the jobs store small pictures).

    Args:
        folder: Folder with the idx files.
        rows: Number of pictures.
        seed: Seed of the draw.

    Returns:
        The encoded pictures, binary [rows], and their labels, int64 [rows].
    """
    files = {kind: next(folder.rglob(f"train-{kind}*ubyte*")) for kind in ("images", "labels")}
    images, labels = read_idx(files["images"]), read_idx(files["labels"])
    chosen = np.random.default_rng(seed).permutation(len(images))[:rows]
    kept = [encoded(Image.fromarray(images[i]).convert("RGB")) for i in chosen.tolist()]
    return pa.array(kept, pa.binary()), labels[chosen].astype(np.int64)


def quality(folder: Path, size: int, kind: str, models: str) -> dict[str, Any]:
    """Evaluate the encoder beside raw pixels, on 1,500 labelled pictures for training and 3,000 test pictures.

    Args:
        folder: Folder with the idx files.
        size: Size to which the encoder scales pictures, in pixels.
        kind: The engine: "torch" or "openvino".
        models: Folder of the model registry.

    Returns:
        The settings, and under `encoder` and `raw pixels` a dict each: `accuracy` of a classifier on these vectors
        (with its interval), `says a label` (share of pictures whose probability reaches the classifier's threshold),
        `right where it does` (accuracy on these; None if there are none), and `precision at 10` (share of the 10 most
        similar training pictures that have the same label).
    """
    pictures, label = read_folder(folder, LABELS + TEST)
    config = ImageTorchConfig(size=size) if kind == "torch" else ImageOpenVinoConfig(size=size)
    encoder = open_image_engine(config, base(models, "efficientnet-lite0").path)
    inputs = {"encoder": normalised(encode_all(encoder, pictures)), "raw pixels": grey_pixels(pictures.to_pylist(), 28)}
    fold = np.full(len(label), HELD_OUT)
    fold[:LABELS] = np.arange(LABELS) % FitConfig().folds
    test, gallery = np.arange(LABELS, len(label)), np.arange(LABELS)
    out: dict[str, Any] = {"labels": LABELS, "test": TEST, "size": size, "engine": kind}
    for name, vectors in inputs.items():
        fitted = fit(vectors, label, fold, int(label.max()) + 1, FitConfig())
        probabilities = fitted.probabilities(vectors[test], fold[test])
        said = probabilities.max(axis=1) >= fitted.threshold
        right = probabilities.argmax(axis=1) == label[test]
        codes, scales = quantised(normalised(vectors[gallery]))
        index = DenseIndex(codes, scales, np.zeros((0, 0), np.float16))
        best = index.top(normalised(vectors[test[:QUERIES]]), K)
        hits = [np.mean(label[rows] == label[query]) for (rows, _), query in zip(best, test, strict=False)]
        out[name] = {
            "accuracy": accuracy_interval(label[test], probabilities.argmax(axis=1), 0).tree(),
            "says a label": round(float(said.mean()), 3),
            "right where it does": round(float(right[said].mean()), 3) if said.any() else None,
            "precision at 10": round(float(np.mean(hits)), 4),
        }
    return out


def speed(folder: Path, rows: int, models: str) -> dict[str, Any]:
    """Return the pictures per second of CPU time, with decoding and resizing, for each engine, precision and size.

    Args:
        folder: Folder with the idx files.
        rows: Number of pictures for the default engine at size 96; the others get a fifth of them.
        models: Folder of the model registry.

    Returns:
        Pictures per second by a name such as "openvino bf16 96".
    """
    pictures, _ = read_folder(folder, rows)
    path, out = base(models, "efficientnet-lite0").path, dict[str, Any]()
    for name, config in {
        "openvino bf16 96": ImageOpenVinoConfig(size=96),
        "openvino bf16 224": ImageOpenVinoConfig(),
        "openvino fp32 96": ImageOpenVinoConfig(size=96, precision="fp32"),
        "torch fp32 96": ImageTorchConfig(size=96),
    }.items():
        encoder = open_image_engine(config, path)
        some = pictures if "openvino bf16 96" in name else pictures[: rows // 5]
        encode_all(encoder, some[:64])
        began = time.process_time()
        encode_all(encoder, some)
        out[name] = round(len(some) / (time.process_time() - began))
    return out


def scale(rows: int) -> dict[str, Any]:
    """Run embed_images twice with the fake engine over `rows` generated pictures; the second run computes nothing.

    Returns:
        `rows`, and under `first` and `second` a dict each: `seconds`, `computed` (rows), `outcome`, and `driver_mb`
        (peak memory of this process so far, in MB).
    """
    from shopbatch.runs import job

    out: dict[str, Any] = {"rows": rows}
    with tempfile.TemporaryDirectory(prefix="bench-images-") as folder:
        store = Store(f"{folder}/warehouse")
        _fill(store, rows)
        for turn in ("first", "second"):
            settings = job.find("embed_images").config.model_validate(
                {"engine": {"kind": "fake", "dim": 768}, "platform": {"warehouse": store.root}}
            )
            began = time.monotonic()
            report = job.run(job.find("embed_images"), settings)
            numbers = {"seconds": round(time.monotonic() - began, 1), "computed": report.rows.computed or 0}
            peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
            out[turn] = numbers | {"outcome": report.outcome, "driver_mb": peaks[0] // 1024}
    return out


def _fill(store: Store, rows: int, chunk: int = 8192) -> None:
    """Write the table `product_images` with random bytes of the size of a stored photograph (8 KiB) as pictures."""
    draw, written = np.random.default_rng(0), []
    for number, start in enumerate(range(0, rows, chunk)):
        count = min(chunk, rows - start)
        ids = pa.array([f"{start + i:09d}.jpg" for i in range(count)], pa.string())
        noise = draw.bytes(8192 * count)
        columns = {
            "image_id": ids,
            "uri": ids,
            "product_id": pa.array([f"p{(start + i) // 3}" for i in range(count)], pa.string()),
            "sha256": pa.array([f"{start + i:064x}" for i in range(count)], pa.string()),
            "perceptual_hash": pa.repeat("0" * 64, count),
            "signature": pa.repeat(pa.scalar(bytes(192), pa.binary()), count),
            "width": pa.array(np.full(count, 800, np.int32)),
            "height": pa.array(np.full(count, 800, np.int32)),
            "format": pa.repeat("JPEG", count),
            "bytes": pa.array(np.full(count, 90_000)),
            "picture": pa.array([noise[8192 * i : 8192 * (i + 1)] for i in range(count)], pa.binary()),
        }
        written.append(store.write_file(PRODUCT_IMAGES, PRODUCT_IMAGES.fill(count, **columns), "bench", number))
    store.commit(PRODUCT_IMAGES, written, "replace", "bench")


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the first argument names (quality, speed or scale), and print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["quality", "speed", "scale"])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--engine", choices=["openvino", "torch"], default="openvino")
    parser.add_argument("--rows", type=int, default=None)
    said = parser.parse_args(argv)
    if said.what != "scale" and said.folder is None:
        parser.error("name the folder of the idx files")
    if said.folder is not None and not said.folder.is_dir():
        raise FileNotFoundError(2, "no such folder", str(said.folder))
    with tempfile.TemporaryDirectory(prefix="bench-models-") as models:
        if said.what == "quality":
            out = quality(said.folder, said.size, said.engine, f"{models}/_models")
        elif said.what == "speed":
            out = speed(said.folder, said.rows or 2000, f"{models}/_models")
        else:
            out = scale(said.rows or 200_000)
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
