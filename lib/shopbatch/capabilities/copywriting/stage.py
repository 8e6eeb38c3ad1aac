"""The inference stage of describe_products: writes and checks the copy of products in one language.

Copy comes from the planner (sentence patterns) or from a text generator. Only copy whose every claim is backed by the
product's attributes is published.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.copywriting.config import CopyEngine, PlanConfig, Rules
from shopbatch.capabilities.copywriting.copy_format import parse
from shopbatch.capabilities.copywriting.coverage import (
    mentioned_share,
    mentions,
    most_specific_name,
    names_product,
)
from shopbatch.capabilities.copywriting.facts import CONTENT, known_facts
from shopbatch.capabilities.copywriting.foreign import REASON as FOREIGN
from shopbatch.capabilities.copywriting.foreign import is_foreign
from shopbatch.capabilities.copywriting.patterns import patterns_digest
from shopbatch.capabilities.copywriting.plan import PLAIN, Limits, Style, plan
from shopbatch.capabilities.copywriting.plan import VERSION as PLAN_VERSION
from shopbatch.capabilities.copywriting.prompt import SHOWN
from shopbatch.capabilities.copywriting.reviews import (
    REFUSED,
    WRITER,
    Decisions,
    Review,
    copy_json,
    judge_edit,
    text_digest,
)
from shopbatch.capabilities.copywriting.rules import VERSION as RULES_VERSION
from shopbatch.capabilities.copywriting.rules import Judge, Verdict, parse_attributes
from shopbatch.capabilities.copywriting.writer import PLAN, AttemptSampling, Planner, Prompt, Task, Writer, stored
from shopbatch.core.hashing import digest
from shopbatch.engines.factory import open_generator
from shopbatch.grounding.check import VERSION as GROUNDING_VERSION
from shopbatch.grounding.check import Facts
from shopbatch.grounding.facts import NAMES
from shopbatch.inference.stage import BaseStage, Scorer
from shopbatch.text.markup import plain_text
from shopbatch.text.visible import has_word
from shopbatch.warehouse.utf8 import blank, invalid_utf8

VERSION = 3  # of the code from content to raw outputs; a test fails if that changes without a new version
_UNMENTIONED = "attributes not mentioned, mean"


@dataclass(frozen=True)
class DescriptionStage(BaseStage):
    """The stage of the job describe_products for one language.

    Planned copy is copy that the planner makes from sentence patterns, without a model. It depends only on the
    attributes that the memo stores beside it, so it is planned again whenever it is judged or published. A changed
    sentence pattern therefore recomputes no row of the memo, and changes only the copy in which the pattern is used.

    Attributes:
        engine: The writer: the planner or a text generator.
        model: The model's folder; "" if the engine loads none.
        models: Digests of the models, part of the recipe.
        language: ISO 639 code of the copy.
        prompt: The model's instruction and examples.
        attempts: Sampling of the first and of later attempts.
        rules: Rules that copy must pass.
        call_rows: Number of prompts in one call of the engine.
        max_bytes: Maximum size of the columns of `prompt.SHOWN` together; longer products are rejected as too_long.
        unmentioned: Limit of the gate on the mean share (0 to 1) of attributes that copy leaves out.
        style: Style of planned copy.
        repair: Whether a generator may correct unbacked words once per attempt, see `writer.Writer`.
        plan_from: Attempt (from 1) from which planned copy replaces a text that breaks a rule; 0: never.
        decisions: Reviewers' verdicts that change the published texts.
        content: Columns of `products` that copy depends on.
        passthrough_columns: Columns of `products` that are copied to the published rows.
        drift_columns: Two published columns. The gate `drift` refuses the table if its rows are spread over their
            values too differently from the live table.
        outputs: Columns that the memo stores for each text.
    """

    engine: CopyEngine
    model: str
    models: Mapping[str, str]
    language: str
    prompt: Prompt
    attempts: AttemptSampling
    rules: Rules
    call_rows: int = 128
    max_bytes: int = 2_000
    unmentioned: float = 0.5
    style: Style = PLAIN
    repair: bool = True
    plan_from: int = 0
    decisions: Decisions = field(default_factory=Decisions)
    content: tuple[str, ...] = CONTENT
    passthrough_columns: tuple[str, ...] = ("department",)
    drift_columns: tuple[str, str] = ("department", "language")
    outputs: pa.Schema = field(
        default_factory=lambda: pa.schema([
            ("text", pa.string()), ("finish", pa.string()), ("writer", pa.string()), ("tokens_out", pa.int32()),
            ("attributes", pa.string()),
        ])
    )  # fmt: skip

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
        """Return the digest of everything that `judge`, `refuse` and `publish` depend on besides the memo.

        If it changes, stored texts are judged and published again; no text is generated.
        """
        planned = [PLAN_VERSION, patterns_digest(self.language), self.style.identity] if self._plans else []
        conf = self.rules.identity
        said = {"reviews": self.decisions.identity} if self.decisions else {}
        return digest({"rules": RULES_VERSION, "grounding": GROUNDING_VERSION, "conf": conf, "plan": planned} | said)

    @property
    def harmless(self) -> tuple[str, ...]:
        """Return the reject reasons that the gate on rejected rows ignores.

        They are texts that a reviewer refused, and products whose attributes are written in another language.
        """
        return (REFUSED, FOREIGN)

    @property
    def _plans(self) -> bool:
        """Return True if the planner may write copy of this stage, as the engine or as the fallback."""
        return isinstance(self.engine, PlanConfig) or self.plan_from > 0

    def recipe(self) -> Mapping[str, Any]:
        """Return everything that can change a generated text, as JSON values.

        The digest of these values names the partition of the memo. Rules and sentence patterns are not part of it,
        because they are applied to stored texts (see `checks`).
        """
        made = {"stage": "description", "version": VERSION, "language": self.language, "engine": self.engine.identity()}
        if isinstance(self.engine, PlanConfig):
            return made
        return made | {
            "repair": self.repair,
            "plan_from": self.plan_from,
            "models": dict(self.models),
            "instruction": self.prompt.instruction,
            "examples": [[dict(a), c] for a, c in self.prompt.examples],
            "sampling": [self.attempts.sampling(n, self.engine.kind).model_dump(mode="json") for n in (1, 2)],
        }

    def check(self, content: pa.Table) -> pa.Array:
        """Return the reject reason of each product before any text is written, string [n]; null if it is accepted.

        The reasons, the strongest first: invalid_utf8; empty (no name column holds a word); too_long (more than
        `max_bytes`); foreign_facts (only with the planner: its patterns and the product's attributes are in different
        languages).
        """
        broken = [mask for c in content.columns if (mask := invalid_utf8(c)) is not None]
        bad = np.logical_or.reduce([m.to_numpy(zero_copy_only=False) for m in broken]) if broken else None
        size = np.zeros(content.num_rows, np.int64)
        named = np.zeros(content.num_rows, bool)
        for name in SHOWN:  # attributes and description do not count, because they are cut to fit into a prompt
            size += pc.fill_null(pc.binary_length(content[name]), 0).to_numpy()
            if name in NAMES:
                named |= _holds_name(content[name] if bad is None else blank(content[name]))
        reasons = np.full(content.num_rows, None, object)
        if isinstance(self.engine, PlanConfig) and content.num_rows:
            good = np.arange(content.num_rows) if bad is None else np.flatnonzero(~bad)
            reasons[good[is_foreign(content.take(good), self.language).to_numpy(zero_copy_only=False)]] = FOREIGN
        reasons[size > self.max_bytes] = "too_long"
        reasons[~named] = "empty"
        if bad is not None:
            reasons[bad] = "invalid_utf8"
        return pa.array(reasons, pa.string())

    @property
    def _limits(self) -> Limits:
        """Return the lengths and banned claims that planned copy must respect, taken from the rules."""
        rules = self.rules
        return Limits(rules.headline, rules.description, rules.bullet, rules.banned_in(self.language))

    def open(self) -> Scorer:
        """Return the writer for one worker: the planner, or a `Writer` with a loaded text generator."""
        if isinstance(self.engine, PlanConfig):
            return Planner(self.language, self.style, self._limits)
        task = Task(known_facts, self.prompt.messages, self._plan, stored, self.verdict)
        generator = open_generator(self.engine, self.model or None)
        return Writer(generator, self.engine.kind, task, self.attempts, self.call_rows, self.repair, self.plan_from)

    def _plan(self, facts: Mapping[str, str | None]) -> str:
        """Return the planned copy of a product as JSON text, the fallback of the generator."""
        return plan(facts, self.language, self.style, self._limits)

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return the name of the first rule that each text breaks, string [n].

        It is null for texts that break none, and for rows without a text.
        """
        rows = raw.select(["text", "finish", "writer", "attributes"]).to_pylist()
        reasons = [
            None
            if r["text"] is None
            else self.verdict(self.text(r["text"], r["writer"], r["attributes"]), r["finish"], r["attributes"]).reason
            for r in rows
        ]
        return pa.array(reasons, pa.string())

    def text(self, text: str, writer: str, stored_attributes: str) -> str:
        """Return the text to judge and publish: the stored text if a model wrote it, else copy planned anew.

        Planned copy (from sentence patterns) is made again, so that it follows the present patterns.

        Args:
            text: The text in the memo. For planned copy it is not used, because it follows the patterns of an earlier
                day.
            writer: Writer of the text: plan, model or repaired.
            stored_attributes: The attributes beside the text in the memo, as JSON.
        """
        if writer != PLAN:
            return text
        rules = self.rules, self.prompt.instruction
        return _planned(stored_attributes, self.language, self.style, self._limits, *rules)

    def verdict(self, text: str, finish: str, stored_attributes: str) -> Verdict:
        """Judge one text by all rules and return the verdict, with the parsed copy and the unbacked claims.

        Adds two reasons to those of `rules.Judge`: unnamed (the text does not name the product) and unmentioned (it
        mentions fewer attributes than `rules.coverage` asks for).

        Args:
            text: The copy as JSON text.
            finish: How the generator ended: "stop" or "length".
            stored_attributes: The product's attributes as the memo stores them, as JSON.
        """
        return _judged(text, finish, stored_attributes, self.language, self.rules, self.prompt.instruction)

    def refuse(self, passed: pa.Table, raw: pa.Table) -> pa.Array:
        """Return why a reviewer's verdict keeps each row from being published, string [n]; null for all other rows.

        The reason is refused_by_reviewer if a reviewer refused the text. If a reviewer replaced the text, it is the
        rule that the replacement breaks, for example because the rules have changed since.

        Args:
            passed: The source rows, with product_id and content_hash, [n].
            raw: Their outputs in the memo, [n].
        """
        reasons: list[str | None] = [None] * raw.num_rows
        edits = self._edits(passed)
        for i, product in enumerate(passed["product_id"].to_pylist() if self.decisions else ()):
            if edits[i] is None and product not in self.decisions.refused:
                continue
            row = raw.slice(i, 1).to_pylist()[0]
            if (edit := edits[i]) is not None:
                facts = parse_attributes(row["attributes"])
                reasons[i] = judge_edit(self.rules, self.language, edit.copy, facts, edit.trusted).reason
            elif (copy := parse(self.text(row["text"], row["writer"], row["attributes"]))) is not None:
                refused = text_digest(product, self.language, copy) in self.decisions.refused[product]
                reasons[i] = REFUSED if refused else None
        return pa.array(reasons, pa.string())

    def _edits(self, passed: pa.Table) -> list[Review | None]:
        """Return for each source row the reviewer's edit that replaces its text, list [n]; None without an edit."""
        if not self.decisions.edits:
            return [None] * passed.num_rows
        keys = zip(passed["product_id"].to_pylist(), passed["content_hash"].to_pylist(), strict=True)
        return [self.decisions.edits.get(key) for key in keys]

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Return the columns of `product_descriptions` for n rows that passed all checks, as {column: array [n]}."""
        published: dict[tuple[str, str, str], dict[str, Any]] = {}  # products with equal attributes share one text
        rows = []
        keys = zip(*(raw[name].to_pylist() for name in ("text", "writer", "attributes")), strict=True)
        for key, edit in zip(keys, self._edits(passed), strict=True):
            if edit is not None:
                rows.append(self._columns(copy_json(edit.copy), key[2]) | {"writer": WRITER})
                continue
            if key not in published:
                published[key] = self._columns(self.text(*key), key[2]) | {"writer": key[1]}
            rows.append(published[key])
        types = {"bullets": pa.list_(pa.string()), "coverage": pa.float32()}
        names = ("headline", "description", "bullets", "meta_description", "evidence", "coverage", "writer")
        arrays = {n: pa.array([r[n] for r in rows], types.get(n, pa.string())) for n in names}
        return arrays | {"tokens_out": raw["tokens_out"]}

    def _columns(self, text: str, stored_attributes: str) -> dict[str, Any]:
        """Return the published columns of one text that passed the checks, as {column: value}.

        The column evidence is a JSON object {attribute: words of the text that mention it}. coverage is the share (0 to
        1) of mentioned attributes; None if copy and attributes are in different scripts.
        """
        copy, attributes = parse(text), parse_attributes(stored_attributes)
        if copy is None:
            raise AssertionError("a text that is not copy was published, although the judge refuses it")
        mentioned = mentions(attributes, copy.text, self.language)
        return {
            "headline": copy.headline,
            "description": copy.description,
            "bullets": list(copy.bullets),
            "meta_description": copy.meta,
            "evidence": json.dumps({m.attribute: m.span for m in mentioned}, ensure_ascii=False),
            "coverage": mentioned_share(mentioned) if _is_comparable(attributes, self.language) else None,
        }

    def measure(self, published: pa.Table) -> dict[str, float]:
        """Return the mean share (0 to 1) of attributes that the published copy leaves out, as {gate name: share}."""
        mean = pc.mean(published["coverage"]).as_py()
        return {_UNMENTIONED: 0.0 if mean is None else 1 - mean}

    def limits(self) -> dict[str, float]:
        """Return the maximum allowed value of each measure of `measure`; the gate refuses tables above it."""
        return {_UNMENTIONED: self.unmentioned}


def _is_comparable(attributes: Mapping[str, str | None], language: str) -> bool:
    """Return True if the copy and the product's name are in the same script (Chinese or not).

    In different scripts they share no words, so that mentions of attributes cannot be counted.
    """
    return (language == "zh") == any("\u4e00" <= c <= "\u9fff" for c in most_specific_name(attributes))


@lru_cache(maxsize=4_096)
def _judged(text: str, finish: str, stored_attributes: str, language: str, rules: Rules, instruction: str) -> Verdict:
    """Return the verdict on one text, as `DescriptionStage.verdict` describes it.

    It is cached, because planned copy is judged when it is chosen, and by the audit.
    """
    attributes = parse_attributes(stored_attributes)
    verdict = Judge(rules, language, instruction)(text, finish, Facts(attributes))
    if verdict.reason or verdict.copy is None:
        return verdict
    if not most_specific_name(attributes):
        return replace(verdict, reason="unnamed")
    if not _is_comparable(attributes, language):
        return verdict
    if not names_product(attributes, verdict.copy.text):
        return replace(verdict, reason="unnamed")
    covered = mentioned_share(mentions(attributes, verdict.copy.text, language))
    return replace(verdict, reason="unmentioned") if covered < rules.coverage else verdict


@lru_cache(maxsize=4_096)
def _planned(
    stored_attributes: str, language: str, style: Style, limits: Limits, rules: Rules, instruction: str
) -> str:
    """Return the copy of a product from sentence patterns (`plan.plan`) as JSON text.

    If the usual copy breaks a rule, it is the careful one, whose bullets state the facts in the shop's own words. It is
    cached, because a text is first judged and then published.

    Args:
        stored_attributes: The product's attributes as the memo stores them, as JSON.
        language: One of `lexicon.LANGUAGES`.
        style: Tone, closing sentence and keywords.
        limits: Maximum lengths and banned claims.
        rules: Rules that the copy must pass.
        instruction: System message of a generator's prompt, which copy must not repeat.
    """
    attributes = parse_attributes(stored_attributes)
    usual = plan(attributes, language, style, limits)
    if _judged(usual, "stop", stored_attributes, language, rules, instruction).reason is None:
        return usual
    for facts in (attributes, {**attributes, "package_size": None}):  # a size that cannot be read is left out
        careful = plan(facts, language, style, limits, careful=True)
        if _judged(careful, "stop", stored_attributes, language, rules, instruction).reason is None:
            return careful
    return usual


def _holds_name(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Return a boolean mask [n]: True where a name column holds at least one word; nulls are False."""
    coded = pc.dictionary_encode(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    texts = plain_text(coded.dictionary)
    good = [*has_word(texts).to_pylist(), False]  # nulls are looked up at the last place
    return np.asarray(np.array(good)[pc.fill_null(coded.indices, len(good) - 1).to_numpy(zero_copy_only=False)])
