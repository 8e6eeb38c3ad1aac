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

from shopbatch.text.moderation.find import find

# by half: the least share of harmful texts found with all their kinds, and the greatest share of benign ones with any
FLOORS = {"open": (0.97, 0.01), "held": (0.66, 0.03)}
KINDS = ("insult", "threat", "slander", "contact", "advert", "profanity")


def planted(half: str) -> list[dict[str, Any]]:
    """The texts of a half, each with what is found in it."""
    lines = (Path(__file__).parent / "planted" / "texts.jsonl").read_text("utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["half"] == half]
    return [row | {"found": {finding.kind for finding in find(row["text"])}} for row in rows]


def share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits)


@pytest.mark.parametrize("half", FLOORS)
def test_planted_texts_are_found_and_benign_ones_are_not(half: str) -> None:
    rows = planted(half)
    recall = share([set(row["kinds"]) <= row["found"] for row in rows if row["kinds"]])
    alarms = share([bool(row["found"]) for row in rows if not row["kinds"]])
    least, most = FLOORS[half]
    assert len(rows) > 250 and recall >= least and alarms <= most


def main() -> None:
    """Print the shares of both halves, and by kind."""
    for half in FLOORS:
        rows = planted(half)
        harmful, benign = [r for r in rows if r["kinds"]], [r for r in rows if not r["kinds"]]
        for language in ("en", "zh"):
            of = [r for r in harmful if r["language"] == language]
            print(f"{half} {language}: all kinds {sum(set(r['kinds']) <= r['found'] for r in of)} of {len(of)}")
        everything = share([set(r["kinds"]) <= r["found"] for r in harmful])
        print(f"{half}: all kinds {everything:.3f}, any {share([bool(r['found']) for r in harmful]):.3f}", end=", ")
        print(f"false alarms {sum(bool(r['found']) for r in benign)} of {len(benign)}")
        for kind in KINDS:
            of = [r for r in harmful if kind in r["kinds"]]
            print(f"  {kind}: {sum(kind in r['found'] for r in of)} of {len(of)}")


if __name__ == "__main__":
    main()
