"""The attributes of a product -> copy in one language, written by a text generator; only grounded copy is published."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.copywriting.config import Rules
from shopbatch.capabilities.copywriting.copy_format import SCHEMA, parse
from shopbatch.capabilities.copywriting.coverage import (
    NAMES,
    mentioned_share,
    mentions,
    most_specific_name,
    names_product,
)
from shopbatch.capabilities.copywriting.facts import CONTENT, known_facts
from shopbatch.capabilities.copywriting.prompt import SHOWN, fenced
from shopbatch.capabilities.copywriting.rules import VERSION as RULES_VERSION
from shopbatch.capabilities.copywriting.rules import Judge, Verdict, parse_attributes
from shopbatch.core.hashing import digest
from shopbatch.engines.base import Generator
from shopbatch.engines.configs import GUIDED, GenerateConfig, Sampling
from shopbatch.engines.factory import open_generator
from shopbatch.grounding.check import VERSION as GROUNDING_VERSION
from shopbatch.grounding.check import Facts
from shopbatch.inference.stage import BaseStage
from shopbatch.text.injection import is_injection
from shopbatch.text.markup import plain_text
from shopbatch.text.visible import has_word
from shopbatch.warehouse.files import blank, invalid_utf8

VERSION = (
    2  # of everything between the columns and the raw output; a test fails if the source changes and this does not
)
_UNMENTIONED = "attributes not mentioned, mean"


@dataclass(frozen=True)
class Prompt:
    """What every prompt begins with.

    instruction: the system message. examples: (attributes, copy) pairs shown before each product.
    """

    instruction: str
    examples: tuple[tuple[Mapping[str, str | None], str], ...] = ()

    def messages(self, attributes: Mapping[str, str | None]) -> list[dict[str, str]]:
        """Return the chat for one product. All but the last message are equal for every product and can be cached."""
        messages = [{"role": "system", "content": self.instruction}]
        for shown, copy in self.examples:
            messages += [{"role": "user", "content": fenced(shown)}, {"role": "assistant", "content": copy}]
        return [*messages, {"role": "user", "content": fenced(attributes)}]


@dataclass(frozen=True)
class AttemptSampling:
    """How answers are drawn: later attempts differ from `first` in temperature, top_p and seed, and may be longer."""

    first: Sampling
    temperature: float = 0.7
    top_p: float = 0.9
    guided: bool = True

    def sampling(self, attempt: int, kind: str) -> Sampling:
        """Return the sampling of an attempt (from 1) with an engine of this kind."""
        guide = {"guide": SCHEMA} if self.guided and kind in GUIDED else {}
        if attempt == 1:
            return self.first.model_copy(update=guide)
        later = {"temperature": self.temperature, "top_p": self.top_p, "seed": self.first.seed + attempt - 1}
        room = {"max_new_tokens": self.first.max_new_tokens * min(1 + attempt, 4) // 2}
        return self.first.model_copy(update=later | room | guide)


@dataclass(frozen=True)
class DescriptionStage(BaseStage):
    """The stage of the job describe_products for one language.

    model: the model's folder, "" if the engine loads none. models: digests of models, part of the recipe.
    call_rows: prompts in one call of the engine. max_bytes: a product whose columns of SHOWN are longer is rejected as
    too_long.
    unmentioned: limit of the gate on the mean share of attributes that copy leaves out.
    """

    engine: GenerateConfig
    model: str
    models: Mapping[str, str]
    language: str
    prompt: Prompt
    attempts: AttemptSampling
    rules: Rules
    call_rows: int = 128
    max_bytes: int = 2_000
    unmentioned: float = 0.5
    content: tuple[str, ...] = CONTENT
    passthrough_columns: tuple[str, ...] = ("department",)
    drift_columns: tuple[str, str] = ("department", "language")
    outputs: pa.Schema = field(
        default_factory=lambda: pa.schema([
            ("text", pa.string()), ("finish", pa.string()), ("tokens_out", pa.int32()), ("attributes", pa.string()),
        ])
    )  # fmt: skip

    @property
    def stateless(self) -> bool:
        return bool(getattr(self.engine, "light", False))

    @property
    def gpus(self) -> float:
        return float(getattr(self.engine, "gpus", 0.0))

    @property
    def checks(self) -> str:
        return digest({"rules": RULES_VERSION, "grounding": GROUNDING_VERSION, "conf": self.rules.identity})

    def recipe(self) -> Mapping[str, Any]:
        return {
            "stage": "description",
            "version": VERSION,
            "language": self.language,
            "engine": self.engine.identity(),
            "models": dict(self.models),
            "instruction": self.prompt.instruction,
            "examples": [[dict(a), c] for a, c in self.prompt.examples],
            "sampling": [self.attempts.sampling(n, self.engine.kind).model_dump(mode="json") for n in (1, 2)],
        }

    def check(self, content: pa.Table) -> pa.Array:
        """Return why each row is rejected: empty (no attribute names the product), too_long, invalid_utf8, or null."""
        broken = [mask for c in content.columns if (mask := invalid_utf8(c)) is not None]
        bad = np.logical_or.reduce([m.to_numpy(zero_copy_only=False) for m in broken]) if broken else None
        size = np.zeros(content.num_rows, np.int64)
        named = np.zeros(content.num_rows, bool)
        for name in SHOWN:  # attributes and description are cut to what a prompt has room for
            size += pc.fill_null(pc.binary_length(content[name]), 0).to_numpy()
            if name in NAMES:
                named |= _holds_name(content[name] if bad is None else blank(content[name]))
        reasons = np.full(content.num_rows, None, object)
        reasons[size > self.max_bytes] = "too_long"
        reasons[~named] = "empty"
        if bad is not None:
            reasons[bad] = "invalid_utf8"
        return pa.array(reasons, pa.string())

    def open(self) -> Writer:
        return Writer(self, open_generator(self.engine, self.model or None))

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return the first rule that each text breaks; null if it breaks none or there is no text."""
        rows = raw.select(["text", "finish", "attributes"]).to_pylist()
        reasons = [
            None if r["text"] is None else self.verdict(r["text"], r["finish"], r["attributes"]).reason for r in rows
        ]
        return pa.array(reasons, pa.string())

    def verdict(self, text: str, finish: str, stored_attributes: str) -> Verdict:
        """Judge a text by all rules.

        There are two more reasons than those of `rules.Judge`: unnamed (the text does not name the product) and
        unmentioned (it mentions too few of the attributes).
        """
        attributes = parse_attributes(stored_attributes)
        judge = Judge(self.rules, self.language, self.prompt.instruction)
        verdict = judge(text, finish, Facts(attributes))
        if verdict.reason or verdict.copy is None:
            return verdict
        if not most_specific_name(attributes):
            return replace(verdict, reason="unnamed")
        if not self._is_comparable(attributes):
            return verdict
        if not names_product(attributes, verdict.copy.text):
            return replace(verdict, reason="unnamed")
        covered = mentioned_share(mentions(attributes, verdict.copy.text, self.language))
        return replace(verdict, reason="unmentioned") if covered < self.rules.coverage else verdict

    def _is_comparable(self, attributes: Mapping[str, str | None]) -> bool:
        """Whether copy and attributes are in one script. If not, they share no words, and mentions cannot be found."""
        return (self.language == "zh") == any("\u4e00" <= c <= "\u9fff" for c in most_specific_name(attributes))

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        published: dict[tuple[str, str], dict[str, Any]] = {}  # products with equal attributes share one copy
        rows = []
        for key in zip(raw["text"].to_pylist(), raw["attributes"].to_pylist(), strict=True):
            if key not in published:
                published[key] = self._columns(*key)
            rows.append(published[key])
        types = {"bullets": pa.list_(pa.string()), "coverage": pa.float32()}
        names = ("headline", "description", "bullets", "evidence", "coverage")
        arrays = {n: pa.array([r[n] for r in rows], types.get(n, pa.string())) for n in names}
        return arrays | {"tokens_out": raw["tokens_out"]}

    def _columns(self, text: str, stored_attributes: str) -> dict[str, Any]:
        """Return the published columns of one text, which has passed the judge."""
        copy, attributes = parse(text), parse_attributes(stored_attributes)
        if copy is None:
            raise AssertionError("a text that is not copy was published, although the judge refuses it")
        mentioned = mentions(attributes, copy.text, self.language)
        return {
            "headline": copy.headline,
            "description": copy.description,
            "bullets": list(copy.bullets),
            "evidence": json.dumps({m.attribute: m.span for m in mentioned}, ensure_ascii=False),
            "coverage": mentioned_share(mentioned) if self._is_comparable(attributes) else None,
        }

    def measure(self, published: pa.Table) -> dict[str, float]:
        mean = pc.mean(published["coverage"]).as_py()
        return {_UNMENTIONED: 0.0 if mean is None else 1 - mean}

    def limits(self) -> dict[str, float]:
        return {_UNMENTIONED: self.unmentioned}


