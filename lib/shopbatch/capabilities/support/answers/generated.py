"""Generates replies to tickets with a language model, and checks the replies against the tickets' facts.

`Writer` generates in the workers of `AnswerStage`; `judged` checks each reply with the functions of
`grounding.replies`.
"""

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

CUT = "cut"  # kind of problem: the generator did not finish the text
_MARKUP = re.compile(r"[<>{}|`\[\]]")  # characters of fences and chat templates
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


@dataclass(frozen=True)
class Prompts:
    """The generator's instructions.

    Attributes:
        texts: The instruction by language. A ticket in another language gets no generated reply.
    """

    texts: Mapping[str, str] = field(default_factory=dict)

    def messages(self, ticket: Read, language: str) -> list[dict[str, str]]:
        """Return the chat for one ticket: the instruction, then facts and question between fences.

        Text of the facts or the question cannot close its fence, because markup signs are removed. Mail addresses,
        phone and card numbers of the question are masked.

        Args:
            ticket: The ticket with its facts.
            language: Language of the ticket, one of `texts`.
        """
        said = [passage.text for passage in passages(ticket.facts, language, ticket.as_of)]
        said += [goods for order in ticket.facts.orders if (goods := goods_sentence(order, language))]
        facts = "\n".join(f"- {_one_line(text)}" for text in said)
        asked = f"<facts>\n{facts}\n</facts>\n<question>\n{mask(_one_line(ticket.text))}\n</question>"
        return [{"role": "system", "content": self.texts[language]}, {"role": "user", "content": asked}]


def _one_line(text: str) -> str:
    """Return a text in one line without markup, fences and control characters."""
    return _BLANK.sub(" ", _MARKUP.sub(" ", plain(text))).strip()


def passages(facts: Facts, language: str, as_of: dt.date | None) -> list[Passage]:
    """Return the facts of a ticket as passages of text, against which a generated reply is checked.

    They are the policies' sections, and sentences about orders and calculated dates.

    Args:
        facts: The facts.
        language: Language of the sentences.
        as_of: Date of the reply; None if the ticket has none.
    """
    known = [Passage(section.id, section.text) for section in facts.sections]
    return [*known, *(Passage(name, text) for name, text in fact_sentences(facts, language, as_of))]


def judged(text: str, end: str | None, ticket: Read, language: str) -> tuple[list[Claim], list[str]]:
    """Check a generated reply against the ticket's facts.

    Args:
        text: The generated reply.
        end: The reason why the generator ended; any other than "stop" counts as the problem CUT.
        ticket: The ticket with its facts.
        language: Language of the ticket.

    Returns:
        The claims of the reply with the facts that back them, and the kinds of problems, each once; [] for none.
    """
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
    """Return the kind of fact (POLICY, ORDER or RECKONED) that a passage states, from the passage's name.

    The name is `policy_id#section`, `order_id.column`, or, for a calculated date (RECKONED), these two joined by "+".
    """
    return RECKONED if "+" in name else POLICY if "#" in name else ORDER


@dataclass(frozen=True)
class Writer:
    """Generates replies inside a Ray worker. Tickets that are handed over to a person are not shown to the generator.

    Attributes:
        generator: The opened engine.
        prompts: The instructions by language.
        sampling: Sampling settings.
        rules: Rules that decide which tickets are handed over.
        call_rows: Number of tickets in one call.
    """

    generator: Generator
    prompts: Prompts
    sampling: Sampling
    rules: Rules
    call_rows: int

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        """Group the tickets into calls of `call_rows` rows; return the row numbers of each call."""
        rows = np.arange(content.num_rows)
        return [rows[a : a + self.call_rows] for a in range(0, len(rows), self.call_rows)]

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        """Generate a reply for each ticket that is not handed over and whose language has an instruction.

        Args:
            content: Tickets with the columns of CONTENT.
            attempts: Number of the attempt at each row; not used.

        Returns:
            Columns `text` (the reply) and `finish` (why the generator ended), both null where nothing was generated,
            `tokens_out` (number of generated tokens) and `tokens` (number of prompt tokens).

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
        """Yield (row number, chat) of each ticket for which a reply is generated."""
        for row, (ticket, language) in enumerate(tickets):
            if language in self.prompts.texts and not triage(ticket, self.rules).handed_over:
                yield row, self.prompts.messages(ticket, language)
