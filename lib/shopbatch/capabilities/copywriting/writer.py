"""Writes copy inside a worker: by plan, or by a generator whose text is checked, repaired, and replaced if need be."""

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

PLAN, MODEL, REPAIRED = "plan", "model", "repaired"  # who wrote a text
_ROWS = 1_024  # products of one call of the planner
Facts = Mapping[str, str | None]
Item = TypeVar("Item")  # what a text is written of: the facts of a product, or of an ad


class Judged(Protocol):
    """What the rules say about a text: why it may not be shown, and the claims that nothing backs."""

    @property
    def reason(self) -> str | None: ...

    @property
    def findings(self) -> Sequence[Finding]: ...


Judge = Callable[[str, str, str], Judged]  # (text, how it ended, stored facts)


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
    """How answers are drawn: later attempts differ from `first` in temperature, top_p and seed, and may be longer.

    schema: JSON schema that an engine is guided by, if it can and `guided`.
    """

    first: Sampling
    temperature: float = 0.7
    top_p: float = 0.9
    guided: bool = True
    schema: str = SCHEMA

    def sampling(self, attempt: int, kind: str) -> Sampling:
        """Return the sampling of an attempt (from 1) with an engine of this kind."""
        guide = {"guide": self.schema} if self.guided and kind in GUIDED else {}
        if attempt == 1:
            return self.first.model_copy(update=guide)
        later = {"temperature": self.temperature, "top_p": self.top_p, "seed": self.first.seed + attempt - 1}
        room = {"max_new_tokens": self.first.max_new_tokens * min(1 + attempt, 4) // 2}
        return self.first.model_copy(update=later | room | guide)


class Planner:
    """Writes by plan; needs no model."""

    def __init__(self, language: str, style: Style, limits: Limits = DEFAULT) -> None:
        self.language, self.style, self.limits = language, style, limits

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Any rows can be written together."""
        return calls_of(content, _ROWS)

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Write each product's copy; every attempt gives the same."""
        facts = known_facts(content)
        texts = [plan(f, self.language, self.style, self.limits) for f in facts]
        none = np.zeros((2, len(texts)), np.int32)
        return raw_table(texts, ["stop"] * len(texts), [PLAN] * len(texts), none, [stored(f) for f in facts])


@dataclass
class _Texts:
    """Texts on their way. text, finish, by: one for each product. tokens: of prompts and answers, int32 [2, n]."""

    text: list[str]
    finish: list[str]
    by: list[str]
    tokens: np.ndarray


@dataclass(frozen=True)
class Task(Generic[Item]):
    """What is written.

    read: the content as items. messages: the chat for one item. planned: the planned text of an item. stored: an item
    as the memo keeps it beside a text. judge: says what is wrong with a text.
    """

    read: Callable[[pa.Table], list[Item]]
    messages: Callable[[Item], list[dict[str, str]]]
    planned: Callable[[Item], str]
    stored: Callable[[Item], str]
    judge: Judge


@dataclass(frozen=True)
class Writer(Generic[Item]):
    """Writes with a generator.

    A text with words that nothing backs is sent back once with these words, if `repair`. From attempt `plan_from` on, a
    text that may not be shown is replaced by the planned one; 0: never.
    """

    generator: Generator
    kind: str
    task: Task[Item]
    attempts: AttemptSampling
    call_rows: int
    repair: bool
    plan_from: int

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Calls of `call_rows` prompts."""
        return calls_of(content, self.call_rows)

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Write the text of each item.

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
        if not rows:
            return
        sampling = self.attempts.sampling(attempt, self.kind)
        made = self.generator.generate([self.generator.render(chats[i]) for i in rows], sampling)
        for i, text, end in zip(rows, made.texts, made.finished, strict=True):
            texts.text[i], texts.finish[i] = text, end
        texts.tokens[0, rows] += made.tokens_in
        texts.tokens[1, rows] += made.tokens_out

    def _verdicts(self, texts: _Texts, rows: Sequence[int], facts: Sequence[str]) -> dict[int, Judged]:
        return {i: self.task.judge(texts.text[i], texts.finish[i], facts[i]) for i in rows}


def _complaint(text: str, verdict: Judged) -> list[dict[str, str]]:
    """What a generator is told of its own text."""
    words = ", ".join(dict.fromkeys(f'"{f.span}"' + (f" ({f.against})" if f.against else "") for f in verdict.findings))
    asks = f"Nothing in the product's facts backs these words: {words}. Write the same JSON again without them."
    return [{"role": "assistant", "content": text}, {"role": "user", "content": asks}]


def calls_of(content: pa.Table, most: int) -> list[np.ndarray]:
    """Calls of at most so many rows."""
    rows = np.arange(content.num_rows)
    return [rows[a : a + most] for a in range(0, len(rows), most)]


def raw_table(texts: list[str], finish: list[str], by: list[str], tokens: np.ndarray, facts: Sequence[str]) -> pa.Table:
    """The raw outputs. tokens: of prompts and answers, int32 [2, n]. facts: what the texts state, as it is stored."""
    return pa.table({
        "text": pa.array(texts, pa.string()),
        "finish": pa.array(finish, pa.string()),
        "writer": pa.array(by, pa.string()),
        "tokens_out": pa.array(tokens[1], pa.int32()),
        "attributes": pa.array(facts, pa.string()),
        "tokens": pa.array(tokens[0], pa.int32()),
    })  # fmt: skip


def stored(facts: Facts) -> str:
    """Attributes as the memo stores them beside a text, which can be judged later without its source row."""
    return json.dumps({n: v for n, v in facts.items() if v and v.strip()}, ensure_ascii=False)
