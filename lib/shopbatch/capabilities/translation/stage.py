"""A text with what holds for it -> its translation into one language; what does not pass the checks stays the text.

What the memo keeps is what costs: the translation of an engine and its likeness. The checks are made anew when the
table is published, so that a changed check translates nothing again, except what it refuses for the first time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.translation.atoms import VERSION as ATOMS
from shopbatch.capabilities.translation.chat import ChatTranslator, attempt_sampling
from shopbatch.capabilities.translation.checks.check import IDENTITY, Fault, Pair, check
from shopbatch.capabilities.translation.checks.data import data_digest
from shopbatch.capabilities.translation.checks.likeness import VERSION as LIKENESS
from shopbatch.capabilities.translation.checks.likeness import Comparer, Likeness, Thresholds
from shopbatch.capabilities.translation.glossary import read_entries
from shopbatch.capabilities.translation.scorer import SAME, TranslationScorer, raw_schema
from shopbatch.core.hashing import digest
from shopbatch.engines.base import Translator
from shopbatch.engines.configs import EngineConfig, Sampling
from shopbatch.engines.factory import open_engine, open_generator, open_translator
from shopbatch.engines.translator_configs import ApertiumConfig, CTranslate2Config, TranslateConfig
from shopbatch.inference.stage import BaseStage, Scorer

VERSION = 1  # of all between the columns and the raw output
CONTENT = ("text", "source_language", "brands", "glossary")
_MASK_FAULTS = ("mask_lost", "mask_doubled")


@dataclass(frozen=True)
class Comparison:
    """What compares texts with translations: an encoder, its model's folder and digest, and its prefix."""

    engine: EngineConfig
    path: str = ""
    digest: str = ""
    prefix: str = ""


