"""The last step of `answer_tickets`: decides on each ticket and writes its reply with claims.

The memo keeps only the costly part, the text that a generator wrote. The template, the checks and the decision are
computed again when the table is published, so that a changed threshold, template or check generates nothing again.
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

VERSION = 2  # of the code that turns a ticket into a prompt; a part of the recipe
_OUTPUTS = pa.schema([("text", pa.string()), ("finish", pa.string()), ("tokens_out", pa.int32())])


@dataclass(frozen=True)
class AnswerStage(BaseStage):
    """The inference stage that decides on tickets and writes replies (see `inference.stage.Stage`).

    Attributes:
        reply: Settings of the writer: template, extract, or a generator.
        rules: Thresholds and settings of the decision.
        model: Folder of the generator's model; "" if it loads none.
        models: Digests of the models, a part of the recipe.
        prompts: The generator's instructions.
        sampling: Sampling settings of the generator.
        call_rows: Number of prompts in one call.
        content: Source columns on which the result depends.
        passthrough_columns: Source columns that are copied into the published row.
        drift_columns: Two published columns, (group, label). The gate `drift` compares the shares of their value pairs
            with those of the live table.
        outputs: Schema of the raw results.
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
        """Return True if the writer needs no engine, so that the stage runs in tasks instead of actors."""
        return bool(getattr(self.reply, "light", False))

    @property
    def gpus(self) -> float:
        """Return the number of GPUs of one worker; 0 for the template."""
        return float(getattr(self.reply, "gpus", 0.0))

    @property
    def checks(self) -> str:
        """Return a digest of the rules, and of the versions of the code that decides, checks and fills templates.

        When it changes, the table is published again from the memo, and nothing is generated again.
        """
        rules = [self.rules.thresholds.tree(), self.rules.draft_confidence, self.rules.person_intents]
        rules += [self.rules.least_confidence]
        rules += [self.rules.thread_messages, self.rules.most_questions, self.rules.send_generated]
        return digest({"rules": rules, "versions": [deciding.IDENTITY, replies.VERSION, CHECKS]})

    @property
    def engine_kind(self) -> str:
        """Return the kind of the writer, as the report names it."""
        return self.reply.kind

    def recipe(self) -> Mapping[str, Any]:
        """Return the settings and versions that can change a generated text.

        They are engine, models, prompts, sampling, and the rules that decide which tickets are shown to the generator.
        The memo keys each generated text by a digest of them, so that a change of any of them generates the texts
        again.
        """
        made = {"stage": "answers", "version": VERSION, "engine": self.reply.identity()}
        if isinstance(self.reply, TemplateReply | ExtractReply):
            return made
        sampling = self.sampling.model_dump(mode="json")
        # decides which tickets the generator sees: one that it did not see has no text, whatever the rules say later
        asked = [deciding.IDENTITY, self.rules.thread_messages, self.rules.most_questions]
        made |= {"models": dict(self.models), "prompts": dict(self.prompts.texts), "sampling": sampling}
        return made | {"asked": asked}

    def open(self) -> Scorer:
        """Open the generator in a worker; the template needs nothing to be opened."""
        if isinstance(self.reply, TemplateReply | ExtractReply):
            return _Nothing()
        generator = open_generator(self.reply, self.model or None)
        return Writer(generator, self.prompts, self.sampling, self.rules, self.call_rows)

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Decide on each ticket and write its reply; return the columns of `ticket_answers`."""
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
        """Return the published columns of one ticket.

        Args:
            ticket: The ticket with its facts.
            language: Language of the ticket.
            text: Generated reply; None if there is none.
            end: The reason why the generator ended; None if nothing was generated.
        """
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
        """Return the generated reply if it passes the checks, else the template's reply.

        Args:
            ticket: The ticket with its facts.
            language: Language of the ticket.
            text: Generated reply; None if there is none.
            end: The reason why the generator ended; None if nothing was generated.

        Returns:
            (writer, reply, claims, problems). The writer is MODEL, TEMPLATE or EXTRACT; the reply is None if no
            template fits either; the problems are those that the checks found in the generated text.
        """
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
        """Count defects for the gates: claims positioned outside their reply, and urgent tickets that got a reply."""
        lost = must = 0
        columns = (published[name].to_pylist() for name in ("reply", "claims", "decision", "urgency"))
        for reply, claims, decision, urgent in zip(*columns, strict=True):
            lost += sum(not 0 <= claim["start"] < claim["end"] <= len(reply or "") for claim in claims)
            must += decision != ESCALATE and urgent is not None
        return {"claims outside the reply": float(lost), "urgent tickets with a reply": float(must)}

    def limits(self) -> dict[str, float]:
        """Return the greatest allowed value of each number of `measure`: 0."""
        return {"claims outside the reply": 0.0, "urgent tickets with a reply": 0.0}


class _Nothing:
    """The scorer of the template, which needs nothing computed beforehand: its raw results are null."""

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Return all rows as one batch."""
        return [np.arange(content.num_rows)] if content.num_rows else []

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Return null texts and 0 tokens for all rows."""
        none = pa.array(np.zeros(content.num_rows, np.int32))
        columns = {name: pa.nulls(content.num_rows, pa.string()) for name in ("text", "finish")}
        return pa.table(columns | {"tokens_out": none, "tokens": none})
