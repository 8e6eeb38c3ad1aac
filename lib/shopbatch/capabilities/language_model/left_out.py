"""Which examples are left out of training, checked one by one before anything is trained, and counted in the report."""

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
    """Check every example, in Ray tasks, and leave out those that cannot be learnt whole.

    Args:
        encode: Makes documents of examples.
        examples: All examples of the source.
        dropped: Largest share of them that may be left out.

    Returns:
        The other examples, and the number of those left out for each reason.

    Raises:
        UserError: The chat template cannot be trained on, too many examples are left out, or all of a split.
    """
    if examples.rows["prompt"][0].as_py():
        _ = encode.answer_format  # refuses a chat template here, in one line, and not in a task
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
    """Return why each example of a window is left out, "" for none."""
    window = rows.slice(start, WINDOW)
    pairs = zip(window["prompt"].to_pylist(), window["answer"].to_pylist(), strict=True)
    encoded = [encode.encode(prompt, answer) for prompt, answer in pairs]
    return np.array(["" if isinstance(e, Document) else e for e in encoded], "U8")
