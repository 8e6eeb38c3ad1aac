"""Writers of copy and ads inside a Ray worker: the planner, and a text generator with check, repair and fallback."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.copywriting.copy_format import SCHEMA
from shopbatch.capabilities.copywriting.facts import known_facts
from shopbatch.capabilities.copywriting.plan import DEFAULT, Limits, Style, plan
from shopbatch.capabilities.copywriting.prompt import fenced
from shopbatch.engines.base import Generator
from shopbatch.engines.configs import GUIDED, Sampling
from shopbatch.grounding.check import Finding

PLAN, MODEL, REPAIRED = "plan", "model", "repaired"  # writers of a text
_ROWS = 1_024  # maximum products in one call of the planner
Facts = Mapping[str, str | None]
Item = TypeVar("Item")  # input of one text: the attributes of a product, or the facts of an ad


class Judged(Protocol):
    """The verdict of the rules on a text, as `Writer` needs it."""

    @property
    def reason(self) -> str | None:
        """Name of the rule that the text breaks; None if it may be published."""
        ...

    @property
    def findings(self) -> Sequence[Finding]:
        """The claims of the text that no attribute backs."""
        ...


Judge = Callable[[str, str, str], Judged]  # (text, how it ended, stored facts)


@dataclass(frozen=True)
class Prompt:
    """The part of a prompt that is the same for every product.

    Attributes:
        instruction: The system message.
        examples: (attributes, copy) pairs that are shown before each product.
    """

    instruction: str
    examples: tuple[tuple[Mapping[str, str | None], str], ...] = ()

    def messages(self, attributes: Mapping[str, str | None]) -> list[dict[str, str]]:
        """Return the chat messages for one product.

        All messages but the last are equal for every product, so that an engine can cache them.

        Args:
            attributes: The product's attributes by name.
        """
        messages = [{"role": "system", "content": self.instruction}]
        for shown, copy in self.examples:
            messages += [{"role": "user", "content": fenced(shown)}, {"role": "assistant", "content": copy}]
        return [*messages, {"role": "user", "content": fenced(attributes)}]


@dataclass(frozen=True)
class AttemptSampling:
    """Sampling settings for the attempts at a text.

    Later attempts use `temperature`, `top_p`, another seed, and up to twice as many new tokens as the first.

    Attributes:
        first: Settings of the first attempt.
        temperature: Temperature of later attempts.
        top_p: Nucleus probability of later attempts, 0 to 1.
        guided: Whether the engine may only generate JSON that fits `schema`, if it supports that.
        schema: JSON schema of the answer.
    """

    first: Sampling
    temperature: float = 0.7
    top_p: float = 0.9
    guided: bool = True
    schema: str = SCHEMA

    def sampling(self, attempt: int, kind: str) -> Sampling:
        """Return the sampling settings of one attempt.

        Args:
            attempt: Number of the attempt, from 1.
            kind: Kind of the engine, for example "vllm"; it decides whether the schema can be used.
        """
        guide = {"guide": self.schema} if self.guided and kind in GUIDED else {}
        if attempt == 1:
            return self.first.model_copy(update=guide)
        later = {"temperature": self.temperature, "top_p": self.top_p, "seed": self.first.seed + attempt - 1}
        room = {"max_new_tokens": self.first.max_new_tokens * min(1 + attempt, 4) // 2}
        return self.first.model_copy(update=later | room | guide)


class Planner:
    """The writer without a model: fills each product's attributes into sentence patterns, in a Ray worker."""

    def __init__(self, language: str, style: Style, limits: Limits = DEFAULT) -> None:
        self.language, self.style, self.limits = language, style, limits

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Group the rows of a batch into calls of at most `_ROWS` rows, as row numbers."""
        return calls_of(content, _ROWS)

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Write the copy of each product by sentence patterns (`plan.plan`), without a model.

        Args:
            content: The columns of `facts.CONTENT`, [n].
            attempts: Ignored, because every attempt gives the same text.

        Returns:
            One row per product, in the order of `content`, with the raw columns that every writer of this module
            returns.
        """
        facts = known_facts(content)
        texts = [plan(f, self.language, self.style, self.limits) for f in facts]
        none = np.zeros((2, len(texts)), np.int32)
        return raw_table(texts, ["stop"] * len(texts), [PLAN] * len(texts), none, [stored(f) for f in facts])


@dataclass
class _Texts:
    """The texts of one batch while they are generated, repaired and replaced.

    Attributes:
        text: The present text of each item, [n].
        finish: How the generator ended each text: "stop" or "length", [n].
        by: Writer of each text: PLAN, MODEL or REPAIRED, [n].
        tokens: Prompt tokens (row 0) and answer tokens (row 1) used so far, int32 [2, n].
    """

    text: list[str]
    finish: list[str]
    by: list[str]
    tokens: np.ndarray


@dataclass(frozen=True)
class Task(Generic[Item]):
    """The writing task that `Writer` performs: product copy or ads, as five functions.

    Attributes:
        read: Parses a content table into items, one per row.
        messages: Returns the chat messages for an item.
        planned: Returns the text that the planner (sentence patterns, no model) writes for an item; the fallback.
        stored: Encodes an item as the text that the memo keeps beside its copy.
        judge: Returns the verdict on a text; its arguments are the text, how it ended ("stop" or "length"), and the
            item as `stored` encodes it.
    """

    read: Callable[[pa.Table], list[Item]]
    messages: Callable[[Item], list[dict[str, str]]]
    planned: Callable[[Item], str]
    stored: Callable[[Item], str]
    judge: Judge


