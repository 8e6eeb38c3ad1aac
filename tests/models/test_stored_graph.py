"""A stored graph: the engine uses it instead of the weights, and what no encoder needs is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file, save_file

from shopbatch.engines.configs import OpenVinoConfig
from shopbatch.engines.encoders.openvino_encoder import export_encoder
from shopbatch.engines.factory import open_engine
from shopbatch.models import stored_graph
from shopbatch.models.folder import ModelError, contents
from tests.engines import tiny

CONFIG = OpenVinoConfig(precision="fp32", max_tokens=32)
TEXTS = pa.array(["one", "another text"])


def vectors(folder: Path) -> np.ndarray:
    return open_engine(CONFIG, str(folder)).encode(TEXTS).vectors


@pytest.mark.slow
def test_the_engine_uses_the_stored_graph(tmp_path: Path) -> None:
    first, second = tiny.build(tmp_path / "first"), tiny.build(tmp_path / "second", seed=1)
    (tmp_path / "graph").mkdir()
    export_encoder(second, tmp_path / "graph")
    expected, own = vectors(second), vectors(first)
    stored_graph.store(tmp_path / "graph", first)
    assert stored_graph.NAME in contents(first)  # a part of the model, and of its digest
    np.testing.assert_array_equal(vectors(first), expected)
    assert np.abs(own - expected).max() > 0.1
    whole = (first / stored_graph.NAME).read_bytes()
    (first / stored_graph.NAME).write_bytes(whole[:-1])
    with pytest.raises(ModelError, match=stored_graph.NAME):
        vectors(first)


NET = '<net name="n" version="11"><layers>{}</layers><edges/></net>'
CONSTANT = '<layer id="0" name="c" type="Const" version="opset1"><data offset="{}" size="{}"/></layer>'
GOOD = NET.format(CONSTANT.format(0, 8))
BAD = {
    "no XML": ("<net", "cannot be read"),
    "entities": ('<!DOCTYPE n [<!ENTITY a "aa">]>' + GOOD, "declares entities"),
    "another file": ("<a/>", "is not a graph"),
    "no layers": (NET.format(""), "is not a graph"),
    "a loop": (NET.format('<layer type="Loop" version="opset5"/>'), "'Loop'"),
    "a state": (NET.format('<layer type="ReadValue" version="opset6"/>'), "'ReadValue'"),
    "an extension": (NET.format('<layer type="Add" version="extension"/>'), "'extension'"),
    "layers inside": (NET.format('<layer type="Add" version="opset1"><layer type="Loop"/></layer>'), "inside layers"),
    "outside": (NET.format(CONSTANT.format(4, 8)), "outside the weights"),
    "before": (NET.format(CONSTANT.format(-8, 8)), "outside the weights"),
    "nowhere": (NET.format('<layer type="Const" version="opset1"/>'), "has no place"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_graph_of_something_else_is_refused(tmp_path: Path, name: str) -> None:
    xml, says = BAD[name]
    with pytest.raises(ModelError, match=says):
        put(tmp_path, xml.encode())
        stored_graph.unpack(tmp_path, tmp_path)


def test_what_passes_is_written_as_it_is(tmp_path: Path) -> None:
    put(tmp_path, GOOD.encode())
    stored_graph.unpack(tmp_path, tmp_path)
    assert (tmp_path / "model.xml").read_text() == GOOD and (tmp_path / "model.bin").read_bytes() == bytes(8)
    parts = load_file(tmp_path / stored_graph.NAME)
    save_file({**parts, "more": parts["xml"]}, tmp_path / stored_graph.NAME)
    with pytest.raises(ModelError, match="expected the bytes"):
        stored_graph.unpack(tmp_path, tmp_path)


def put(folder: Path, xml: bytes) -> None:
    save_file({"xml": np.frombuffer(xml, np.uint8), "weights": np.zeros(8, np.uint8)}, folder / stored_graph.NAME)
