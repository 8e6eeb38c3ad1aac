"""A shop's texts -> examples of a language model: prompt and answer, split by content, without near-duplicates.

The split of a text depends only on its content: it is the same whenever and wherever the text is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.language_model import masks
from shopbatch.capabilities.language_model.config import SourceConfig
from shopbatch.capabilities.language_model.masks import Expected
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import former_hash128
from shopbatch.evaluation.near_duplicates import without_near_duplicates
from shopbatch.models.answer_format import AnswerFormat, answer_format, around_answer
from shopbatch.models.chat import chat_controls, chat_prompt
from shopbatch.models.control_tokens import ControlTextError, MarkedTokenizer, count, escape
from shopbatch.models.folder import local
from shopbatch.models.loading import load_tokenizer
from shopbatch.text.visible import is_visible
from shopbatch.training.packing import Document
from shopbatch.warehouse.store import Snapshot

OTHER = "und"  # language of a text whose row states none
# Why an example is left out: it does not fit into a block; it holds what only the chat template may write, and that
# cannot be plain text; the tokenizer cannot write its answer as it is
LeftOut = Literal["too_long", "marker", "changed"]


@dataclass(frozen=True)
class Examples:
    """The examples of a source.

    rows: a table with the columns prompt, answer, group, name, split.
    near: number of held-out rows that were dropped as near-duplicates of training rows.
    """

    rows: pa.Table
    near: int

    def part(self, split: str) -> pa.Table:
        """Return the rows of a split."""
        return self.rows.filter(pc.equal(self.rows["split"], split))


def read(source: Snapshot, config: SourceConfig) -> Examples:
    """Return the examples of a snapshot, each content once, in an order that depends only on the contents.

    Raises UserError for a missing column, or a split without a row.
    """
    if missing := [c for c in config.columns if c not in source.schema.names]:
        known = ", ".join(source.schema.names)
        raise UserError(f"table {source.name!r} has no column {missing[0]!r} (it has: {known}); see source.*")
    raw = source.read(config.columns)
    text = {n: raw[n].cast(pa.string()) for n in config.columns}
    nothing = pa.chunked_array([pa.repeat(pa.scalar("", pa.string()), raw.num_rows)])
    answer = text[config.answer]
    prompt = text[config.prompt] if config.prompt else nothing
    columns = {
        "prompt": prompt,
        "answer": answer,
        "group": pc.fill_null(text[config.group], OTHER) if config.group else pc.fill_null(nothing, OTHER),
        "name": pc.fill_null(text[config.key], "") if config.key else nothing,
    }
    table = pa.table(columns)
    usable = _has_text(answer)
    if config.prompt:
        usable = pc.and_(_has_text(prompt), usable)
    rows = _split(table.filter(usable), config)
    texts = [f"{p}\n{a}" for p, a in zip(rows["prompt"].to_pylist(), rows["answer"].to_pylist(), strict=True)]
    keep = without_near_duplicates(texts, rows["split"].to_numpy(zero_copy_only=False) == "train", config.similar)
    examples = Examples(rows.filter(pa.array(keep)), int((~keep).sum()))
    for split in ("train", "val", "test"):
        if not examples.part(split).num_rows:
            raise UserError(
                f"table {source.name!r}: no example for {split} (of {rows.num_rows} contents, {examples.near} held-out "
                "ones were dropped as near-duplicates of a training text); more or more varied rows are needed"
            )
    return examples


@dataclass(frozen=True)
class Encode:
    """Examples -> documents, in the model's own chat template. Runs in Ray tasks.

    Of a prompt and its answer, only the answer is learnt, with the token that ends it. The prompt is tokenised
    separately, as it will be when the model is asked; what the template writes between prompt and answer (an empty
    `<think>` block) belongs to the prompt. A control token inside a question or an answer is plain text. A text without
    a prompt is learnt from its first token on, and truncated if it is too long.
    """

    model: str
    system: str
    block_tokens: int

    def __call__(self, batch: pa.Table) -> list[Document | None]:
        rows = zip(batch["prompt"].to_pylist(), batch["answer"].to_pylist(), strict=True)
        return [self.document(prompt, answer) for prompt, answer in rows]

    def document(self, prompt: str, answer: str) -> Document | None:
        """Return the example as a document, or None if it is left out."""
        encoded = self.encode(prompt, answer)
        return encoded if isinstance(encoded, Document) else None

    def encode(self, prompt: str, answer: str) -> Document | LeftOut:
        """Return the example as a document, or why it is left out.

        Raises UserError or ModelError if the model's chat template cannot be trained on.
        """
        try:
            given, written = self.texts(prompt, answer)
            head, tail = self._tokens(given, written)
        except ControlTextError:
            return "marker"
        end = self.answer_format.end if prompt else None
        if end is None:
            learnt = [*tail, *end_tokens(self.model)[:1]]
        else:
            learnt = tail[: tail.index(end) + 1] if end in tail else tail
        whole = Document(np.asarray(head + learnt, np.int32), np.arange(len(head) + len(learnt)) >= len(head))
        if masks.fault(whole, self._expected(given, answer), self.decode):
            return "changed"
        if prompt:
            return whole if len(whole.ids) <= self.block_tokens else "too_long"
        ids = whole.ids[: self.block_tokens]  # nothing comes before its first token, so that cannot be predicted
        return Document(ids, np.arange(len(ids)) > 0) if len(ids) > 1 else "too_long"

    def texts(self, prompt: str, answer: str) -> tuple[str, str]:
        """Return the text that the model is given and the text that it should write, special tokens included.

        Control tokens of question and answer are marked as plain text.

        Raises UserError if the chat template cannot be trained on, ModelError if the model has none, and
        ControlTextError if the question holds a marker of the template, or changes what it writes around the question.
        """
        learnt = escape(answer, chat_controls(_folder(self.model)))
        if not prompt:
            return "", learnt
        if any(marker in prompt for marker in self.answer_format.markers):
            raise ControlTextError("the question holds a marker of the chat template")
        asked, written = self.asked(prompt), around_answer(_folder(self.model), self.messages(prompt))
        lead, closing = self.answer_format.lead, self.answer_format.closing
        if written != (asked + lead, closing):
            raise ControlTextError("the question changes what the chat template writes around it")
        return asked, lead + learnt.strip() + closing

    def asked(self, prompt: str) -> str:
        """Return the text that the tuned model is asked with: the prompt in the chat template, up to the answer."""
        return self.answer_format.asked(chat_prompt(_folder(self.model), self.messages(prompt)))

    def messages(self, prompt: str) -> list[dict[str, str]]:
        """Return the chat that asks for an answer."""
        question = [{"role": "user", "content": prompt}]
        return [{"role": "system", "content": self.system}, *question] if self.system else question

    @property
    def answer_format(self) -> AnswerFormat:
        """What the model's chat template writes around an answer. Raises UserError if it cannot be trained on."""
        return answer_format(_folder(self.model), bool(self.system))

    def expected(self, prompt: str, answer: str) -> Expected:
        """Return what the mask linter must find in the example's mask."""
        return self._expected(self.asked(prompt) if prompt else "", answer)

    def decode(self, ids: Any) -> str:
        """Return token ids as text, special tokens included."""
        return str(_tokenizer(self.model).tokenizer.decode([int(i) for i in ids], skip_special_tokens=False))

    def _expected(self, given: str, answer: str) -> Expected:
        end = self.answer_format.end if given else None
        return Expected(given, answer, end_tokens(self.model) if end is None else (end,))

    def _tokens(self, given: str, written: str) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt as the model is asked, and those that it should go on with.

        Raises ControlTextError if the tokenizer makes a control token of what is none.
        """
        tokenizer, controls = _tokenizer(self.model), chat_controls(_folder(self.model))
        head, whole = tokenizer.encode(given), tokenizer.encode(given + written)
        goes_on = whole[: len(head)] == head  # else the tokenizer would join the two in one token
        tail = whole[len(head) :] if goes_on else tokenizer.encode(written)
        if sum(i in _control_ids(self.model) for i in (*head, *tail)) != count(given + written, controls):
            raise ControlTextError("the tokenizer makes a control token of what is none")
        return head, tail


@lru_cache(maxsize=4)
def end_tokens(model: str) -> tuple[int, ...]:
    """Return the tokens that end an answer according to the model's configuration; its template writes one of them."""
    from shopbatch.engines.generators.prompts import Prompts

    return tuple(Prompts(_folder(model)).ends)


