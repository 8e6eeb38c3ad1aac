"""The language of a text, by its script."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

HAN_SHARE = 0.15  # share of Han characters from which a text counts as Chinese


def detect_language(texts: pa.Array) -> pa.Array:
    """zh, ja or ko by the script of each text, else null: Latin letters alone do not tell a language. string [n]."""
    plain = pc.string_is_ascii(texts)
    if pc.all(plain).as_py():
        return pa.nulls(len(texts), pa.string())
    other = pc.indices_nonzero(pc.invert(plain))
    found = texts.take(other)
    han = pc.divide(pc.cast(pc.count_substring_regex(found, r"\p{Han}"), pa.float64()), pc.utf8_length(found))
    code = pc.if_else(pc.greater_equal(han, HAN_SHARE), "zh", pa.scalar(None, pa.string()))
    code = pc.if_else(pc.match_substring_regex(found, r"[\p{Hiragana}\p{Katakana}]"), "ja", code)
    code = pc.if_else(pc.match_substring_regex(found, r"\p{Hangul}"), "ko", code)
    return pc.replace_with_mask(pa.nulls(len(texts), pa.string()), pc.invert(plain), code)
