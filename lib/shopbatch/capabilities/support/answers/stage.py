"""A ticket with its facts -> a generator's text, if there is one (the memo) -> decision, reply and claims (published).

What the memo keeps is what costs: the text of a generator. The template, the checks and the decision are made anew when
the table is published, so that a changed threshold, template or check generates nothing again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.support.answers import deciding, replies
from shopbatch.capabilities.support.answers.config import EXTRACT, MODEL, TEMPLATE, ExtractReply, TemplateReply
from shopbatch.capabilities.support.answers.deciding import NO_TEMPLATE, UNBACKED, Rules, decide, triage
from shopbatch.capabilities.support.answers.generated import Prompts, Writer, judged
from shopbatch.capabilities.support.answers.reading import CONTENT, Read, read_tickets
from shopbatch.capabilities.support.answers.replies import Claim, as_rows, template_reply
from shopbatch.capabilities.support.thresholds import ESCALATE
from shopbatch.core.hashing import digest
from shopbatch.engines.configs import GenerateConfig, Sampling
from shopbatch.engines.factory import open_generator
from shopbatch.grounding.replies import VERSION as CHECKS
from shopbatch.inference.stage import BaseStage, Scorer
from shopbatch.tables.ticket_answers import CLAIM

VERSION = 2  # of all that turns a ticket into a prompt
_OUTPUTS = pa.schema([("text", pa.string()), ("finish", pa.string()), ("tokens_out", pa.int32())])


@dataclass(frozen=True)
class AnswerStage(BaseStage):
    """The last stage of `answer_tickets`.

    Attributes:
        reply: What writes the replies.
        rules: What decides.
        model: The generator's folder; "" if it loads none.
        models: Digests of models, part of the recipe.
        prompts: What a generator is told.
        sampling: How its answers are drawn.
        call_rows: Prompts of one call.
    """

    reply: TemplateReply | ExtractReply | GenerateConfig
    rules: Rules = field(default_factory=Rules)
    model: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    prompts: Prompts = field(default_factory=Prompts)
    sampling: Sampling = field(default_factory=Sampling)
    call_rows: int = 64
    content: tuple[str, ...] = CONTENT
    passthrough_columns: tuple[str, ...] = (
        *("user_id", "channel", "intent", "confidence", "confidences", "created_at"),
        *CONTENT,
    )
    drift_columns: tuple[str, str] = ("language", "decision")
    outputs: pa.Schema = field(default_factory=lambda: _OUTPUTS)

    @property
    def stateless(self) -> bool:
        return bool(getattr(self.reply, "light", False))

    @property
    def gpus(self) -> float:
        return float(getattr(self.reply, "gpus", 0.0))

    @property
    def checks(self) -> str:
        rules = [self.rules.thresholds.tree(), self.rules.draft_confidence, self.rules.person_intents]
        rules += [self.rules.least_confidence]
        rules += [self.rules.thread_messages, self.rules.most_questions, self.rules.send_generated]
        return digest({"rules": rules, "versions": [deciding.IDENTITY, replies.VERSION, CHECKS]})

    @property
    def engine_kind(self) -> str:
        return self.reply.kind

    def recipe(self) -> Mapping[str, Any]:
        made = {"stage": "answers", "version": VERSION, "engine": self.reply.identity()}
        if isinstance(self.reply, TemplateReply | ExtractReply):
            return made
        sampling = self.sampling.model_dump(mode="json")
        # which tickets are shown to the generator: one that was not has no text, whatever the rules say later
        asked = [deciding.IDENTITY, self.rules.thread_messages, self.rules.most_questions]
        made |= {"models": dict(self.models), "prompts": dict(self.prompts.texts), "sampling": sampling}
        return made | {"asked": asked}

    def open(self) -> Scorer:
        if isinstance(self.reply, TemplateReply | ExtractReply):
            return _Nothing()
        generator = open_generator(self.reply, self.model or None)
        return Writer(generator, self.prompts, self.sampling, self.rules, self.call_rows)

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Decide on each ticket, and write its reply."""
        texts, ends = raw["text"].to_pylist(), raw["finish"].to_pylist()
        rows = [
            self._row(ticket, language, text, end)
            for (ticket, language), text, end in zip(read_tickets(passed), texts, ends, strict=True)
        ]
        kinds = {"claims": pa.list_(CLAIM), "problems": pa.list_(pa.string()), "intents": pa.list_(pa.string())}
        names = ("intents", "urgency", "decision", "reason", "reply", "writer", "problems", "claims", "policy_version")
        made = {name: pa.array([row.get(name) for row in rows], kinds.get(name, pa.string())) for name in names}
        return made | {"sentiment": pa.nulls(len(rows), pa.string())}

    def _row(self, ticket: Read, language: str, text: str | None, end: str | None) -> dict[str, Any]:
        """The published columns of one ticket."""
        said = triage(ticket, self.rules)
        row: dict[str, Any] = {
            "intents": list(dict.fromkeys(filter(None, ticket.intents))),
            "urgency": said.urgency,
            "problems": [],
        }
        row |= {"claims": []}
        if said.handed_over:
            return row | {"decision": ESCALATE, "reason": said.handed_over}
        writer, reply, claims, problems = self._reply(ticket, language, text, end)
        row["problems"] = problems
        if reply is None:
            return row | {"decision": ESCALATE, "reason": UNBACKED if problems else NO_TEMPLATE}
        decision, reason = decide(ticket, self.rules, generated=writer == MODEL)
        row |= {"decision": decision, "reason": reason}
        if decision == ESCALATE:
            return row
        versions = " ".join(dict.fromkeys(section.version for section in ticket.facts.sections))
        return row | {"reply": reply, "writer": writer, "claims": as_rows(claims), "policy_version": versions}

    def _reply(
        self, ticket: Read, language: str, text: str | None, end: str | None
    ) -> tuple[str, str | None, list[Claim], list[str]]:
        """Who wrote the reply, the reply, its claims, and what the checks found in a generator's text."""
        problems: list[str] = []
        if text is not None:
            claims, problems = judged(text, end, ticket, language)
            if not problems:
                return MODEL, text, claims, []
        only = ticket.text if isinstance(self.reply, ExtractReply) else ""
        reply = template_reply(ticket.facts, language, ticket.as_of, only)
        if reply is None:
            return TEMPLATE, None, [], problems
        return EXTRACT if only else TEMPLATE, reply.text, reply.claims, problems

    def measure(self, published: pa.Table) -> dict[str, float]:
        """Count claims outside their reply, and tickets that are answered though a person must."""
        lost = must = 0
        columns = (published[name].to_pylist() for name in ("reply", "claims", "decision", "urgency"))
        for reply, claims, decision, urgent in zip(*columns, strict=True):
            lost += sum(not 0 <= claim["start"] < claim["end"] <= len(reply or "") for claim in claims)
            must += decision != ESCALATE and urgent is not None
        return {"claims outside the reply": float(lost), "urgent tickets with a reply": float(must)}

    def limits(self) -> dict[str, float]:
        return {"claims outside the reply": 0.0, "urgent tickets with a reply": 0.0}


class _Nothing:
    """A template needs nothing computed beforehand."""

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        return [np.arange(content.num_rows)] if content.num_rows else []

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        none = pa.array(np.zeros(content.num_rows, np.int32))
        columns = {name: pa.nulls(content.num_rows, pa.string()) for name in ("text", "finish")}
        return pa.table(columns | {"tokens_out": none, "tokens": none})
