"""Evaluate moderate_reviews on labelled harmful texts: how many it finds by its word lists alone, and with the model.

A file has one JSON object per line: text, language, and `kind` ("benign", or the kind of harm). Only rates are printed,
so a test set that nobody has read stays unread. Run: python -m bench.moderation --warehouse DIR FILE...
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from bench.side_by_side import benchmark

from shopbatch.capabilities.moderation.config import ModerateReviewsConfig
from shopbatch.capabilities.moderation.run import moderation_spec
from shopbatch.evaluation.proportions import score_interval
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store

BENIGN = "benign"


def found(spec: Spec, texts: list[str]) -> list[set[str]]:
    """Return for each text the set of kinds of harm that moderation finds in it, such as {"threat"}; empty if none.

    Args:
        spec: The job moderate_reviews with its word lists and, if set, its model.
        texts: The texts to moderate.
    """
    content = pa.table({"title": pa.nulls(len(texts), pa.string()), "text": pa.array(texts, pa.string())})
    raw = spec.stage.open().run(content, np.ones(len(texts), np.int8))
    return [{finding["kind"] for finding in row} for row in raw["findings"].to_pylist()]


def share(hits: int, rows: int) -> str:
    """Format a share with its 95 % interval (Wilson): (3, 4) -> "3 of 4 = 0.750 (0.30 to 0.95)"."""
    low, high = score_interval(np.array([hits]), np.array([max(rows, 1)]), 0.95)
    return f"{hits} of {rows} = {hits / max(rows, 1):.3f} ({low[0]:.2f} to {high[0]:.2f})"


def describe(name: str, rows: list[dict[str, Any]], kinds: list[set[str]]) -> None:
    """Print the recall on harmful texts and the false alarms on benign ones, by language, and the recall by kind.

    Args:
        name: What was evaluated, such as "lists alone".
        rows: The labelled texts, with language and kind.
        kinds: The kinds found in each text, in the same order.
    """
    hits, right, all_rows = Counter[tuple[str, str]](), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row, its in zip(rows, kinds, strict=True):
        for cell in ((row["language"], row["kind"]), ("all", row["kind"])):
            all_rows[cell] += 1
            hits[cell] += bool(its)
            right[cell] += row["kind"] in its
    for language in sorted({language for language, _ in all_rows}):
        harmful = [cell for cell in all_rows if cell[0] == language and cell[1] != BENIGN]
        total = sum(all_rows[cell] for cell in harmful)
        print(f"{name}, {language}: found {share(sum(hits[cell] for cell in harmful), total)}", end="; ")
        print(f"with their kind {share(sum(right[cell] for cell in harmful), total)}", end="; ")
        print(f"false alarms {share(hits[language, BENIGN], all_rows[language, BENIGN])}")
    by_kind = (f"{kind} {hits['all', kind]}/{all_rows['all', kind]}" for _, kind in sorted(all_rows) if _ == "all")
    print(f"  {', '.join(by_kind)}")


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate the texts of all files, with the lists alone and with the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warehouse", required=True)
    parser.add_argument("files", nargs="+", type=Path)
    arguments = parser.parse_args(argv)
    lines = [line for file in arguments.files for line in file.read_text("utf-8").splitlines()]
    rows = [json.loads(line) for line in lines]
    store = Store(arguments.warehouse)
    for name, engine in (("lists alone", None), ("lists and model", {"kind": "openvino"})):
        config = ModerateReviewsConfig.model_validate({"engine": engine})
        spec = moderation_spec(config, store, Report(job="moderate_reviews"))
        describe(name, rows, found(spec, [row["text"] for row in rows]))


if __name__ == "__main__":
    main()
