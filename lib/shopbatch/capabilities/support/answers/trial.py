"""Answers a few tickets in this process as a run would, in one step: for `shopbatch try` and `shopbatch score`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.support.answers.config import AnswerTicketsConfig
from shopbatch.capabilities.support.answers.joining import Target, joined, shop_of
from shopbatch.capabilities.support.answers.question_stage import QuestionStage
from shopbatch.capabilities.support.answers.stage import AnswerStage
from shopbatch.inference.stage import BaseStage, Scorer
from shopbatch.tables.policies import POLICIES
from shopbatch.tables.ticket_answers import TICKET_INTENTS, TICKETS_WITH_FACTS
from shopbatch.tables.tickets import TICKETS
from shopbatch.warehouse.store import Store


@dataclass(frozen=True)
class TrialStage(BaseStage):
    """A stage that recognises intents, joins facts and answers in one step. A ticket without a date gets today's date.

    Attributes:
        asking: The stage of the first step, which recognises intents.
        answering: The stage of the last step, which decides and replies.
        config: Settings of the job.
        store: The warehouse, whose policies and orders are read.
    """

    asking: QuestionStage
    answering: AnswerStage
    config: AnswerTicketsConfig
    store: Store

    @property
    def content(self) -> tuple[str, ...]:
        """Return the content columns of the first step."""
        return self.asking.content

    @property
    def passthrough_columns(self) -> tuple[str, ...]:
        """Return the passthrough columns of the first step."""
        return self.asking.passthrough_columns

    @property
    def outputs(self) -> pa.Schema:
        """Return the schema of the raw results of the first step."""
        return self.asking.outputs

    def recipe(self) -> Mapping[str, Any]:
        """Return the recipe of the first step."""
        return self.asking.recipe()

    def check(self, content: pa.Table) -> pa.Array:
        """Return the first step's reasons why tickets cannot be read; null for the others."""
        return self.asking.check(content)

    def open(self) -> Scorer:
        """Open the first step."""
        return self.asking.open()

    def judge(self, raw: pa.Table) -> pa.Array:
        """Return the first step's reasons why raw results may not be published; null for the others."""
        return self.asking.judge(raw)

    def publish(self, passed: pa.Table, raw: pa.Table) -> dict[str, pa.Array]:
        """Predict intents, join facts, and answer the tickets; return the columns of `ticket_answers`."""
        known = {name: passed[name] for name in passed.column_names} | self.asking.publish(passed, raw)
        tickets = TICKET_INTENTS.fill(passed.num_rows, **{n: _flat(known[n]) for n in known if n in _INTENTS})
        policies = self.store.require(POLICIES, POLICIES.names)
        shop = shop_of(
            self.config, (policies, self.store.find("orders"), self.store.find("order_lines")), tickets, remote=False
        )
        today = pa.scalar(dt.datetime.now(dt.UTC), tickets.schema.field("created_at").type)
        dated = pc.fill_null(tickets["created_at"], today)
        tickets = tickets.set_column(tickets.column_names.index("created_at"), "created_at", dated)
        rows = joined(tickets, shop, Target("", "try", self.config.as_of, self.config.timezone), {})
        content = rows.select(self.answering.content)
        scorer, attempts = self.answering.open(), np.ones(rows.num_rows, np.int8)
        made = pa.concat_tables([scorer.run(content.take(batch), attempts[batch]) for batch in scorer.plan(content)])
        answered = self.answering.publish(rows, made)
        shown = {name: rows[name] for name in ("language", "intent", "confidence", "as_of")}
        return {**answered, **shown}


_INTENTS = frozenset(TICKET_INTENTS.names) & frozenset((*TICKETS_WITH_FACTS.names, *TICKETS.names))


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
