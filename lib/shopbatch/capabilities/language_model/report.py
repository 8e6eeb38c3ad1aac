"""Build the tables that `finetune_llm` adds to its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from shopbatch.capabilities.language_model.judge import Judged
from shopbatch.capabilities.language_model.left_out import MEANINGS, REASONS
from shopbatch.runs.report import Figure

SHOWN = 5  # examples in a table


def masks_figure(shown: Sequence[Mapping[str, str]]) -> Figure:
    """Return a table of the first training examples: the given text and the text to learn.

    Args:
        shown: Decoded examples, from `masks.lint`.
    """
    cells = [[s["not trained"], s["trained"]] for s in shown[:SHOWN]]
    return Figure("table", "What is trained on", {"columns": ["given", "learnt"], "rows": cells}, "Decoded tokens.")


def left_out_figures(counts: Mapping[str, int]) -> list[Figure]:
    """Return a table of how many examples were left out and why, as a list with one figure; [] if none were.

    Args:
        counts: Number of examples by reason, from `left_out.leave_out`.
    """
    cells = [[str(n), MEANINGS[reason]] for reason in REASONS if (n := counts[reason])]
    return [Figure("table", "Examples left out", {"columns": ["examples", "they"], "rows": cells})] if cells else []


def answers_figure(judged: Mapping[str, Judged], asked: pa.Table) -> Figure:
    """Return a table of a few held-out prompts, each with the shop's own answer and the answer of each model.

    Args:
        judged: Results of each model, by name.
        asked: The held-out examples that were asked.
    """
    answers = {name: one.answers.texts for name, one in judged.items() if one.answers is not None}
    cells = []
    for i, row in enumerate(asked.slice(0, SHOWN).to_pylist()):
        cells.append([row["prompt"], row["answer"], *(texts[i] for texts in answers.values())])
    return Figure("table", "Held-out answers", {"columns": ["prompt", "reference", *answers], "rows": cells})
