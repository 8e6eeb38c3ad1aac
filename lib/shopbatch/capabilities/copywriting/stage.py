"""Attributes of a product -> copy in one language, by a text generator; only grounded copy is let through."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.copywriting.coverage import NAMES, finest, mentions, named, share
from shopbatch.capabilities.copywriting.prompt import SHOWN, fenced
from shopbatch.capabilities.copywriting.rules import SCHEMA, Judge, Rules, Verdict, attributes_of, parse
from shopbatch.capabilities.copywriting.rules import VERSION as RULES
from shopbatch.core.hashing import digest
from shopbatch.engines.base import Generator
from shopbatch.engines.configs import GUIDED, GenerateConfig, Sampling
from shopbatch.engines.factory import open_generator
from shopbatch.grounding.check import VERSION as GROUNDING
from shopbatch.grounding.check import Facts
from shopbatch.text.injection import harmless, hostile
from shopbatch.warehouse.files import blank, invalid_utf8

VERSION = 1  # of everything between the columns and the raw output; a test fails when the source changes without it


@dataclass(frozen=True)
class Prompt:
    """instruction: the system message. examples: (attributes, copy) that are shown before each product."""

    instruction: str
    examples: tuple[tuple[Mapping[str, str | None], str], ...] = ()

    def messages(self, attributes: Mapping[str, str | None]) -> list[dict[str, str]]:
        """What the model is given. The same for all products up to the last message: a prefix cache keeps that."""
        said = [{"role": "system", "content": self.instruction}]
        for shown, copy in self.examples:
            said += [{"role": "user", "content": fenced(shown)}, {"role": "assistant", "content": copy}]
        return [*said, {"role": "user", "content": fenced(attributes)}]


@dataclass(frozen=True)
class Drawing:
    """How answers are drawn: the first attempt by `first`; later ones hotter, with other seeds and room to finish."""

    first: Sampling
    temperature: float = 0.7
    top_p: float = 0.9
    guided: bool = True

    def sampling(self, attempt: int, kind: str) -> Sampling:
        """Of an attempt, from 1, at an engine of this kind."""
        guide = {"guide": SCHEMA} if self.guided and kind in GUIDED else {}
        if attempt == 1:
            return self.first.model_copy(update=guide)
        later = {"temperature": self.temperature, "top_p": self.top_p, "seed": self.first.seed + attempt - 1}
        room = {"max_new_tokens": self.first.max_new_tokens * min(1 + attempt, 4) // 2}
        return self.first.model_copy(update=later | room | guide)


@dataclass(frozen=True)
class DescriptionStage:
    """The stage of `describe_products` for one language.

    model: folder ("" where the engine loads none); models: digests, part of the recipe. call_rows: prompts that go to
    the engine together. max_bytes: more attributes than this are rejected as too_long.
    """

    engine: GenerateConfig
    model: str
    models: Mapping[str, str]
    language: str
    prompt: Prompt
    drawing: Drawing
    rules: Rules
    call_rows: int = 128
    max_bytes: int = 2_000
    unmentioned: float = 0.5
    content: tuple[str, ...] = tuple(SHOWN)
    carry: tuple[str, ...] = ("department",)
    mix: tuple[str, str] = ("department", "language")
    outputs: pa.Schema = field(
        default_factory=lambda: pa.schema([
            ("text", pa.string()), ("finish", pa.string()), ("tokens_out", pa.int32()), ("attributes", pa.string()),
        ])
    )  # fmt: skip

    @property
    def light(self) -> bool:
        return bool(getattr(self.engine, "light", False))

    @property
    def gpus(self) -> float:
        return float(getattr(self.engine, "gpus", 0.0))

    @property
    def checks(self) -> str:
        return digest({"rules": RULES, "grounding": GROUNDING, "conf": self.rules.identity})

    def recipe(self) -> Mapping[str, Any]:
        return {
            "stage": "description",
            "version": VERSION,
            "language": self.language,
            "engine": self.engine.identity(),
            "models": dict(self.models),
            "instruction": self.prompt.instruction,
            "examples": [[dict(a), c] for a, c in self.prompt.examples],
            "sampling": [self.drawing.sampling(n, self.engine.kind).model_dump(mode="json") for n in (1, 2)],
        }

    def check(self, content: pa.Table) -> pa.Array:
        """empty: nothing that names it. too_long: more than max_bytes. invalid_utf8. null: can be described."""
        broken = [mask for c in content.columns if (mask := invalid_utf8(c)) is not None]
        bad = np.logical_or.reduce([m.to_numpy(zero_copy_only=False) for m in broken]) if broken else None
        size = np.zeros(content.num_rows, np.int64)
        named = np.zeros(content.num_rows, bool)
        for name in self.content:
            size += pc.fill_null(pc.binary_length(content[name]), 0).to_numpy()
            if name in NAMES:
                named |= _names(content[name] if bad is None else blank(content[name]))
        reasons = np.full(content.num_rows, None, object)
        reasons[size > self.max_bytes] = "too_long"
        reasons[~named] = "empty"
        if bad is not None:
            reasons[bad] = "invalid_utf8"
        return pa.array(reasons, pa.string())

    def open(self) -> Writer:
        return Writer(self, open_generator(self.engine, self.model or None))

    def judge(self, raw: pa.Table) -> pa.Array:
        """The first rule that a text breaks (see copywriting.copy). unnamed: it does not say what the product is.
        unmentioned: it says too few of its attributes.
        """
        rows = raw.select(["text", "finish", "attributes"]).to_pylist()
        found = [
            None if r["text"] is None else self.verdict(r["text"], r["finish"], r["attributes"]).reason for r in rows
        ]
        return pa.array(found, pa.string())

    def verdict(self, text: str, finish: str, kept: str) -> Verdict:
        """What all rules say of a text. kept: its attributes, as the memo keeps them."""
        attributes = attributes_of(kept)
        judge = Judge(self.rules, self.language, self.prompt.instruction)
        verdict = judge(text, finish, Facts(attributes))
        if verdict.reason or verdict.copy is None:
            return verdict
        if not finest(attributes):
            return replace(verdict, reason="unnamed")
        if not self._measured(attributes):
            return verdict
        if not named(attributes, verdict.copy.text):
            return replace(verdict, reason="unnamed")
        covered = share(mentions(attributes, verdict.copy.text, self.language))
        return replace(verdict, reason="unmentioned") if covered < self.rules.coverage else verdict

    def _measured(self, attributes: Mapping[str, str | None]) -> bool:
        """Whether mentions can be told: copy shares no words with attributes in the other script."""
        return (self.language == "zh") == any("\u4e00" <= c <= "\u9fff" for c in finest(attributes))

    def publish(self, carried: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        done: dict[tuple[str, str], dict[str, Any]] = {}  # products with equal attributes share one copy
        rows = []
        for key in zip(raw["text"].to_pylist(), raw["attributes"].to_pylist(), strict=True):
            if key not in done:
                done[key] = self._shown(*key)
            rows.append(done[key])
        types = {"bullets": pa.list_(pa.string()), "coverage": pa.float32()}
        names = ("headline", "description", "bullets", "evidence", "coverage")
        arrays = {n: pa.array([r[n] for r in rows], types.get(n, pa.string())) for n in names}
        return arrays | {"tokens_out": raw["tokens_out"]}

    def _shown(self, text: str, kept: str) -> dict[str, Any]:
        """The published columns of one text that the judge has let pass."""
        copy, attributes = parse(text), attributes_of(kept)
        if copy is None:
            raise AssertionError("what the judge refuses is not published")
        said = mentions(attributes, copy.text, self.language)
        return {
            "headline": copy.headline,
            "description": copy.description,
            "bullets": list(copy.bullets),
            "evidence": json.dumps({m.attribute: m.span for m in said}, ensure_ascii=False),
            "coverage": share(said) if self._measured(attributes) else None,
        }

    def measure(self, published: pa.Table) -> dict[str, float]:
        mean = pc.mean(published["coverage"]).as_py()
        return {"attributes not mentioned, mean": 0.0 if mean is None else 1 - mean}

    def limits(self) -> dict[str, float]:
        return {"attributes not mentioned, mean": self.unmentioned}


class Writer:
    """The stage inside a worker: a generator and the prompt."""

    def __init__(self, stage: DescriptionStage, generator: Generator) -> None:
        self.stage, self.generator = stage, generator

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        rows = np.arange(content.num_rows)
        return [rows[a : a + self.stage.call_rows] for a in range(0, len(rows), self.stage.call_rows)]

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        shown = [harmless(row) for row in content.to_pylist()]
        prompts = [self.generator.render(self.stage.prompt.messages(a)) for a in shown]
        texts: list[str] = [""] * len(prompts)
        finish: list[str] = [""] * len(prompts)
        tokens = np.zeros((2, len(prompts)), np.int32)
        for attempt in sorted(set(attempts.tolist())):
            rows = np.flatnonzero(attempts == attempt)
            sampling = self.stage.drawing.sampling(int(attempt), self.stage.engine.kind)
            done = self.generator.generate([prompts[i] for i in rows], sampling)
            for i, text, end in zip(rows, done.texts, done.finished, strict=True):
                texts[i], finish[i] = text, end
            tokens[0, rows], tokens[1, rows] = done.tokens_in, done.tokens_out
        return pa.table({
            "text": pa.array(texts, pa.string()),
            "finish": pa.array(finish, pa.string()),
            "tokens_out": pa.array(tokens[1]),
            "attributes": pa.array(_kept(shown), pa.string()),
            "tokens": pa.array(tokens[0]),
        })  # fmt: skip


def _names(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """bool [n]: where a value names a product: neither blank nor an order to a model."""
    coded = pc.dictionary_encode(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    good = [bool(v and v.strip()) and not hostile(v) for v in coded.dictionary.to_pylist()]
    found = np.array([*good, False])[pc.fill_null(coded.indices, len(good)).to_numpy(zero_copy_only=False)]
    return np.asarray(found)


def _kept(shown: Sequence[Mapping[str, str | None]]) -> list[str]:
    """Attributes as the memo keeps them beside a text, so that it can be judged again by itself."""
    return [json.dumps({n: v for n, v in a.items() if v and v.strip()}, ensure_ascii=False) for a in shown]
