"""Stores an 8-bit OpenVINO graph inside a model folder, as `int8.safetensors` (the graph's XML and its weights).

An 8-bit graph cannot be exported again from the fp32 weights, because its value ranges were measured on texts. So it is
a part of the model, covered by the model's digest, in the one format that holds only data. A folder may come from
anybody, so a graph is checked before it is used: only operations that a transformer consists of are allowed, and none
of these loads a file or runs a loop.
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
    """Return True if a model folder contains an 8-bit graph."""
    return (folder / NAME).exists()


def store(graph: Path, folder: Path) -> None:
    """Check an OpenVINO graph and add it to a model folder as `int8.safetensors`.

    Args:
        graph: Folder with the graph's `model.xml` and `model.bin`.
        folder: The model folder.

    Raises:
        ModelError: The graph has an operation that `unpack` would refuse.
    """
    xml, weights = (np.frombuffer((graph / f"model.{kind}").read_bytes(), np.uint8) for kind in ("xml", "bin"))
    check(xml.tobytes(), len(weights), "the graph")
    save_file({"xml": xml, "weights": weights}, folder / NAME)


def unpack(folder: Path, target: Path) -> None:
    """Check the graph of a model folder, and write it as `model.xml` and `model.bin` into another folder.

    Args:
        folder: The model folder.
        target: The folder to write to.

    Raises:
        ModelError: `int8.safetensors` is damaged, or the graph has an operation that no transformer needs.
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
    """Check the XML of an untrusted OpenVINO graph.

    Args:
        xml: The XML.
        weights: Size of the graph's weights in bytes.
        what: Name of the graph in an error message.

    Raises:
        ModelError: The XML is malformed, longer than 64 MiB or declares entities; or the graph has an operation that is
            not listed in `graph_operations.yaml`, or reads outside its weights.
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
    """Raise ModelError if a constant does not lie inside the weights.

    Args:
        data: The XML element with its offset and size in bytes; None if it is missing.
        weights: Size of the weights in bytes.
        what: Name of the graph in the error message.
    """
    try:
        assert data is not None
        first, size = int(data.get("offset", "")), int(data.get("size", ""))
    except (ValueError, AssertionError):
        raise ModelError(f"{what}: a constant has no place") from None
    if first < 0 or size < 0 or first + size > weights:
        raise ModelError(f"{what}: a constant lies outside the weights")


def _operations() -> frozenset[str]:
    """Return the allowed OpenVINO operations, from `graph_operations.yaml`."""
    text = resources.files("shopbatch.models").joinpath("graph_operations.yaml").read_text("utf-8")
    names: Any = yaml.load(text, yaml.CSafeLoader)
    return frozenset(names)
