"""Rejects queries that cannot be answered: empty, too long, not UTF-8, with control characters, in no known script."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.inference.stage import check_content

MAX_BYTES = 2000
_CONTROLS = (
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{200b}\x{2028}-\x{202e}\x{2060}-\x{206f}\x{feff}\x{e0000}-\x{e007f}]"
)
_SCRIPTS = (
    *("Latin", "Greek", "Cyrillic", "Armenian", "Georgian", "Hebrew", "Arabic", "Ethiopic", "Devanagari", "Bengali"),
    *("Gujarati", "Gurmukhi", "Kannada", "Malayalam", "Oriya", "Sinhala", "Tamil", "Telugu", "Thai", "Lao", "Khmer"),
    *("Myanmar", "Tibetan", "Mongolian", "Han", "Hiragana", "Katakana", "Bopomofo", "Hangul"),
)
_KNOWN = "[0-9" + "".join(rf"\p{{{script}}}" for script in _SCRIPTS) + "]"


def refusals(queries: pa.Array, max_bytes: int) -> pa.Array:
    """Return for each query why it cannot be answered, or null, string [n].

    The reasons are `empty`, `too_long`, `invalid_utf8`, `control_characters` and `unknown_script` (no letter or digit
    of a script that is in use).

    Args:
        queries: string [n].
        max_bytes: Largest query in bytes.
    """
    none = pa.scalar(None, pa.string())
    reason = check_content(pa.table({"query": queries}), max_bytes)
    text = pc.if_else(pc.is_null(reason), queries, "1")
    unknown = pc.if_else(pc.match_substring_regex(text, _KNOWN), none, "unknown_script")
    controls = pc.if_else(pc.match_substring_regex(text, _CONTROLS), "control_characters", unknown)
    return pc.coalesce(reason, controls)


def refusal(query: str) -> str | None:
    """Return why one query cannot be answered (a reason of `refusals`); None if it can."""
    try:
        query.encode()
    except UnicodeEncodeError:
        return "invalid_utf8"
    reason: str | None = refusals(pa.array([query], pa.string()), MAX_BYTES)[0].as_py()
    return reason
