"""Which products are described in another script than that of the copy, so that planned copy would mix two languages.

The planner says a shop's facts in its own patterns and translates none of them: Chinese patterns around English words
read badly, and so do English ones around Chinese words.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.grounding.facts import DESCRIPTION, NAMES
from shopbatch.text.language import detect_language

REASON = "foreign_facts"


def is_foreign(content: pa.Table, language: str) -> pa.Array:
    """Tell which products are known in another script alone.

    Args:
        content: The columns of `facts.CONTENT`, valid UTF-8, [n].
        language: The language of the copy.

    Returns:
        bool [n], without nulls. What counts is the script of names, attributes and description together; a brand may be
        in any.
    """
    entries = [" ".join(v for _, v in row or () if v) for row in content["attributes"].to_pylist()]
    columns = [*(content[name] for name in NAMES), content[DESCRIPTION], pa.array(entries, pa.string())]
    script = detect_language(_together(columns))
    return pc.fill_null(pc.not_equal(script, "zh"), True) if language == "zh" else pc.is_valid(script)


def _together(columns: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Array:
    whole = [c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns]
    return pc.binary_join_element_wise(*(pc.fill_null(c.cast(pa.string()), "") for c in whole), "")
