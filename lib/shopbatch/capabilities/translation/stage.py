"""The inference stage of translate_products and translate_replies: turns texts into checked translations.

One stage translates into one target language. The memo keeps only what is expensive: the engine's translation and its
similarity to the text. All other checks run again whenever the table is published. After a check has changed, a text is
translated again only if its stored translation is refused and has attempts left. A text without a translation that
passes is published with the status `source`: the shop shows it untranslated.
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

VERSION = 1  # of everything between the content columns and the raw output
CONTENT = ("text", "source_language", "brands", "glossary")
_MASK_FAULTS = ("mask_lost", "mask_doubled")


@dataclass(frozen=True)
class Comparison:
    """Settings from which each worker opens the encoder that compares texts with translations.

    Attributes:
        engine: Settings of the encoder's engine.
        path: Folder of its model; "" for the fake encoder.
        digest: Digest of the model, part of the recipe.
        prefix: Text put before every text that is encoded, as the model was trained with (for example "query: ").
    """

    engine: EngineConfig
    path: str = ""
    digest: str = ""
    prefix: str = ""


@dataclass(frozen=True)
class TranslationStage(BaseStage):
    """The stage of translate_products and translate_replies for one target language.

    Attributes:
        engine: Settings of the engine that translates.
        target: ISO 639-1 code of the target language.
        pairs: {source language that the engine can translate from: folder of its model, "" without one}.
        models: {name: digest} of all models used, part of the recipe.
        instruction: System prompt of an engine that generates text, else "".
        sampling: Sampling settings of such an engine's first attempt, and the temperature of its later attempts.
        comparison: The encoder that compares texts with translations; None: similarity is not checked.
        thresholds: Lower limits of the similarity.
        attempts: Greatest number of attempts per text.
        call_rows: Greatest number of texts in one call of the engine.
        max_text: Greatest length of a text in bytes.
        passthrough: Columns of the source table that are copied into the published row, besides language and text.
        content: Columns that a translation depends on.
        drift_columns: Published columns whose shares the drift gate compares.
        outputs: Schema of the raw outputs, see `raw_schema`.
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
        """Source columns that are copied into the published row."""
        return (*self.passthrough, "source_language", "text")

    @property
    def stateless(self) -> bool:
        """True if opening the stage costs next to nothing: neither engine nor encoder loads a model."""
        light = isinstance(self.engine, ApertiumConfig) or bool(getattr(self.engine, "light", False))
        return light and (self.comparison is None or bool(getattr(self.comparison.engine, "light", False)))

    @property
    def gpus(self) -> float:
        """Number of GPUs that one worker's engine needs."""
        return float(getattr(self.engine, "gpus", 0.0))

    @property
    def checks(self) -> str:
        """Digest of everything that can change a verdict.

        That is: the versions of the checks, their word lists, the limits of the similarity, and the number of attempts.
        """
        least = [self.thresholds.whole, self.thresholds.covered, self.thresholds.backed, self.thresholds.margin]
        return digest({"versions": list(IDENTITY), "words": data_digest(), "least": least, "attempts": self.attempts})

    @property
    def engine_kind(self) -> str:
        """Name of the engine, for the report."""
        return self.engine.kind

    def recipe(self) -> Mapping[str, Any]:
        """Return everything that can change a raw translation.

        That is: engine, models and languages, and for an engine that generates text also its prompt and sampling
        settings.
        """
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
        """Return why each row is rejected before translation, string array [n]; null: it can be translated.

        The reasons are empty, too_long, invalid_utf8, no_language, and no_pair (no engine for its source language).
        """
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
        """Load engine and encoder in a worker, and return the scorer that translates."""
        comparer = None
        if self.comparison is not None:
            comparer = Comparer(
                open_engine(self.comparison.engine, self.comparison.path or None), self.comparison.prefix
            )
        return TranslationScorer(self._translator(), comparer, self.target, self.call_rows)

    def _translator(self) -> Translator:
        """Open the engine; one that generates text is wrapped in `ChatTranslator`."""
        engine = self.engine
        if isinstance(engine, ApertiumConfig | CTranslate2Config):
            folders = {f"{source}-{self.target}": path for source, path in self.pairs.items() if path}
            return open_translator(engine, folders)
        model = next((path for path in self.pairs.values() if path), None)
        return ChatTranslator(open_generator(engine, model), self.instruction, *self.sampling)

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return why each translation is to be tried again, as a string array [n]; null: it is not.

        The reason is the kind of the first fault of a translation that has attempts left. A translation with faults but
        without attempts left gets null as well; `publish` gives it the status `source`.
        """
        reasons = [
            faults[0].kind if row["tries"] < self.attempts and (faults := self.faults(row)) else None
            for row in raw.to_pylist()
        ]
        return pa.array(reasons, pa.string())

    def faults(self, row: Mapping[str, Any]) -> tuple[Fault, ...]:
        """Return the faults of one raw translation; () if it passes all checks, or if the text needed no translation.

        Args:
            row: One row of the raw outputs (`raw_schema`).
        """
        if row["pair"] is None or row["writer"] == SAME:
            return ()
        alike = (row["whole"], row["covered"], row["backed"], row["clauses"])
        return _faults(
            row["pair"], row["translation"], row["problem"], row["finish"], alike, self.target, self.thresholds
        )

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Make the published columns from the raw outputs.

        They are translation (null if it has faults), status, faults, likeness, writer and tokens_out.
        """
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
    """Run all checks on one translation.

    The result is cached, because `judge` and `publish` ask for the same translations.

    Args:
        stored: The column `pair`: text, language, brands and glossary entries as JSON.
        translation: The engine's translation.
        problem: Fault of the masks (mask_lost, mask_doubled) or "".
        finish: "length" if the engine stopped at its token limit, else "stop".
        alike: Cosines whole, covered and backed, and the column `clauses`; whole is None without an encoder.
        target: Target language.
        thresholds: Lower limits of the similarity.
    """
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
