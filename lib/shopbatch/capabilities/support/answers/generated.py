"""A generator writes replies from the facts of a ticket; what it writes must pass the checks of `grounding.replies`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.support.answers.deciding import Rules, triage
from shopbatch.capabilities.support.answers.facts import Facts
from shopbatch.capabilities.support.answers.reading import Read, read_tickets
from shopbatch.capabilities.support.answers.replies import (
    ORDER,
    POLICY,
    RECKONED,
    Claim,
    fact_sentences,
    goods_sentence,
)
from shopbatch.core.privacy import mask
from shopbatch.engines.base import Generator
from shopbatch.engines.configs import Sampling
from shopbatch.grounding.replies import Passage, check_reply
from shopbatch.text.markup import plain

CUT = "cut"  # the text ended because there was no more room
_MARKUP = re.compile(r"[<>{}|`\[\]]")  # signs of fences and chat templates
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


@dataclass(frozen=True)
class Prompts:
    """texts: what a generator is told, by language. A ticket in another language gets no generated reply."""

    texts: Mapping[str, str] = field(default_factory=dict)

    def messages(self, ticket: Read, language: str) -> list[dict[str, str]]:
        """Return the chat for one ticket: the instruction, then facts and question between fences.

        Neither can close its fence, and mail addresses, phone and card numbers of the question are masked.
        """
        said = [passage.text for passage in passages(ticket.facts, language, ticket.as_of)]
        said += [goods for order in ticket.facts.orders if (goods := goods_sentence(order, language))]
        facts = "\n".join(f"- {_one_line(text)}" for text in said)
        asked = f"<facts>\n{facts}\n</facts>\n<question>\n{mask(_one_line(ticket.text))}\n</question>"
        return [{"role": "system", "content": self.texts[language]}, {"role": "user", "content": asked}]


def _one_line(text: str) -> str:
    return _BLANK.sub(" ", _MARKUP.sub(" ", plain(text))).strip()


def passages(facts: Facts, language: str, as_of: dt.date | None) -> list[Passage]:
    """Return what is known for a ticket as passages of text: sections, sentences about orders, reckoned dates."""
    known = [Passage(section.id, section.text) for section in facts.sections]
    return [*known, *(Passage(name, text) for name, text in fact_sentences(facts, language, as_of))]


def judged(text: str, end: str | None, ticket: Read, language: str) -> tuple[list[Claim], list[str]]:
    """Return the claims of a generator's text with their backing, and the kinds of what is wrong with it."""
    known = passages(ticket.facts, language, ticket.as_of)
    verdict = check_reply(text, ticket.text, known, language, ticket.facts.orders)
    kinds = [problem.kind for problem in verdict.problems]
    if end != "stop":
        kinds.append(CUT)
    claims = [
        Claim(b.kind, b.start, b.end, _source(b.passage), b.passage, b.source_start, b.source_end)
        for b in verdict.backings
    ]
    return claims, list(dict.fromkeys(kinds))


def _source(name: str) -> str:
    return RECKONED if "+" in name else POLICY if "#" in name else ORDER


@dataclass(frozen=True)
class Writer:
    """The stage inside a worker. Tickets that are handed over are not shown to the generator."""

    generator: Generator
    prompts: Prompts
    sampling: Sampling
    rules: Rules
    call_rows: int

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Calls of `call_rows` tickets."""
        rows = np.arange(content.num_rows)
        return [rows[a : a + self.call_rows] for a in range(0, len(rows), self.call_rows)]

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Write a text for each ticket that is not handed over; null for the others.

        Raises:
            EngineError: The engine failed.
        """
        asked = dict(self._asked(list(read_tickets(content))))
        texts: list[str | None] = [None] * content.num_rows
        ends: list[str | None] = [None] * content.num_rows
        tokens = np.zeros((2, content.num_rows), np.int32)
        if asked:
            rows = list(asked)
            prompts = [self.generator.render(asked[row]) for row in rows]
            made = self.generator.generate(prompts, self.sampling)
            for row, text, end in zip(rows, made.texts, made.finished, strict=True):
                texts[row], ends[row] = text.strip(), end
            tokens[0, rows], tokens[1, rows] = made.tokens_in, made.tokens_out
        return pa.table({
            "text": pa.array(texts, pa.string()),
            "finish": pa.array(ends, pa.string()),
            "tokens_out": pa.array(tokens[1], pa.int32()),
            "tokens": pa.array(tokens[0], pa.int32()),
        })  # fmt: skip

    def _asked(self, tickets: Sequence[tuple[Read, str]]) -> Iterator[tuple[int, list[dict[str, str]]]]:
        for row, (ticket, language) in enumerate(tickets):
            if language in self.prompts.texts and not triage(ticket, self.rules).handed_over:
                yield row, self.prompts.messages(ticket, language)
