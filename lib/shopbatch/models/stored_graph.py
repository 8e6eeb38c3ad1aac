"""A graph of OpenVINO that is part of a model: `int8.safetensors`, with the graph's description and its weights.

An 8-bit graph cannot be traced again from the weights: where its numbers are cut was measured on texts. So it is
stored, under the model's digest, in the one format that holds only data. What is read is checked first: a folder may
come from anybody. Only operations that a transformer consists of may be in it; none of them loads a file or repeats
anything.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from shopbatch.core.errors import one_line
from shopbatch.models.errors import ModelError

NAME = "int8.safetensors"
_MOST_XML = 64 << 20
_MOST_LAYERS = 100_000


def has_graph(folder: Path) -> bool:
    """Whether a model folder holds a graph of its own."""
    return (folder / NAME).exists()


def store(graph: Path, folder: Path) -> None:
    """Write a graph, `model.xml` and `model.bin` of a folder, into a model folder.

    Raises:
        ModelError: The graph has an operation that would be refused when it is read.
    """
    xml, weights = (np.frombuffer((graph / f"model.{kind}").read_bytes(), np.uint8) for kind in ("xml", "bin"))
    check(xml.tobytes(), len(weights), "the graph")
    save_file({"xml": xml, "weights": weights}, folder / NAME)


def unpack(folder: Path, target: Path) -> None:
    """Write the graph of a model folder as `model.xml` and `model.bin` into another folder.

    Raises:
        ModelError: The file is damaged, or the graph has something else than a transformer needs.
    """
    what = f"{folder}: {NAME}"
    try:
        parts = load_file(folder / NAME)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{what} cannot be read: {one_line(error, 200)}") from None
    if parts.keys() != {"xml", "weights"} or any(p.dtype != np.uint8 or p.ndim != 1 for p in parts.values()):
        raise ModelError(f"{what} is not a graph: expected the bytes of xml and weights")
    xml = parts["xml"].tobytes()
    check(xml, len(parts["weights"]), what)
    (target / "model.xml").write_bytes(xml)
    (target / "model.bin").write_bytes(parts["weights"].tobytes())


def check(xml: bytes, weights: int, what: str) -> None:
    """Check the description of a graph.

    Args:
        xml: The description.
        weights: Bytes of the weights.
        what: What an error calls it.

    Raises:
        ModelError: It is no XML, declares something, has an operation that is not in `graph_operations.yaml`, or reads
            outside the weights.
    """
    if len(xml) > _MOST_XML or b"<!" in xml:
        raise ModelError(f"{what} is not a graph: it is too long, or declares entities")
    try:
        tree = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise ModelError(f"{what} cannot be read: {one_line(error, 200)}") from None
    layers = tree.findall("./layers/layer")
    if tree.tag != "net" or not 0 < len(layers) <= _MOST_LAYERS or len(list(tree.iter("layer"))) != len(layers):
        raise ModelError(f"{what} is not a graph: it has no layers, or layers inside layers")
    known = _operations()
    for layer in layers:
        kind, version = layer.get("type", ""), layer.get("version", "")
        if kind not in known or not version.startswith("opset"):
            raise ModelError(f"{what} has an operation that no encoder needs: {kind[:40]!r} of {version[:40]!r}")
        if kind == "Const":
            _check_place(layer.find("data"), weights, what)


def _check_place(data: ElementTree.Element | None, weights: int, what: str) -> None:
    """Check that a constant lies inside the weights."""
    try:
        assert data is not None
        first, size = int(data.get("offset", "")), int(data.get("size", ""))
    except (ValueError, AssertionError):
        raise ModelError(f"{what}: a constant has no place") from None
    if first < 0 or size < 0 or first + size > weights:
        raise ModelError(f"{what}: a constant lies outside the weights")


def _operations() -> frozenset[str]:
    text = resources.files("shopbatch.models").joinpath("graph_operations.yaml").read_text("utf-8")
    names: Any = yaml.load(text, yaml.CSafeLoader)
    return frozenset(names)
