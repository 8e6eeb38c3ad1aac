"""Recall and false alarms on texts that somebody planted who had not seen the rules (planted/RULES.md).

`python -m tests.capabilities.moderation.test_planted` prints the table of the job's page. The rules were developed with
the texts of the half `open`; those of the half `held` were read by nobody who wrote a rule.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shopbatch.evaluation.proportions import wilson
from shopbatch.text.moderation.find import find

HALVES = ("open", "held")


def planted(half: str) -> list[dict[str, Any]]:
    lines = (Path(__file__).parent / "planted" / "texts.jsonl").read_text("utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["half"] == half]


def found(row: dict[str, Any]) -> set[str]:
    return {finding.kind for finding in find(row["text"])}


def right(rows: Sequence[dict[str, Any]]) -> int:
    """How many harmful texts of these are found with all their kinds."""
    return sum(set(row["kinds"]) <= found(row) for row in rows)
