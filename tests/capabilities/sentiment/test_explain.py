"""The words that speak for a label: their shares add up to the margin, exactly, and stand where they are said to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopbatch.capabilities.sentiment.explain import Explainer
from shopbatch.capabilities.sentiment.head import LABELS, SentimentHead
from shopbatch.core.errors import UserError
from shopbatch.engines.configs import TorchConfig
from shopbatch.engines.encoders.torch_encoder import TorchEncoder
from shopbatch.engines.factory import open_engine
from shopbatch.text.language import detect_language
from tests.engines import tiny

TOKENS = 64


def head(dim: int) -> SentimentHead:
    draw = np.random.default_rng(3)
    weights = draw.normal(size=(2, dim, 3)).astype(np.float32)
    bias = draw.normal(size=(2, 3)).astype(np.float32)
    return SentimentHead(("en", "zh"), weights, bias, np.array([1.5, 0.7], np.float32))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("encoder") / "model", prefix="query: ", layers=[1, 3], pooling=["mean"])


@pytest.fixture(scope="module")
def explainer(encoder: Path) -> Explainer:
    return Explainer(encoder, head(2 * tiny.HIDDEN), TOKENS)


@pytest.fixture(scope="module")
def engine(encoder: Path) -> TorchEncoder:
    return TorchEncoder(TorchConfig(kind="torch", max_tokens=TOKENS), encoder)


def logits(engine: TorchEncoder, text: str) -> np.ndarray:
    texts = pa.array([text], pa.string())
    vector = engine.encode(texts).vectors.astype(float)
    own, row = head(2 * tiny.HIDDEN), int(detect_language(texts)[0].as_py() == "zh")
    return np.asarray((vector[0] @ own.weights[row] + own.bias[row]) / own.temperature[row])


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=80))
def test_the_shares_add_up_to_the_margin_that_the_engine_gives(
    explainer: Explainer, engine: TorchEncoder, text: str
) -> None:
    explained, expected = explainer.explain(text), logits(engine, text)
    best, second = LABELS.index(explained.label), LABELS.index(explained.instead)
    assert np.argsort(-expected)[:2].tolist() == [best, second]
    assert explained.margin == pytest.approx(expected[best] - expected[second], abs=1e-4)
    assert sum(word.share for word in explained.words) + explained.rest == pytest.approx(explained.margin, abs=1e-9)
    end = 0
    for word in explained.words:
        assert end <= word.start < word.end and text[word.start : word.end] == word.text
        end = word.end


def test_words_are_whole_where_blanks_part_them_and_single_characters_in_chinese(explainer: Explainer) -> None:
    assert [word.text for word in explainer.explain("It's a  lovely dress!").words] == [
        "It",
        "s",
        "a",
        "lovely",
        "dress",
    ]
    assert [word.text for word in explainer.explain("很不错 nice").words] == ["很", "不", "错", "nice"]
    assert explainer.explain("…!?").words == ()


def test_a_share_is_of_its_own_word(tmp_path: Path) -> None:
    """Without context (layer 0) another last word of the same length changes its own share alone."""
    folder = tiny.build(tmp_path / "model", layers=[0], pooling=["mean"])
    explainer = Explainer(folder, head(tiny.HIDDEN), TOKENS)
    first, second = (explainer.explain(f"soft and {word}") for word in ("warm", "warp"))
    assert (first.label, first.instead) == (second.label, second.instead)
    assert [w.share for w in first.words[:2]] == pytest.approx([w.share for w in second.words[:2]], abs=1e-12)
    assert first.rest == pytest.approx(second.rest, abs=1e-9)
    assert abs(first.words[2].share - second.words[2].share) > 1e-3


def test_the_telling_words_are_the_greatest_shares_of_each_side(explainer: Explainer) -> None:
    explained = explainer.explain("a b c d e f g h i j k")
    pros, cons = explained.telling(3)
    shares = sorted(word.share for word in explained.words)
    assert [w.share for w in pros] == [s for s in reversed(shares) if s > 0][:3]
    assert [w.share for w in cons] == [s for s in shares if s < 0][:3]


def test_a_vector_that_is_no_mean_is_refused(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "model", layers=[1], pooling=["mean", "max"])
    with pytest.raises(UserError, match="pools by mean, max"):
        Explainer(folder, head(2 * tiny.HIDDEN))


def test_a_long_text_is_explained_as_it_is_scored_in_windows(encoder: Path) -> None:
    windowed = Explainer(encoder, head(2 * tiny.HIDDEN), TOKENS, windows=3)
    text = "the zip broke and the seam is torn " * 12 + "lovely"
    engine = open_engine(TorchConfig(kind="torch", max_tokens=TOKENS), str(encoder), 3)
    own = head(2 * tiny.HIDDEN)
    expected = engine.encode(pa.array([text])).vectors[0].astype(float) @ own.weights[0] + own.bias[0]
    explained = windowed.explain(text)
    best, second = LABELS.index(explained.label), LABELS.index(explained.instead)
    assert explained.margin == pytest.approx((expected[best] - expected[second]) / own.temperature[0], abs=1e-4)
    assert all(text[word.start : word.end] == word.text for word in explained.words)
    assert explained.words[-1].text == "lovely" and explained.words[0].start == 0
