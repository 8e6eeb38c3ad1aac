"""The exported graph: made once, whole or not at all, never trusted when damaged."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.engines import openvino_graphs
from shopbatch.engines.base import EngineError
from shopbatch.engines.configs import OpenVinoConfig, TorchConfig
from shopbatch.engines.encoders import openvino_encoder
from shopbatch.engines.factory import open_engine
from shopbatch.models.folder import contents, digest
from tests.engines import tiny

pytestmark = pytest.mark.slow  # graphs are traced and compiled

CONFIG = OpenVinoConfig(precision="fp32", max_tokens=32)
TEXTS = pa.array(["one", "another text"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.build(tmp_path / "_models" / "tiny" / "0123456789ab")


def vectors(folder: Path) -> np.ndarray:
    return open_engine(CONFIG, str(folder)).encode(TEXTS).vectors


def test_the_graph_is_made_once_and_is_no_part_of_the_model(folder, monkeypatch):
    before = digest(contents(folder))
    first = vectors(folder)
    assert digest(contents(folder)) == before
    assert [p.name for p in folder.iterdir() if p.name.startswith(".")] == []
    monkeypatch.setattr(openvino_encoder, "export_encoder", lambda *_: pytest.fail("exported again"))
    np.testing.assert_array_equal(vectors(folder), first)


def test_a_damaged_graph_is_made_again(folder, tmp_path, monkeypatch):
    first = vectors(folder)
    graph = next(folder.glob("openvino-*"))
    shutil.copytree(graph, tmp_path / "good", ignore=shutil.ignore_patterns("files.json"))
    exports = []

    def export(_: Path, target: Path) -> None:
        exports.append(target)
        shutil.copytree(tmp_path / "good", target, dirs_exist_ok=True)

    monkeypatch.setattr(openvino_encoder, "export_encoder", export)
    for name in ("model.bin", "model.xml", "files.json"):
        data = (graph / name).read_bytes()
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 0x40]) + data[middle + 1 :]
        for damaged in (flipped, data[:-20], None):
            (graph / name).unlink() if damaged is None else (graph / name).write_bytes(damaged)
            np.testing.assert_array_equal(vectors(folder), first)
            np.testing.assert_array_equal(vectors(folder), first)
    assert len(exports) == 9
    assert [p for p in folder.iterdir() if p.name.startswith(".")] == []


def test_other_weights_in_the_same_folder_get_a_graph_of_their_own(folder):
    first = vectors(folder)
    tiny.build(folder, seed=1)
    assert np.abs(vectors(folder) - first).max() > 0.01


def test_weights_that_keep_their_size_and_date_get_a_graph_of_their_own(folder):
    first, weights = vectors(folder), folder / "model.safetensors"
    before = weights.stat()
    tiny.build(folder, seed=1)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert weights.stat().st_size == before.st_size
    assert np.abs(vectors(folder) - first).max() > 0.01


def test_the_graph_of_another_model_is_not_used(folder, tmp_path):
    first = vectors(folder)
    other = tiny.build(tmp_path / "_models" / "other" / "0123456789ab", seed=1)
    assert np.abs(vectors(other) - first).max() > 0.01
    (graph,), (foreign,) = folder.glob("openvino-*"), other.glob("openvino-*")
    shutil.rmtree(graph)
    shutil.copytree(foreign, graph)
    np.testing.assert_array_equal(vectors(folder), first)
    shutil.rmtree(graph)
    graph.symlink_to(foreign)
    np.testing.assert_array_equal(vectors(folder), first)
    assert not graph.is_symlink() and foreign.is_dir()


def test_a_folder_from_elsewhere_cannot_bring_a_graph(folder, tmp_path, monkeypatch):
    """Its graph says that it is of this model; only what this machine has exported itself is used."""
    monkeypatch.setenv("SHOPBATCH_CACHE", str(tmp_path / "cache"))
    first = vectors(folder)
    other = tiny.build(tmp_path / "_models" / "other" / "0123456789ab", seed=1)
    vectors(other)
    (graph,), (foreign,) = folder.glob("openvino-*"), other.glob("openvino-*")
    plain = tiny.build(tmp_path / "plain")
    forged = shutil.copytree(foreign, plain / graph.name)
    about = json.loads((graph / "files.json").read_text()) | {"files": contents_of(foreign)}
    (forged / "files.json").write_text(json.dumps(about))
    before = sorted(plain.rglob("*"))
    np.testing.assert_array_equal(vectors(plain), first)
    assert sorted(plain.rglob("*")) == before


def contents_of(graph: Path) -> dict[str, object]:
    return dict(json.loads((graph / "files.json").read_text())["files"])


def test_a_read_only_model_is_exported_into_the_cache(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOPBATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(openvino_graphs.os, "access", lambda path, mode: Path(path) != folder)
    reference = open_engine(TorchConfig(max_tokens=32), str(folder)).encode(TEXTS).vectors
    np.testing.assert_allclose(vectors(folder), reference, atol=1e-4)
    assert not list(folder.glob("openvino-*"))
    assert list((tmp_path / "cache").rglob("model.xml"))


def test_a_graph_made_for_the_machine_serves_the_same_model_of_all_warehouses(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOPBATCH_CACHE", str(tmp_path / "cache"))
    openvino_encoder.exported_encoder(folder, for_machine=True)
    same = shutil.copytree(folder, tmp_path / "other" / "_models" / "tiny" / "0123456789ab")
    monkeypatch.setattr(openvino_encoder, "export_encoder", lambda *_: pytest.fail("exported again"))
    np.testing.assert_array_equal(vectors(folder), vectors(same))
    assert not list(folder.glob("openvino-*")) and not list(same.glob("openvino-*"))


def test_two_processes_may_export_at_once(folder):
    code = (
        "import sys, pyarrow as pa\n"
        "from shopbatch.engines.configs import OpenVinoConfig\n"
        "from shopbatch.engines.factory import open_engine\n"
        "config = OpenVinoConfig(precision='fp32', max_tokens=32)\n"
        "print(open_engine(config, sys.argv[1]).encode(pa.array(['one'])).vectors.tolist())\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [p.communicate(timeout=120)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0]
    assert answers[0] == answers[1] != ""
    assert len(list(folder.glob("openvino-*"))) == 1
    assert not list(folder.glob(".openvino-*"))


def test_a_failure_of_the_backend_is_an_engine_error(folder):
    for config, broken in ((CONFIG, "request"), (TorchConfig(max_tokens=32), "model")):
        encoder = open_engine(config, str(folder))
        setattr(encoder, broken, Broken())
        with pytest.raises(EngineError, match="no memory left"):
            encoder.encode(TEXTS)


class Broken:
    """A backend that fails on every call, as a device without memory does."""

    def infer(self, _: object) -> None:
        raise RuntimeError("no memory\nleft")

    def __call__(self, *_: object) -> None:
        self.infer(None)