@dataclass(frozen=True)
class TranslationStage(BaseStage):
    """The stage of translate_products and translate_replies for one language.

    Attributes:
        engine: What translates.
        target: The language.
        pairs: Source languages that the engine translates from, and the folder of the model of each.
        models: Digests of models, part of the recipe.
        instruction: What a generator is told.
        sampling: How its answers are drawn, and the temperature of later attempts.
        comparison: What compares; None: nothing does.
        thresholds: Least likeness.
        attempts: How often a text is tried.
        call_rows: Texts in one call.
        max_text: Greatest length of a text in bytes.
        passthrough: Columns that a published row takes over.
    """

    engine: TranslateConfig
    target: str
    pairs: Mapping[str, str]
    models: Mapping[str, str] = field(default_factory=dict)
    instruction: str = ""
    sampling: tuple[Sampling, float] = (Sampling(), 0.5)
    comparison: Comparison | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    attempts: int = 2
    call_rows: int = 64
    max_text: int = 20_000
    passthrough: tuple[str, ...] = ()
    content: tuple[str, ...] = CONTENT
    drift_columns: tuple[str, str] = ("source_language", "status")
    outputs: pa.Schema = field(default_factory=raw_schema)

    @property
    def passthrough_columns(self) -> tuple[str, ...]:
        return (*self.passthrough, "source_language", "text")

    @property
    def stateless(self) -> bool:
        light = isinstance(self.engine, ApertiumConfig) or bool(getattr(self.engine, "light", False))
        return light and (self.comparison is None or bool(getattr(self.comparison.engine, "light", False)))

    @property
    def gpus(self) -> float:
        return float(getattr(self.engine, "gpus", 0.0))

    @property
    def checks(self) -> str:
        least = [self.thresholds.whole, self.thresholds.covered, self.thresholds.backed, self.thresholds.margin]
        return digest({"versions": list(IDENTITY), "words": data_digest(), "least": least, "attempts": self.attempts})

    @property
    def engine_kind(self) -> str:
        return self.engine.kind

    def recipe(self) -> Mapping[str, Any]:
        made = {
            "stage": "translation",
            "version": [VERSION, ATOMS, LIKENESS],
            "engine": self.engine.identity(),
            "target": self.target,
            "models": dict(self.models),
            "sources": sorted(self.pairs),
        }
        if self.comparison is not None:
            made["encoder"] = self.comparison.engine.identity()
        if not isinstance(self.engine, ApertiumConfig | CTranslate2Config):
            drawn = [attempt_sampling(*self.sampling, n).model_dump(mode="json") for n in (1, 2)]
            made |= {"instruction": self.instruction, "sampling": drawn}
        return made

    def check(self, content: pa.Table) -> pa.Array:
        """Return why each row is rejected: empty, too_long, invalid_utf8, no_language, no_pair, or null."""
        own = pc.coalesce(super().check(content), super().check(content.select(["text"])))
        languages = content["source_language"].combine_chunks()
        known = pa.array([*self.pairs, self.target], pa.string())
        no_pair = pc.if_else(pc.is_in(languages, known), pa.scalar(None, pa.string()), "no_pair")
        long = pc.greater(pc.fill_null(pc.binary_length(content["text"].combine_chunks()), 0), self.max_text)
        return pc.coalesce(
            own,
            pc.if_else(long, "too_long", pa.scalar(None, pa.string())),
            pc.if_else(pc.is_null(languages), "no_language", pa.scalar(None, pa.string())),
            no_pair,
        )

    def open(self) -> Scorer:
        comparer = None
        if self.comparison is not None:
            comparer = Comparer(
                open_engine(self.comparison.engine, self.comparison.path or None), self.comparison.prefix
            )
        return TranslationScorer(self._translator(), comparer, self.target, self.call_rows)

    def _translator(self) -> Translator:
        engine = self.engine
        if isinstance(engine, ApertiumConfig | CTranslate2Config):
            folders = {f"{source}-{self.target}": path for source, path in self.pairs.items() if path}
            return open_translator(engine, folders)
        model = next((path for path in self.pairs.values() if path), None)
        return ChatTranslator(open_generator(engine, model), self.instruction, *self.sampling)

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return the first fault of each translation that may be tried again; null for the others."""
        reasons = [
            faults[0].kind if row["tries"] < self.attempts and (faults := self.faults(row)) else None
            for row in raw.to_pylist()
        ]
        return pa.array(reasons, pa.string())

    def faults(self, row: Mapping[str, Any]) -> tuple[Fault, ...]:
        """Return what is wrong with the translation of a raw row; () also if there is none to judge."""
        if row["pair"] is None or row["writer"] == SAME:
            return ()
        alike = (row["whole"], row["covered"], row["backed"], row["clauses"])
        return _faults(
            row["pair"], row["translation"], row["problem"], row["finish"], alike, self.target, self.thresholds
        )

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        rows = raw.to_pylist()
        every = [self.faults(row) for row in rows]
        status = [
            "same" if row["writer"] == SAME else "source" if faults else "translated"
            for row, faults in zip(rows, every, strict=True)
        ]
        said = [None if s == "source" else row["translation"] for row, s in zip(rows, status, strict=True)]
        kinds = [list(dict.fromkeys(fault.kind for fault in faults)) for faults in every]
        return {
            "translation": pa.array(said, pa.string()),
            "status": pa.array(status, pa.string()),
            "faults": pa.array(kinds, pa.list_(pa.string())),
            "likeness": raw["whole"],
            "writer": raw["writer"],
            "tokens_out": raw["tokens_out"],
        }


@lru_cache(maxsize=16_384)
def _faults(
    stored: str,
    translation: str,
    problem: str,
    finish: str,
    alike: tuple[float | None, float, float, str],
    target: str,
    thresholds: Thresholds,
) -> tuple[Fault, ...]:
    """The faults of a translation; kept, since it is judged first and published then."""
    pair = json.loads(stored)
    demanded, forbidden = read_entries(pair["glossary"], target)
    likeness = None
    if alike[0] is not None:
        clause, _, added = alike[3].partition("\x1f")
        likeness = Likeness(alike[0], alike[1], alike[2], clause, added)
    faults = [Fault("mask", problem)] if problem in _MASK_FAULTS else []
    faults += [Fault("cut", "the engine stopped at its limit")] if finish == "length" else []
    languages = (pair["language"], target)
    faults += check(
        Pair(pair["text"], translation, languages, tuple(pair["brands"] or ()), demanded, forbidden, likeness),
        thresholds,
    )
    return tuple(faults)
