"""Leave out examples that the model cannot be trained on exactly as they are: too long, or changed by the tokenizer.

`finetune_llm` checks every example before the training, and its report counts those that are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import numpy as np
import pyarrow as pa
import ray

from shopbatch.capabilities.language_model.examples import Encode, Examples, LeftOut
from shopbatch.core.errors import UserError
from shopbatch.training.blocks import SPLITS
from shopbatch.training.packing import WINDOW, Document

REASONS: tuple[LeftOut, ...] = get_args(LeftOut)
MEANINGS: Mapping[str, str] = {
    "too_long": "do not fit into loop.block_tokens",
    "marker": "hold control tokens or markers of the chat template that cannot be written as plain text",
    "changed": "have an answer that the tokenizer cannot write as it is",
}


def leave_out(encode: Encode, examples: Examples, dropped: float) -> tuple[Examples, dict[str, int]]:
    """Check every example, in parallel Ray tasks, and leave out those that the model cannot learn as they are.

    Args:
        encode: Encodes examples as documents for the model.
        examples: All examples of the source.
        dropped: Greatest share (0..1) of the examples that may be left out.

    Returns:
        The remaining examples, and {reason: number of examples left out} (see MEANINGS).

    Raises:
        UserError: The chat template cannot be trained on, too many examples are left out, or a split has none left.
    """
    if examples.rows["prompt"][0].as_py():
        _ = encode.answer_format  # raises UserError here, with a short message, rather than inside a Ray task
    rows = examples.rows
    table, task = ray.put(rows), ray.remote(num_cpus=1)(_reasons)
    parts = [task.remote(encode, table, start) for start in range(0, rows.num_rows, WINDOW)]
    reasons = np.concatenate(ray.get(parts))
    counts: dict[str, int] = {reason: int((reasons == reason).sum()) for reason in REASONS}
    limit = f"loop.block_tokens={encode.block_tokens}"
    if counts["too_long"] == rows.num_rows:
        raise UserError(f"none of {rows.num_rows} examples fits into {limit}")
    if (left_out := sum(counts.values())) > dropped * rows.num_rows:
        why = ", ".join(f"{n} {MEANINGS[r]}" for r in REASONS if (n := counts[r]))
        if counts["too_long"] == left_out:
            what = f"{left_out} of {rows.num_rows} examples do not fit into {limit}: increase it, or increase dropped"
        else:
            what = (
                f"{left_out} of {rows.num_rows} examples cannot be learnt ({why}): increase dropped to leave them out"
            )
        raise UserError(what)
    kept = replace(examples, rows=rows.filter(pa.array(reasons == "")))
    for split in (*SPLITS, "test"):
        if not kept.part(split).num_rows:
            raise UserError(f"no example for {split} is left that fits into {limit} and can be learnt as it is")
    return kept, counts


def _reasons(encode: Encode, rows: pa.Table, start: int) -> np.ndarray:
    """Return the reason why each example of a window is left out, string [rows of the window]; "" if it is not.

    Args:
        encode: Encodes examples as documents for the model.
        rows: All examples.
        start: First row of the window, which has at most 4096 rows.
    """
    window = rows.slice(start, WINDOW)
    pairs = zip(window["prompt"].to_pylist(), window["answer"].to_pylist(), strict=True)
    encoded = [encode.encode(prompt, answer) for prompt, answer in pairs]
    return np.array(["" if isinstance(e, Document) else e for e in encoded], "U8")
