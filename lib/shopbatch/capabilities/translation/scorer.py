"""Translates batches of texts inside a worker, for `stage.TranslationStage`.

Parts that must stay unchanged are masked, the engine translates, the parts are put back, and an encoder compares each
text with its translation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.translation.atoms import Masked, mask
from shopbatch.capabilities.translation.checks.likeness import Comparer
from shopbatch.capabilities.translation.glossary import atoms_of, read_entries
from shopbatch.engines.base import Translator

MASKED, WHOLE, SAME = "masked", "whole", "none"


def raw_schema() -> pa.Schema:
    """Return the schema of the raw outputs, as the memo stores them.

    Its columns:

    - pair: the text, its language, brands and glossary entries, as JSON.
    - translation: the engine's translation with the masked parts put back; without an engine call the text itself (in a
      text of nothing but masked parts the glossary terms are replaced).
    - writer: `masked` (the engine got the text with masks), `whole` (it got the unmasked text) or `none` (it was not
      called).
    - problem: fault of the masks: mask_lost, mask_doubled, or "".
    - finish: "length" if the engine stopped at its token limit, else "stop".
    - whole, covered, backed: cosines, see `likeness.Likeness`; null without an encoder.
    - clauses: the clause of `covered` and the clause of `backed`, with U+001F between; "" without an encoder.
    - tries: number of the attempt, from 1.
    - tokens_out: number of tokens that the engine generated.
    """
    text, number = pa.string(), pa.float32()
    return pa.schema([
        ("pair", text), ("translation", text), ("writer", text), ("problem", text), ("finish", text), ("whole", number),
        ("covered", number), ("backed", number), ("clauses", text), ("tries", pa.int8()), ("tokens_out", pa.int32()),
    ])  # fmt: skip


@dataclass
class _Job:
    """One text of a batch and the state of its translation.

    Attributes:
        row: Columns of the text: text, source_language, brands, glossary.
        attempt: Number of the attempt, from 1.
        masked: The text that the engine gets, and the masked parts.
        writer: MASKED (the engine gets the masked text), WHOLE (it gets the unmasked text) or SAME (no engine call).
        translation: The translation with the masked parts put back.
        problem: Fault of the masks: mask_lost, mask_doubled, or "".
        finish: "length" if the engine stopped at its token limit, else "stop".
        tokens: Number of tokens read and generated.
    """

    row: dict[str, Any]
    attempt: int
    masked: Masked
    writer: str
    translation: str = ""
    problem: str = ""
    finish: str = "stop"
    tokens: tuple[int, int] = (0, 0)


class TranslationScorer:
    """Scorer of `TranslationStage`: translates batches of texts into one language, with engine and encoder loaded."""

    def __init__(self, translator: Translator, comparer: Comparer | None, target: str, call_rows: int) -> None:
        """Keep the loaded parts.

        Args:
            translator: The engine.
            comparer: Compares texts with translations; None: similarity is not computed.
            target: ISO 639-1 code of the target language.
            call_rows: Greatest number of texts per batch.
        """
        self.translator, self.comparer, self.target, self.call_rows = translator, comparer, target, call_rows

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Split the rows, in their order, into batches of `call_rows` texts."""
        rows = np.arange(content.num_rows)
        return [rows[a : a + self.call_rows] for a in range(0, len(rows), self.call_rows)]

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Translate one batch of texts.

        Odd attempts give the engine the masked text. Even attempts give it the unmasked text, because an engine may
        lose masks and the words around them. A text in the target language, or without a letter outside masks, is not
        sent to the engine.

        Args:
            content: Columns text, source_language, brands, glossary, [n].
            attempts: int8 [n]: number of the attempt for each row, from 1.

        Returns:
            A table of n rows with the columns of `raw_schema` and `tokens` (int32), the tokens read.

        Raises:
            EngineError: The engine failed.
        """
        jobs = [self._job(row, int(n)) for row, n in zip(content.to_pylist(), attempts.tolist(), strict=True)]
        groups: dict[tuple[str, int], list[_Job]] = {}
        for job in jobs:
            if job.writer != SAME:
                groups.setdefault((job.row["source_language"], job.attempt), []).append(job)
        for (source, attempt), group in sorted(groups.items(), key=lambda item: item[0]):
            made = self.translator.translate([job.masked.text for job in group], (source, self.target), attempt)
            spent = zip(made.tokens_in.tolist(), made.tokens_out.tolist(), strict=True)
            for job, text, finish, tokens in zip(group, made.texts, made.finished, spent, strict=True):
                job.translation, job.problem = job.masked.restore(text)
                job.finish, job.tokens = finish, tokens
        return self._table(jobs)

    def _job(self, row: dict[str, Any], attempt: int) -> _Job:
        """Mask one text and decide whether the engine gets the masked text, the unmasked text, or nothing."""
        demanded, _ = read_entries(row["glossary"], self.target)
        whole = attempt % 2 == 0
        fixed = atoms_of(row["text"], demanded, row["brands"] or ())
        masked = mask(row["text"], fixed)
        left = "".join(c for c in _outside(masked) if c.isalpha())
        if row["source_language"] == self.target or not left:
            said = row["text"] if row["source_language"] == self.target else masked.restore(masked.text)[0]
            return _Job(row, attempt, masked, SAME, said)
        return _Job(row, attempt, Masked(row["text"], ()) if whole else masked, WHOLE if whole else MASKED)

    def _table(self, jobs: list[_Job]) -> pa.Table:
        """Compare the translations with their texts, and make the table of raw outputs."""
        compared = [job for job in jobs if job.writer != SAME]
        alike = {}
        if self.comparer is not None and compared:
            pairs = [(job.row["text"], job.translation, (job.row["source_language"], self.target)) for job in compared]
            alike = {id(job): one for job, one in zip(compared, self.comparer.compare(pairs), strict=True)}
        rows = []
        for job in jobs:
            like = alike.get(id(job))
            rows.append({
                "pair": json.dumps({
                    "text": job.row["text"], "language": job.row["source_language"], "brands": job.row["brands"],
                    "glossary": job.row["glossary"],
                }, ensure_ascii=False),
                "translation": job.translation, "writer": job.writer, "problem": job.problem, "finish": job.finish,
                "whole": like.whole if like else None, "covered": like.covered if like else None,
                "backed": like.backed if like else None, "clauses": f"{like.clause}\x1f{like.added}" if like else "",
                "tries": job.attempt, "tokens_out": job.tokens[1], "tokens": job.tokens[0],
            })  # fmt: skip
        return pa.Table.from_pylist(rows, raw_schema().append(pa.field("tokens", pa.int32())))


def _outside(masked: Masked) -> str:
    """Return a masked text with a blank in place of each mask: the part that the engine would have to translate."""
    text = masked.text
    for number in range(len(masked.atoms)):
        text = text.replace(f"⟦{number}⟧", " ")
    return text
