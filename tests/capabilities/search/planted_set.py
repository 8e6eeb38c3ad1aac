"""The planted queries: written apart from the rules, by RULES.md, and split before any rule was run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from shopbatch.capabilities.search.understanding.understand import understand
from shopbatch.capabilities.search.understanding.vocabulary import Vocabulary

FOLDER = Path(__file__).parent / "planted"
Triple = tuple[str, str, str | float]


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    words = json.loads((FOLDER / "vocabulary.json").read_text("utf-8"))
    types = {name: (*names["en"], *names["zh"]) for name, names in words["types"].items()}
    return Vocabulary(types=types, brands=tuple(words["brands"]))


def rows(part: str) -> list[dict[str, Any]]:
    text = (FOLDER / part).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def labelled(row: dict[str, Any]) -> set[Triple]:
    triples = {_triple(c["kind"], c["op"], c["value"]) for c in row["constraints"]}
    return triples | ({("type", "=", row["type"])} if row["type"] else set())


def parsed(row: dict[str, Any]) -> set[Triple]:
    need = understand(row["query"], vocabulary())
    triples = {_triple(*c.triple) for c in need.constraints}
    return triples | ({("type", "=", need.type)} if need.type else set())


def _triple(kind: str, op: str, value: str | float) -> Triple:
    return kind, op, value.lower() if isinstance(value, str) else float(value)


@dataclass
class Score:
    """Triples that are right, wrong, and missed."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def f1(self) -> float:
        return 2 * self.right / max(2 * self.right + self.wrong + self.missed, 1)


def scores(of: Iterable[dict[str, Any]]) -> dict[str, Score]:
    """Micro-averaged scores, over all and by language and kind. No query is kept."""
    right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    for row in of:
        said, want = parsed(row), labelled(row)
        for counter, triples in ((right, said & want), (wrong, said - want), (missed, want - said)):
            for kind, _, _ in triples:
                counter.update(("all", row["language"], kind))
    names = sorted({*right, *wrong, *missed})
    return {name: Score(right[name], wrong[name], missed[name]) for name in names}


def interval(of: list[dict[str, Any]], draws: int = 2_000, seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval of the F1 over all, by drawing queries."""
    pairs = [(parsed(row), labelled(row)) for row in of]
    counts = np.array([(len(said & want), len(said - want), len(want - said)) for said, want in pairs])
    drawn = np.random.default_rng(seed).integers(0, len(of), (draws, len(of)))
    right, wrong, missed = counts[drawn].sum(axis=1).T
    low, high = np.quantile(2 * right / (2 * right + wrong + missed), (0.025, 0.975))
    return float(low), float(high)


def table(of: dict[str, Score]) -> str:
    lines = (f"{name:<10}{s.f1:7.3f}{s.right:7}{s.wrong:7}{s.missed:7}" for name, s in of.items())
    return "\n".join([f"{'':<10}{'F1':>7}{'right':>7}{'wrong':>7}{'missed':>7}", *lines])


if __name__ == "__main__":
    for part in ("dev.jsonl", "planted_held.jsonl"):
        low, high = interval(rows(part))
        print(f"{part}: F1 over all between {low:.3f} and {high:.3f} (95 %)", table(scores(rows(part))), sep="\n")
