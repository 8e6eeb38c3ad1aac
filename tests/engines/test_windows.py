"""Windows: short texts are untouched, long ones are read from head to tail, and the mean is that over all tokens."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopbatch.engines.base import encode_all
from shopbatch.engines.configs import TorchConfig
from shopbatch.engines.factory import open_engine
from shopbatch.engines.windows import WindowCutter, WindowedEncoder, token_windows
from tests.engines import tiny

TOKENS = 40
SHORT = ["a lovely coat", "很好", "It fits, and it is warm."]
LONG = ["torn at the seam and the zip broke " * n + "lovely" for n in (4, 6, 40, 300)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("windows") / "model", prefix="query: ", layers=[1, 3], pooling=["mean"])


@given(st.integers(1, 5_000), st.integers(1, 300), st.integers(1, 5))
def test_windows_lie_in_order_and_reach_both_ends(tokens: int, size: int, count: int) -> None:
    windows = token_windows(tokens, size, count)
    assert windows[0][0] == 0 and len(windows) <= count
    assert all(0 < end - first <= size for first, end in windows)
    assert all(a[1] <= b[0] for a, b in pairwise(windows))  # no token is read twice
    assert windows[-1][1] == (min(tokens, size) if count == 1 else tokens)
    if tokens <= count * size:
        assert sum(end - first for first, end in windows) == tokens  # all of the text is read


def test_texts_that_fit_get_the_vectors_of_the_encoder_alone_to_the_last_bit(folder: Path) -> None:
    config = TorchConfig(max_tokens=TOKENS)
    alone, windowed = open_engine(config, str(folder)), open_engine(config, str(folder), 3)
    texts = pa.array(SHORT)
    first, second = encode_all(alone, texts), encode_all(windowed, texts)
    np.testing.assert_array_equal(first.vectors, second.vectors)
    np.testing.assert_array_equal(first.tokens, second.tokens)
    assert (first.tokens < TOKENS).all()


def test_a_long_text_is_the_mean_of_its_windows_and_its_tail_counts(folder: Path) -> None:
    config = TorchConfig(max_tokens=TOKENS)
    windowed = open_engine(config, str(folder), 3)
    assert isinstance(windowed, WindowedEncoder)
    encoded = encode_all(windowed, pa.array([*LONG, *SHORT]))
    for row, text in enumerate(LONG):
        spans = windowed.cutter.cut([text])[0]
        assert 1 < len(spans) <= 3 and spans[0][0] == 0 and spans[-1][1] == len(text)
        windows = encode_all(windowed.encoder, pa.array([text[a:b] for a, b in spans]))
        assert (windows.tokens <= TOKENS).all()
        expected = np.average(windows.vectors, axis=0, weights=windows.tokens)
        np.testing.assert_allclose(encoded.vectors[row], expected, atol=1e-5)
        assert encoded.tokens[row] == windows.tokens.sum() > TOKENS
        other_tail = encode_all(windowed, pa.array([text.replace("lovely", "awful")])).vectors[0]
        assert not np.allclose(encoded.vectors[row], other_tail)
    cut = encode_all(open_engine(config, str(folder)), pa.array([LONG[-1], LONG[-1].replace("lovely", "awful")]))
    np.testing.assert_array_equal(cut.vectors[0], cut.vectors[1])  # what windows are for


@pytest.mark.parametrize("text", [*SHORT, *LONG])
def test_the_estimate_is_what_is_read(folder: Path, text: str) -> None:
    config = TorchConfig(max_tokens=TOKENS)
    cutter = WindowCutter(folder, TOKENS, 3)
    in_windows, if_cut = cutter.tokens(text)
    read = [int(encode_all(open_engine(config, str(folder), n), pa.array([text])).tokens[0]) for n in (3, 1)]
    assert if_cut == read[1]
    assert in_windows == pytest.approx(read[0], abs=6)  # a window may gain a token at either end
