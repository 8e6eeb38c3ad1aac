"""Signs are found in the texts that hold them, wherever they stand."""

from __future__ import annotations

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from shopbatch.text import signs

TEXTS = st.lists(st.none() | st.text(st.sampled_from("ab<&é中😀"), max_size=6), max_size=12)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(0, 4), st.sampled_from([pa.string(), pa.large_string()]), st.integers(1, 9))
def test_each_text_with_a_sign_is_found(texts: list[str | None], skip: int, kind: pa.DataType, piece: int) -> None:
    want = [text is not None and ("<" in text or "&" in text) for text in texts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signs, "_PIECE", piece)  # also where a text goes on in the next piece
        array = pa.array(texts, kind)
        assert signs.holds_any(array.slice(skip), b"<&").to_pylist() == want[skip:]
        chunked = pa.chunked_array([array.slice(0, skip), array.slice(skip)], kind)
        assert signs.holds_any(chunked, b"<&").to_pylist() == want