@dataclass(frozen=True)
class Writer(Generic[Item]):
    """The writer with a text generator, in a Ray worker.

    Attributes:
        generator: The loaded engine.
        kind: Kind of the engine.
        task: The functions for product copy or for ads.
        attempts: Sampling settings by attempt.
        call_rows: Number of prompts in one call of the engine.
        repair: Whether a text with unbacked words is sent back once, with a list of these words.
        plan_from: Attempt (from 1) from which a text that breaks a rule is replaced by the planned one; 0: never.
    """

    generator: Generator
    kind: str
    task: Task[Item]
    attempts: AttemptSampling
    call_rows: int
    repair: bool
    plan_from: int

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Group the rows of a batch into calls of at most `call_rows` prompts, as row numbers."""
        return calls_of(content, self.call_rows)

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Generate the text of each item, repair or replace it as configured, and return the raw outputs in order.

        Args:
            content: The stage's content columns, [n].
            attempts: Number of the attempt at each row, from 1, int8 [n].

        Raises:
            EngineError: The engine failed.
        """
        items = self.task.read(content)
        facts = [self.task.stored(item) for item in items]
        chats = [self.task.messages(item) for item in items]
        n = len(chats)
        texts = _Texts([""] * n, [""] * n, [MODEL] * n, np.zeros((2, n), np.int32))
        for attempt in sorted(set(attempts.tolist())):
            rows = np.flatnonzero(attempts == attempt).tolist()
            self._generate(texts, rows, {i: chats[i] for i in rows}, int(attempt))
            verdicts = self._verdicts(texts, rows, facts)
            if self.repair:
                bad = [i for i in rows if verdicts[i].findings]
                self._generate(
                    texts, bad, {i: [*chats[i], *_complaint(texts.text[i], verdicts[i])] for i in bad}, int(attempt)
                )
                verdicts |= self._verdicts(texts, bad, facts)
                for i in bad:
                    texts.by[i] = REPAIRED
            for i in rows:
                if self.plan_from and attempt >= self.plan_from and verdicts[i].reason:
                    texts.text[i], texts.finish[i] = self.task.planned(items[i]), "stop"
                    texts.by[i] = PLAN
        return raw_table(texts.text, texts.finish, texts.by, texts.tokens, facts)

    def _generate(
        self, texts: _Texts, rows: list[int], chats: Mapping[int, list[dict[str, str]]], attempt: int
    ) -> None:
        """Generate the texts of some rows in one engine call and store them, with their tokens, in `texts`."""
        if not rows:
            return
        sampling = self.attempts.sampling(attempt, self.kind)
        made = self.generator.generate([self.generator.render(chats[i]) for i in rows], sampling)
        for i, text, end in zip(rows, made.texts, made.finished, strict=True):
            texts.text[i], texts.finish[i] = text, end
        texts.tokens[0, rows] += made.tokens_in
        texts.tokens[1, rows] += made.tokens_out

    def _verdicts(self, texts: _Texts, rows: Sequence[int], facts: Sequence[str]) -> dict[int, Judged]:
        """Judge the present texts of some rows, and return {row number: verdict}."""
        return {i: self.task.judge(texts.text[i], texts.finish[i], facts[i]) for i in rows}


def _complaint(text: str, verdict: Judged) -> list[dict[str, str]]:
    """Return the two chat messages that ask the model to write its text again without the words that nothing backs."""
    words = ", ".join(dict.fromkeys(f'"{f.span}"' + (f" ({f.against})" if f.against else "") for f in verdict.findings))
    asks = f"Nothing in the product's facts backs these words: {words}. Write the same JSON again without them."
    return [{"role": "assistant", "content": text}, {"role": "user", "content": asks}]


def calls_of(content: pa.Table, most: int) -> list[np.ndarray]:
    """Split the rows of a batch into calls.

    Args:
        content: The batch, [n].
        most: Maximum number of rows of a call.

    Returns:
        The row numbers of each call, in order.
    """
    rows = np.arange(content.num_rows)
    return [rows[a : a + most] for a in range(0, len(rows), most)]


def raw_table(texts: list[str], finish: list[str], by: list[str], tokens: np.ndarray, facts: Sequence[str]) -> pa.Table:
    """Build the table of raw outputs that a writer returns and the memo stores, [n].

    Args:
        texts: The written texts.
        finish: How each ended: "stop" or "length".
        by: Writer of each text: PLAN, MODEL or REPAIRED.
        tokens: Prompt tokens (row 0) and answer tokens (row 1), int32 [2, n].
        facts: The attributes that each text may state, encoded by `Task.stored`; they become the column `attributes`.
    """
    return pa.table({
        "text": pa.array(texts, pa.string()),
        "finish": pa.array(finish, pa.string()),
        "writer": pa.array(by, pa.string()),
        "tokens_out": pa.array(tokens[1], pa.int32()),
        "attributes": pa.array(facts, pa.string()),
        "tokens": pa.array(tokens[0], pa.int32()),
    })  # fmt: skip


def stored(facts: Facts) -> str:
    """Encode a product's attributes as the JSON that the memo keeps beside its text; empty values are left out.

    With it, the text can be judged later without the product's row in `products`.
    """
    return json.dumps({n: v for n, v in facts.items() if v and v.strip()}, ensure_ascii=False)
