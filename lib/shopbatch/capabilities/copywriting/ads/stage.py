"""The inference stage of write_ads: writes and checks the ads of one product for one segment and channel.

The texts come from the planner (sentence patterns) or a text generator; only ads whose every claim is backed are
published. The memo keeps only the results that are expensive: the generator's texts, with SLOT in place of the offer.
Planned ads, offers and channel limits are applied when the table is published. A change of words or rules therefore
generates no text again.
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

VERSION = 1  # of the code between content columns and raw outputs; raising it computes all rows again
_OUTPUTS = pa.schema([
    ("text", pa.string()), ("finish", pa.string()), ("writer", pa.string()), ("tokens_out", pa.int32()),
    ("attributes", pa.string()),
])  # fmt: skip
_ROWS = 1_024  # maximum ads in one call of the planner
_LETTERS = "abcdef"


@dataclass(frozen=True)
class AdStage(BaseStage):
    """The stage of the job write_ads, for all languages and channels.

    Attributes:
        engine: The writer: the planner or a text generator.
        judge_of: Judges ads by the rules.
        prompt: Builds the generator's chat messages.
        sampling: Sampling of the first attempt, and the temperature of later attempts.
        guided: Whether the engine may only generate JSON that fits the schema.
        model: The model's folder; "" if the engine loads none.
        models: Digests of the models, part of the recipe.
        call_rows: Number of prompts in one call of the engine.
        repair: Whether a generator may correct unbacked words once per attempt, see `writer.Writer`.
        plan_from: Attempt (from 1) from which planned ads replace texts that break a rule; 0: never.
        planned: The ad_id of each generated ad that repeats a text of another ad; planned ads are published instead.
        content: Columns of `ads_with_facts` that an ad depends on.
        passthrough_columns: Columns of `ads_with_facts` that are copied to the published rows.
        drift_columns: Two columns of `ads`. The gate `drift` refuses the table if its rows are spread over their values
            too differently from the live table.
        outputs: Columns that the memo stores for each row.
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
        """Return True for the planner, which loads nothing; the stage then runs in tasks instead of actors."""
        return bool(getattr(self.engine, "light", False))

    @property
    def gpus(self) -> float:
        """Return the number of GPUs that one worker needs; 0 for engines without a GPU."""
        return float(getattr(self.engine, "gpus", 0.0))

    @property
    def checks(self) -> str:
        """Return the digest of everything that `judge` and `publish` depend on besides the memo.

        If it changes, stored texts are judged and published again; no text is generated.
        """
        judge = self.judge_of
        limits = {name: channel.model_dump(mode="json") for name, channel in channels().items()}
        conf = [judge.variants, list(judge.frame.identity), list(judge.allowed), sorted(self.planned), limits]
        versions = [RULES_VERSION, GROUNDING_VERSION, PLAN_VERSION, COPY_VERSION, *words_identity(), rules_digest()]
        return digest({"conf": conf, "versions": versions})

    @property
    def engine_kind(self) -> str:
        """Return the kind of the engine, such as "plan" or "vllm"."""
        return self.engine.kind

    def recipe(self) -> Mapping[str, Any]:
        """Return everything that can change a generated text, as JSON values; its digest names the memo's partition."""
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
        """Return the sampling settings of all attempts."""
        return AttemptSampling(self.sampling[0], self.sampling[1], guided=self.guided, schema=SCHEMA)

    def check(self, content: pa.Table) -> pa.Array:
        """Return why a row gets no ad, string [n]; null for rows that get one.

        The reasons: those of `BaseStage.check`; no_short_name (no form of the product's name is short enough for the
        channel); no_other_wording (products of the same name have used up all distinct texts).
        """
        missing = (("name", "no_short_name"), ("wording", "no_other_wording"))
        none = pa.scalar(None, pa.string())
        own = [pc.if_else(content[name].combine_chunks().is_null(), reason, none) for name, reason in missing]
        return pc.coalesce(super().check(content), *own)

    def open(self) -> Scorer:
        """Return the writer for one worker: the planner, or a writer with a loaded text generator."""
        if isinstance(self.engine, PlanConfig):
            return _Planner()
        task = Task(read_content, self.prompt.messages, lambda _: "", AdFacts.stored, self._verdict_of_answer)
        generator = open_generator(self.engine, self.model or None)
        return _FirstWordings(
            Writer(generator, self.engine.kind, task, self._attempts, self.call_rows, self.repair, self.plan_from)
        )

    def _verdict_of_answer(self, text: str, finish: str, stored: str) -> Verdict:
        """Judge a generator's answer; `stored` is the row's AdFacts as JSON."""
        return self.judge_of.answer(text, finish, AdFacts.of(stored))

    def verdict(self, text: str, finish: str, writer: str, stored: str) -> Verdict:
        """Judge a raw output and return the verdict, with the ads as they are sent.

        Planned ads (from sentence patterns) are made again from the stored facts.

        Args:
            text: The generator's answer; not used for planned ads.
            finish: How the generator ended: "stop" or "length".
            writer: Writer of the text: plan, model or repaired.
            stored: The row's AdFacts, as JSON.
        """
        if writer == PLAN:
            return _planned(self.judge_of.variants, self.judge_of.frame, self.judge_of.allowed, stored)
        return self._verdict_of_answer(text, finish, stored)

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return the name of the first rule that each row's ads break, string [n]; null if they break none."""
        reasons = [None if text is None else self.verdict(text, *rest).reason for text, *rest in _rows(raw)]
        return pa.array(reasons, pa.string())

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Return the columns of the table `ads` for the n rows that passed all checks, as {column: array [n]}."""
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
        """Return the variants of one ad as the table `ads` stores them, without variants that the rules refused.

        Each has id, title, text, length in the channel's unit; an SMS also has its encoding and number of parts.
        """
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
    """Return (text, finish, writer, stored facts) of each row of raw outputs."""
    columns = (raw[name].to_pylist() for name in ("text", "finish", "writer", "attributes"))
    return list(zip(*columns, strict=True))


@lru_cache(maxsize=4_096)
def _planned(variants: int, frame: Frame, allowed: tuple[str, ...], stored: str) -> Verdict:
    """Plan the ads of a row and judge them; cached, because they are first judged and then published.

    If the ads with facts break a rule, ads without facts are planned and judged one by one. The verdict has None for
    each of these that breaks a rule; if all do, it has the reason of the first.

    Args:
        variants: Number of variants.
        frame: Sender and opt-out text of an SMS.
        allowed: Words that ads may use although they are on the list of harmful words.
        stored: The row's AdFacts, as JSON.
    """
    facts, judge = AdFacts.of(stored), Judge(variants, frame, allowed)
    verdict = judge(planned_ads(facts, variants, frame), facts)
    if verdict.reason is None:
        return verdict
    each = [judge([ad], facts) for ad in planned_ads(facts, variants, frame, details=False)]
    passing = tuple(one.ads[0] if one.ads else None for one in each)
    return Verdict(passing) if any(passing) else each[0]


class _Planner:
    """The writer without a model: it only stores the facts of each row, from which `publish` plans the ads."""

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Group the rows of a batch into calls of at most `_ROWS` rows, as row numbers."""
        return calls_of(content, _ROWS)

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Return raw outputs with empty texts and the facts of each row, in order.

        Args:
            content: The columns of `ad.CONTENT`, [n].
            attempts: Ignored, because every attempt gives the same.
        """
        facts, n = read_content(content), content.num_rows
        none = np.zeros((2, n), np.int32)
        return raw_table([""] * n, ["stop"] * n, [PLAN] * n, none, [each.stored() for each in facts])


@dataclass(frozen=True)
class _FirstWordings:
    """The writer with a generator: it writes the ads of the first product of each short name (wording 0).

    The ads of the other products of that name are planned, because the generator would repeat its texts.

    Attributes:
        writer: The writer with the generator.
    """

    writer: Scorer

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Group the rows of a batch into calls: rows with wording 0 go to the generator, all others to the planner.

        Returns:
            The row numbers of each call. The rows of one call all go to the generator or all to the planner.
        """
        rows = np.arange(content.num_rows)
        first = pc.equal(content["wording"].combine_chunks(), 0).to_numpy(zero_copy_only=False).astype(bool)
        written = [rows[first][call] for call in self.writer.plan(content.filter(pa.array(first)))]
        return [*written, *(rows[~first][call] for call in _Planner().plan(content.filter(pa.array(~first))))]

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Return the raw outputs of the rows, in order: rows with wording 0 are generated, all others planned.

        Args:
            content: The columns of `ad.CONTENT`, [n]; any mix of the two sorts of rows.
            attempts: Number of the attempt at each row, from 1, int8 [n].
        """
        first = np.array([wording == 0 for wording in content["wording"].to_pylist()])
        pieces, order = [], []
        for scorer, rows in ((self.writer, np.flatnonzero(first)), (_Planner(), np.flatnonzero(~first))):
            if len(rows):
                pieces.append(scorer.run(content.take(pa.array(rows)), attempts[rows]))
                order.append(rows)
        return pa.concat_tables(pieces).take(pa.array(np.argsort(np.concatenate(order), kind="stable")))