def _has_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return which rows hold anything that can be seen. An answer may be `none` or a full stop."""
    return pa.chunked_array([is_visible(chunk) for chunk in column.chunks], pa.bool_())


def _split(table: pa.Table, config: SourceConfig) -> pa.Table:
    """Return each content once, with its split by hash: train, val or test."""
    # The hash that older versions split by: a model of theirs is never judged by rows that it was trained on.
    high, low = former_hash128([table["prompt"], table["answer"]])
    order = np.lexsort([low, high])
    first = np.ones(len(order), bool)
    first[1:] = (high[order][1:] != high[order][:-1]) | (low[order][1:] != low[order][:-1])
    order = order[first][: config.rows]
    hundredth = (low[order] % np.uint64(100)).astype(np.int64)
    split = np.where(hundredth < config.test, "test", np.where(hundredth < config.test + config.val, "val", "train"))
    return table.take(pa.array(order)).append_column("split", pa.array(split)).combine_chunks()


@lru_cache(maxsize=4)
def _tokenizer(model: str) -> MarkedTokenizer:
    return MarkedTokenizer(load_tokenizer(_folder(model)))


@lru_cache(maxsize=4)
def _control_ids(model: str) -> frozenset[int]:
    """Return the ids of the control tokens, by the tokenizer that the engines read."""
    tokenizer, controls = _tokenizer(model), set(chat_controls(_folder(model)))
    return frozenset(i for i in tokenizer.reserved if tokenizer.added[i].content in controls)


@lru_cache(maxsize=4)
def _folder(model: str) -> Path:
    """Return the model's folder on this machine; one from elsewhere is verified once, and not for every example."""
    return local(model)
