"""A product with what its ad may state -> texts of one channel, by plan or by a generator; only what is backed is sent.

What the memo keeps is what costs: the text of a generator, with a slot where the offer stands. Planned ads, offers and
limits are put together when the table is published, so that changed words or rules generate nothing again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.copywriting.ads.ad import CONTENT, AdFacts, Frame, read_content
from shopbatch.capabilities.copywriting.ads.channels import channels
from shopbatch.capabilities.copywriting.ads.market_rules import rules_digest
from shopbatch.capabilities.copywriting.ads.plan import VERSION as PLAN_VERSION
from shopbatch.capabilities.copywriting.ads.plan import planned_ads, words_identity
from shopbatch.capabilities.copywriting.ads.prompt import AdPrompt
from shopbatch.capabilities.copywriting.ads.rules import SCHEMA, Judge, Verdict
from shopbatch.capabilities.copywriting.ads.rules import VERSION as RULES_VERSION
from shopbatch.capabilities.copywriting.config import CopyEngine, PlanConfig
from shopbatch.capabilities.copywriting.plan import VERSION as COPY_VERSION
from shopbatch.capabilities.copywriting.writer import PLAN, AttemptSampling, Task, Writer, calls_of, raw_table
from shopbatch.core.hashing import digest
from shopbatch.engines.configs import Sampling
from shopbatch.engines.factory import open_generator
from shopbatch.grounding.check import VERSION as GROUNDING_VERSION
from shopbatch.inference.stage import BaseStage, Scorer
from shopbatch.tables.ads import VARIANT
from shopbatch.text.lengths import sms

VERSION = 1  # of all between the columns and the raw output
_OUTPUTS = pa.schema([
    ("text", pa.string()), ("finish", pa.string()), ("writer", pa.string()), ("tokens_out", pa.int32()),
    ("attributes", pa.string()),
])  # fmt: skip
_ROWS = 1_024  # ads of one call of the planner
_LETTERS = "abcdef"


@dataclass(frozen=True)
class AdStage(BaseStage):
    """The stage of the job write_ads.

    Attributes:
        engine: What writes.
        judge_of: The rules.
        prompt: What a generator is told.
        sampling: How its answers are drawn, and the temperature of later attempts.
        guided: Whether it decodes under a schema.
        model: Its folder; "" if it loads none.
        models: Digests of models, part of the recipe.
        call_rows: Prompts of one call.
        repair: See `writer.Writer`.
        plan_from: See `writer.Writer`.
        planned: Names of ads of a generator that would repeat another one's text; they are published as planned.
    """

    engine: CopyEngine
    judge_of: Judge
    prompt: AdPrompt
    sampling: tuple[Sampling, float] = (Sampling(), 0.7)
    guided: bool = True
    model: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    call_rows: int = 128
    repair: bool = True
    plan_from: int = 0
    planned: frozenset[str] = frozenset()
    content: tuple[str, ...] = CONTENT
    passthrough_columns: tuple[str, ...] = (
        *("segment", "product_id", "channel", "language", "market", "occasion"),
        *("offer_id", "valid_until"),
    )
    drift_columns: tuple[str, str] = ("channel", "language")
    outputs: pa.Schema = field(default_factory=lambda: _OUTPUTS)

    @property
    def stateless(self) -> bool:
        return bool(getattr(self.engine, "light", False))

    @property
    def gpus(self) -> float:
        return float(getattr(self.engine, "gpus", 0.0))

    @property
    def checks(self) -> str:
        judge = self.judge_of
        limits = {name: channel.model_dump(mode="json") for name, channel in channels().items()}
        conf = [judge.variants, list(judge.frame.identity), list(judge.allowed), sorted(self.planned), limits]
        versions = [RULES_VERSION, GROUNDING_VERSION, PLAN_VERSION, COPY_VERSION, *words_identity(), rules_digest()]
        return digest({"conf": conf, "versions": versions})

    @property
    def engine_kind(self) -> str:
        return self.engine.kind

    def recipe(self) -> Mapping[str, Any]:
        made = {"stage": "ads", "version": VERSION, "engine": self.engine.identity()}
        if isinstance(self.engine, PlanConfig):
            return made
        return made | {
            "repair": self.repair,
            "plan_from": self.plan_from,
            "models": dict(self.models),
            "instructions": dict(self.prompt.instructions),
            "variants": self.prompt.variants,
            "sampling": [self._attempts.sampling(n, self.engine.kind).model_dump(mode="json") for n in (1, 2)],
        }

    @property
    def _attempts(self) -> AttemptSampling:
        return AttemptSampling(self.sampling[0], self.sampling[1], guided=self.guided, schema=SCHEMA)

    def check(self, content: pa.Table) -> pa.Array:
        """Say why a row gets no ad: no_short_name (no form of it has room), no_other_wording (all are taken)."""
        missing = (("name", "no_short_name"), ("wording", "no_other_wording"))
        none = pa.scalar(None, pa.string())
        own = [pc.if_else(content[name].combine_chunks().is_null(), reason, none) for name, reason in missing]
        return pc.coalesce(super().check(content), *own)

    def open(self) -> Scorer:
        if isinstance(self.engine, PlanConfig):
            return _Planner()
        task = Task(read_content, self.prompt.messages, lambda _: "", AdFacts.stored, self._verdict_of_answer)
        generator = open_generator(self.engine, self.model or None)
        return _FirstWordings(
            Writer(generator, self.engine.kind, task, self._attempts, self.call_rows, self.repair, self.plan_from)
        )

    def _verdict_of_answer(self, text: str, finish: str, stored: str) -> Verdict:
        return self.judge_of.answer(text, finish, AdFacts.of(stored))

    def verdict(self, text: str, finish: str, writer: str, stored: str) -> Verdict:
        """Judge a raw output: that of a plan is made anew."""
        if writer == PLAN:
            return _planned(self.judge_of.variants, self.judge_of.frame, self.judge_of.allowed, stored)
        return self._verdict_of_answer(text, finish, stored)

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return the first rule that each row's ads break; null if they break none."""
        reasons = [None if text is None else self.verdict(text, *rest).reason for text, *rest in _rows(raw)]
        return pa.array(reasons, pa.string())

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        variants, writers = [], []
        for ad_id, (text, finish, writer, stored) in zip(passed["ad_id"].to_pylist(), _rows(raw), strict=True):
            by = PLAN if ad_id in self.planned else writer
            variants.append(self._variants(ad_id, self.verdict(text, finish, by, stored), AdFacts.of(stored)))
            writers.append(by)
        return {
            "variants": pa.array(variants, pa.list_(VARIANT)),
            "writer": pa.array(writers, pa.string()),
            "tokens_out": raw["tokens_out"],
        }

    def _variants(self, ad_id: str, verdict: Verdict, facts: AdFacts) -> list[dict[str, Any]]:
        """The published texts of one row."""
        made = []
        for letter, ad in zip(_LETTERS, verdict.ads, strict=False):
            if ad is None:
                continue
            message = sms(ad.text) if facts.channel == "sms" else None
            made.append(
                {
                    "variant_id": f"{ad_id}:{letter}",
                    "title": ad.title or None,
                    "text": ad.text,
                    "length": facts.room.length(ad.text),
                    "encoding": message.encoding if message else None,
                    "parts": message.parts if message else None,
                }
            )
        return made


