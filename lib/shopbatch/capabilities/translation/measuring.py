"""Measures translations against human ones (chrF, BLEU), and defines the gates that a target language must pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from shopbatch.capabilities.translation.config import References
from shopbatch.tables.glossary import TRANSLATION_REFERENCES
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.gates import FEW_ROWS, Gate, explain
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

_COLUMNS = ("source_language", "text", "translation", "status")
_READ = ("source_language", "target_language", "text", "reference")


@dataclass(frozen=True)
class Score:
    """How similar translations are to human ones, as sacrebleu measures it.

    Attributes:
        texts: Number of texts compared.
        chrf: Corpus chrF, 0 to 100; higher is better.
        bleu: Corpus BLEU, 0 to 100; higher is better.
    """

    texts: int
    chrf: float
    bleu: float


def read_references(store: Store, target: str) -> dict[tuple[str, str], str]:
    """Return the human translations into a language, as {(source language, text): translation}.

    The dictionary is empty if there is no table `translation_references`.
    """
    if store.find(TRANSLATION_REFERENCES.name) is None:
        return {}
    rows = store.require(TRANSLATION_REFERENCES, _READ).read(list(_READ)).to_pylist()
    return {(r["source_language"], r["text"]): r["reference"] for r in rows if r["target_language"] == target}


def score(rows: Sequence[Mapping[str, Any]], references: Mapping[tuple[str, str], str], target: str) -> Score | None:
    """Compare translations with human ones by chrF and BLEU; None if no text has a human translation.

    Where no translation passed the checks, the text itself is compared, because that is what the shop shows.

    Args:
        rows: Rows with source_language, text, translation (None if none passed).
        references: Human translations, see `read_references`.
        target: Language of the translations.
    """
    pairs = [
        (row["translation"] or row["text"], reference)
        for row in rows
        if (reference := references.get((row["source_language"], row["text"]))) is not None
    ]
    if not pairs:
        return None
    from sacrebleu.metrics import BLEU, CHRF

    said, known = [one for one, _ in pairs], [[other for _, other in pairs]]
    tokenizer = target if target == "zh" else "13a"
    return Score(
        len(pairs), CHRF().corpus_score(said, known).score, BLEU(tokenize=tokenizer).corpus_score(said, known).score
    )


@dataclass(frozen=True)
class Gates:
    """Gates of one target language; `run_inference` calls them before it publishes new translations.

    The first gate limits the share of texts for which no translation passed the checks. The second gate keeps chrF from
    falling too far below that of the live translations.

    Attributes:
        target: ISO 639-1 code of the target language.
        sink: Declaration of the table that is published.
        references: Human translations, see `read_references`.
        limits: Limits of the chrF gate.
        most_source: Greatest share (0 to 1) of texts for which no translation passed.
    """

    target: str
    sink: Table
    references: Mapping[tuple[str, str], str]
    limits: References
    most_source: float

    def __call__(self, uris: Sequence[str], live: Snapshot | None) -> Sequence[Gate]:
        """Judge a candidate.

        Args:
            uris: The candidate's files.
            live: The live table of this language; None if nothing is published yet.

        Returns:
            The gates with their verdicts.
        """
        schema = self.sink.file_schema().remove_metadata()
        tables = [files.read(uri, schema).select(_COLUMNS) for uri in uris]
        rows = [row for table in tables for row in table.to_pylist()]
        gates = [self._kept(rows)]
        if live is not None and self.references:
            gates += self._compared(rows, live)
        return gates

    def _kept(self, rows: Sequence[Mapping[str, Any]]) -> Gate:
        """Judge the share of texts for which no translation passed.

        Texts that need no translation (status `same`) are left out of the share. With fewer than 20 texts the gate
        always passes.
        """
        wanted = [row for row in rows if row["status"] != "same"]
        kept = sum(row["status"] == "source" for row in wanted)
        share = kept / len(wanted) if wanted else 0.0
        passed = len(wanted) < FEW_ROWS or share <= self.most_source
        return Gate(
            "texts without a translation",
            round(share, 4),
            self.most_source,
            passed,
            explain(
                passed,
                f"no translation passed for {kept} of {len(wanted)} texts (most_source={self.most_source:g})",
                "the engine may not be fit for these texts",
                "look at the report's faults, choose another engine, or raise most_source",
            ),
        )

    def _compared(self, rows: Sequence[Mapping[str, Any]], live: Snapshot) -> list[Gate]:
        """Compare chrF of the candidate with that of the live table; [] if either has too few human translations."""
        new, old = score(rows, self.references, self.target), self._live(live)
        if new is None or old is None or min(new.texts, old.texts) < self.limits.fewest:
            return []
        limit = round(old.chrf - self.limits.drop, 2)
        passed = new.chrf >= limit
        return [
            Gate(
                "chrF",
                round(new.chrf, 2),
                limit,
                passed,
                explain(
                    passed,
                    f"chrF is {new.chrf:.1f}, {old.chrf:.1f} for the live ones (references.drop={self.limits.drop:g})",
                    "the new translations are less like those of people",
                    "keep the old model, or raise references.drop",
                    f"on {new.texts} texts",
                ),
            )
        ]

    def _live(self, live: Snapshot) -> Score | None:
        """Measure the live translations against the human ones; None if no text has one."""
        rows = pl.DataFrame(live.read(list(_COLUMNS))).to_dicts()
        return score(rows, self.references, self.target)