class Writer:
    """The stage inside a worker: a generator and the prompt."""

    def __init__(self, stage: DescriptionStage, generator: Generator) -> None:
        self.stage, self.generator = stage, generator

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        rows = np.arange(content.num_rows)
        return [rows[a : a + self.stage.call_rows] for a in range(0, len(rows), self.stage.call_rows)]

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        shown = known_facts(content)
        prompts = [self.generator.render(self.stage.prompt.messages(a)) for a in shown]
        texts: list[str] = [""] * len(prompts)
        finish: list[str] = [""] * len(prompts)
        tokens = np.zeros((2, len(prompts)), np.int32)
        for attempt in sorted(set(attempts.tolist())):
            rows = np.flatnonzero(attempts == attempt)
            sampling = self.stage.attempts.sampling(int(attempt), self.stage.engine.kind)
            generated = self.generator.generate([prompts[i] for i in rows], sampling)
            for i, text, end in zip(rows, generated.texts, generated.finished, strict=True):
                texts[i], finish[i] = text, end
            tokens[0, rows], tokens[1, rows] = generated.tokens_in, generated.tokens_out
        return pa.table({
            "text": pa.array(texts, pa.string()),
            "finish": pa.array(finish, pa.string()),
            "tokens_out": pa.array(tokens[1]),
            "attributes": pa.array(_stored(shown), pa.string()),
            "tokens": pa.array(tokens[0]),
        })  # fmt: skip


def _holds_name(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Return which values name a product, because they hold a word and are no prompt injection; bool [n]."""
    coded = pc.dictionary_encode(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    texts = plain_text(coded.dictionary)
    worded = has_word(texts).to_pylist()
    good = [word and not is_injection(v) for v, word in zip(texts.to_pylist(), worded, strict=True)]
    good.append(False)  # for nulls
    return np.asarray(np.array(good)[pc.fill_null(coded.indices, len(good) - 1).to_numpy(zero_copy_only=False)])


def _stored(shown: Sequence[Mapping[str, str | None]]) -> list[str]:
    """Return attributes as the memo stores them beside a text, which can be judged later without its source row."""
    return [json.dumps({n: v for n, v in a.items() if v and v.strip()}, ensure_ascii=False) for a in shown]