def _rows(raw: pa.Table) -> list[tuple[str, str, str, str]]:
    columns = (raw[name].to_pylist() for name in ("text", "finish", "writer", "attributes"))
    return list(zip(*columns, strict=True))


@lru_cache(maxsize=4_096)
def _planned(variants: int, frame: Frame, allowed: tuple[str, ...], stored: str) -> Verdict:
    """Planned ads, with facts of the product where they pass; kept, since they are judged first and published then."""
    facts, judge = AdFacts.of(stored), Judge(variants, frame, allowed)
    verdict = judge(planned_ads(facts, variants, frame), facts)
    if verdict.reason is None:
        return verdict
    each = [judge([ad], facts) for ad in planned_ads(facts, variants, frame, details=False)]
    passing = tuple(one.ads[0] if one.ads else None for one in each)
    return Verdict(passing) if any(passing) else each[0]


class _Planner:
    """Keeps what an ad may state; the ad is planned when it is published."""

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Any rows can be kept together."""
        return calls_of(content, _ROWS)

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Keep the rows."""
        facts, n = read_content(content), content.num_rows
        none = np.zeros((2, n), np.int32)
        return raw_table([""] * n, ["stop"] * n, [PLAN] * n, none, [each.stored() for each in facts])


@dataclass(frozen=True)
class _FirstWordings:
    """A generator writes the first wording of a product; the others are planned, since it would repeat itself."""

    writer: Scorer

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """First wordings in the generator's calls, the others in calls of their own."""
        rows = np.arange(content.num_rows)
        first = pc.equal(content["wording"].combine_chunks(), 0).to_numpy(zero_copy_only=False).astype(bool)
        written = [rows[first][call] for call in self.writer.plan(content.filter(pa.array(first)))]
        return [*written, *(rows[~first][call] for call in _Planner().plan(content.filter(pa.array(~first))))]

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Write the ads of rows; a call may hold both, when rows are tried one by one."""
        first = np.array([wording == 0 for wording in content["wording"].to_pylist()])
        pieces, order = [], []
        for scorer, rows in ((self.writer, np.flatnonzero(first)), (_Planner(), np.flatnonzero(~first))):
            if len(rows):
                pieces.append(scorer.run(content.take(pa.array(rows)), attempts[rows]))
                order.append(rows)
        return pa.concat_tables(pieces).take(pa.array(np.argsort(np.concatenate(order), kind="stable")))
