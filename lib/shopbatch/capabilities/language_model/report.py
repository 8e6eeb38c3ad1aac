"""The tables that finetune_llm adds to its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from shopbatch.capabilities.language_model.judge import Judged
from shopbatch.capabilities.language_model.left_out import MEANINGS, REASONS
from shopbatch.runs.report import Figure

SHOWN = 5  # examples in a table


def masks_figure(shown: Sequence[Mapping[str, str]]) -> Figure:
    """Return what is given and what is learnt in the first training examples, as `masks.lint` decoded them."""
    cells = [[s["not trained"], s["trained"]] for s in shown[:SHOWN]]
    return Figure("table", "What is trained on", {"columns": ["given", "learnt"], "rows": cells}, "Decoded tokens.")


def left_out_figures(counts: Mapping[str, int]) -> list[Figure]:
    """Return a table of how many examples `left_out.leave_out` left out, and why; nothing if there are none."""
    cells = [[str(n), MEANINGS[reason]] for reason in REASONS if (n := counts[reason])]
    return [Figure("table", "Examples left out", {"columns": ["examples", "they"], "rows": cells})] if cells else []


def answers_figure(judged: Mapping[str, Judged], asked: pa.Table) -> Figure:
    """Return a few held-out prompts with the shop's own answer and the answer of each model."""
    answers = {name: one.answers.texts for name, one in judged.items() if one.answers is not None}
    cells = []
    for i, row in enumerate(asked.slice(0, SHOWN).to_pylist()):
        cells.append([row["prompt"], row["answer"], *(texts[i] for texts in answers.values())])
    return Figure("table", "Held-out answers", {"columns": ["prompt", "reference", *answers], "rows": cells})
