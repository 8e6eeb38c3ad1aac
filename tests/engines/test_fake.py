"""The fake engine: faults on demand, and fast enough that the machinery is what a benchmark sees."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.sentiment.stage import SentimentStage
from shopbatch.cli import main as cli
from shopbatch.engines.base import EngineError, encode_all
from shopbatch.engines.configs import FakeConfig, OpenVinoConfig
from shopbatch.engines.factory import open_engine

TEXTS = pa.array(["fine", "a poison pill", "fine too"])


def test_a_fault_hits_only_the_batch_that_contains_its_text():
    encoder = open_engine(FakeConfig(fail_on="poison"), None)
    with pytest.raises(EngineError):
        encoder.encode(TEXTS)
    clean = open_engine(FakeConfig(), None).encode(TEXTS).vectors
    for i in (0, 2):
        np.testing.assert_array_equal(encoder.encode(TEXTS.slice(i, 1)).vectors[0], clean[i])
    with pytest.raises(EngineError):
        encoder.encode(TEXTS.slice(1, 1))


def test_something_unforeseen_is_not_an_engine_error():
    with pytest.raises(ArithmeticError):
        open_engine(FakeConfig(raise_on="poison"), None).encode(TEXTS)


def test_exit_on_ends_the_process_without_a_word():
    code = (
        "import pyarrow as pa\nfrom shopbatch.engines.configs import FakeConfig\n"
        "from shopbatch.engines.factory import open_engine\n"
        "encoder = open_engine(FakeConfig(exit_on='poison'), None)\n"
        "encoder.encode(pa.array(['fine']))\nprint('alive', flush=True)\n"
        "try:\n    encoder.encode(pa.array(['poison']))\nfinally:\n    print('cleaned up')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (1, ["alive"])


def test_hang_on_never_answers():
    encoder = open_engine(FakeConfig(hang_on="poison"), None)
    thread = threading.Thread(target=encoder.encode, args=(TEXTS,), daemon=True)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()


def test_the_same_text_has_the_same_vector_in_every_process_and_release():
    vector = open_engine(FakeConfig(dim=3), None).encode(pa.array(["fine"])).vectors[0]
    np.testing.assert_allclose(vector, PINNED, atol=1e-6)


def test_vectors_spread_over_the_cube():
    vectors = encode_all(open_engine(FakeConfig(dim=5), None), pa.array([f"text {i}" for i in range(20_000)])).vectors
    assert vectors.min() >= -1
    assert vectors.max() < 1
    assert np.abs(vectors.mean(0)).max() < 0.02
    assert np.abs(vectors.std(0) - 1 / np.sqrt(3)).max() < 0.02
    assert np.abs(np.corrcoef(vectors.T) - np.eye(5)).max() < 0.05


def test_it_is_fast():
    texts = pa.array([f"a review of some length, number {i} " * 4 for i in range(200_000)])
    encoder = open_engine(FakeConfig(), None)
    start = time.process_time()
    encode_all(encoder, texts)
    assert len(texts) / (time.process_time() - start) > 300_000


PINNED = [-0.634428, -0.7522085, -0.4639376]


@pytest.mark.parametrize("job", ["score_reviews", "describe_products"])
def test_no_run_publishes_what_a_fake_engine_invents_unless_asked(
    job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path / "warehouse"))
    for value in ("", "0", None):
        if value is None:
            monkeypatch.delenv("SHOPBATCH_ALLOW_FAKE")
        else:
            monkeypatch.setenv("SHOPBATCH_ALLOW_FAKE", value)
        assert cli.main(["run", job, "engine.kind=fake"]) == 2
        line = capsys.readouterr().err
        assert "invents its results" in line and "SHOPBATCH_ALLOW_FAKE=1" in line and line.count("\n") == 1
    assert not (tmp_path / "warehouse").exists()
    SentimentStage(OpenVinoConfig(), "", "", {})  # no other engine needs the variable
