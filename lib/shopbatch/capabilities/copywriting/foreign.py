"""Finds products whose attributes are in another language than the copy, so that the planner cannot use them.

The planner fills a shop's attribute values into its own sentence patterns and translates nothing: Chinese patterns
around English words read badly, and so do English patterns around Chinese words.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.grounding.facts import DESCRIPTION, NAMES
from shopbatch.text.language import detect_language

REASON = "foreign_facts"


def is_foreign(content: pa.Table, language: str) -> pa.Array:
    """Return a boolean mask [n], without nulls: True where a product's attributes are in another script than the copy.

    The script of names, attributes and description together decides. The brand is ignored, because a brand may be in
    any script. `DescriptionStage.check` rejects these products as foreign_facts.

    Args:
        content: The columns of `facts.CONTENT`, valid UTF-8, [n].
        language: Language of the copy. For "zh" every product that is not recognised as Chinese is foreign. For all
            other languages every product that is recognised as Chinese, Japanese or Korean is.
    """
    entries = [" ".join(v for _, v in row or () if v) for row in content["attributes"].to_pylist()]
    columns = [*(content[name] for name in NAMES), content[DESCRIPTION], pa.array(entries, pa.string())]
    script = detect_language(_together(columns))
    return pc.fill_null(pc.not_equal(script, "zh"), True) if language == "zh" else pc.is_valid(script)


def _together(columns: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Array:
    """Concatenate columns row by row into one text each, [n]; nulls count as ""."""
    whole = [c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns]
    return pc.binary_join_element_wise(*(pc.fill_null(c.cast(pa.string()), "") for c in whole), "")
