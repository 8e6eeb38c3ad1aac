"""Read a shop's texts as training examples (prompt and answer), split them, and encode them as token documents.

Near-duplicates of training texts are dropped from the held-out splits. The split of a text depends only on its content:
it is the same whenever and wherever the text is read.
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

OTHER = "und"  # language of rows without one (ISO 639: undetermined)
# Why an example is left out. too_long: it does not fit into a block. marker: it holds text that only the chat template
# may write. changed: the tokenizer cannot reproduce its answer exactly.
LeftOut = Literal["too_long", "marker", "changed"]


@dataclass(frozen=True)
class Examples:
    """The examples of a source table.

    Attributes:
        rows: Columns prompt, answer, group (language), name (key of the row) and split ("train", "val" or "test").
        near: Number of held-out rows that were dropped as near-duplicates of training rows.
    """

    rows: pa.Table
    near: int

    def part(self, split: str) -> pa.Table:
        """Return the rows of a split: "train", "val" or "test"."""
        return self.rows.filter(pc.equal(self.rows["split"], split))


def read(source: Snapshot, config: SourceConfig) -> Examples:
    """Return the examples of a table, each content once, in an order that depends only on the contents.

    Rows without a visible prompt or answer are skipped.

    Args:
        source: Pinned snapshot of the table.
        config: Names of the columns, and sizes of the splits.

    Raises:
        UserError: A column is missing, or a split has no row.
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
    """Encodes examples as token documents in the model's own chat template. It runs in Ray tasks.

    Only the answer and the token that ends it are trained on, not the prompt. The prompt is tokenised separately, as it
    is when the tuned model is used later; text that the template writes between prompt and answer (an empty `<think>`
    block) belongs to the prompt. Control tokens inside a prompt or an answer are encoded as plain text. A text without
    a prompt is trained on from its second token on, and truncated if it is too long.

    Attributes:
        model: Folder of the model, whose tokenizer and chat template are used.
        system: System instruction before every prompt; "" for none.
        block_tokens: Greatest number of tokens of a document.
    """

    model: str
    system: str
    block_tokens: int

    def __call__(self, batch: pa.Table) -> list[Document | None]:
        """Return the document of each example of a batch (columns prompt and answer), None for those left out."""
        rows = zip(batch["prompt"].to_pylist(), batch["answer"].to_pylist(), strict=True)
        return [self.document(prompt, answer) for prompt, answer in rows]

    def document(self, prompt: str, answer: str) -> Document | None:
        """Return the example as a document; None if it must be left out."""
        encoded = self.encode(prompt, answer)
        return encoded if isinstance(encoded, Document) else None

    def encode(self, prompt: str, answer: str) -> Document | LeftOut:
        """Return the example as a document, or the reason why it must be left out (see `left_out.MEANINGS`).

        Raises:
            UserError: The model's chat template cannot be trained on.
            ModelError: The model has no chat template.
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
        ids = whole.ids[: self.block_tokens]  # the first token has no context, so it is not trained on
        return Document(ids, np.arange(len(ids)) > 0) if len(ids) > 1 else "too_long"

    def texts(self, prompt: str, answer: str) -> tuple[str, str]:
        """Return an example in the model's chat template as two texts: the model's input, and the output to learn.

        Control tokens inside `prompt` and `answer` are escaped, so that the tokenizer encodes them as plain text; those
        of the template itself stay control tokens.

        Args:
            prompt: The example's prompt; "" for a text without one.
            answer: The answer to learn.

        Returns:
            (input, output). Without a prompt, the template is not used: the input is "" and the output is the answer.

        Raises:
            UserError: The chat template cannot be trained on.
            ModelError: The model has no chat template.
            ControlTextError: The prompt holds a marker of the template, or changes the text that the template writes
                around the prompt.
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
        """Return the prompt in the chat template, up to where the answer begins: the input of the tuned model."""
        return self.answer_format.asked(chat_prompt(_folder(self.model), self.messages(prompt)))

    def messages(self, prompt: str) -> list[dict[str, str]]:
        """Return the messages of the chat: the system instruction, if there is one, and the prompt as user message."""
        question = [{"role": "user", "content": prompt}]
        return [{"role": "system", "content": self.system}, *question] if self.system else question

    @property
    def answer_format(self) -> AnswerFormat:
        """The text that the model's chat template writes around an answer.

        Raises:
            UserError: The chat template cannot be trained on.
        """
        return answer_format(_folder(self.model), bool(self.system))

    def expected(self, prompt: str, answer: str) -> Expected:
        """Return the text of an example by its parts, with which `masks.lint` compares the example's mask.

        The parts are the model's input (not trained on), the answer and the tokens that may end it (trained on).

        Args:
            prompt: The example's prompt; "" for a text without one.
            answer: The answer to learn.
        """
        return self._expected(self.asked(prompt) if prompt else "", answer)

    def decode(self, ids: Any) -> str:
        """Return the text of token ids, with special tokens."""
        return str(_tokenizer(self.model).tokenizer.decode([int(i) for i in ids], skip_special_tokens=False))

    def _expected(self, given: str, answer: str) -> Expected:
        end = self.answer_format.end if given else None
        return Expected(given, answer, end_tokens(self.model) if end is None else (end,))

    def _tokens(self, given: str, written: str) -> tuple[list[int], list[int]]:
        """Return the token ids of the model's input, and those of the output that it learns (see `texts`).

        The input is tokenised on its own, as it is when the tuned model is used later.

        Args:
            given: The input; "" for none.
            written: The output.

        Raises:
            ControlTextError: The tokenizer makes a control token from plain text.
        """
        tokenizer, controls = _tokenizer(self.model), chat_controls(_folder(self.model))
        head, whole = tokenizer.encode(given), tokenizer.encode(given + written)
        goes_on = whole[: len(head)] == head  # False if the tokenizer merges the end of one and the start of the other
        tail = whole[len(head) :] if goes_on else tokenizer.encode(written)
        if sum(i in _control_ids(self.model) for i in (*head, *tail)) != count(given + written, controls):
            raise ControlTextError("the tokenizer makes a control token of what is none")
        return head, tail


@lru_cache(maxsize=4)
def end_tokens(model: str) -> tuple[int, ...]:
    """Return the ids of the tokens that can end an answer, from the model's configuration files.

    A model can have several; its chat template writes one of them.
    """
    from shopbatch.engines.generators.prompts import Prompts

    return tuple(Prompts(_folder(model)).ends)


def _has_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a mask of the rows with any visible character (an answer may be `none` or a full stop)."""
    return pa.chunked_array([is_visible(chunk) for chunk in column.chunks], pa.bool_())


def _split(table: pa.Table, config: SourceConfig) -> pa.Table:
    """Drop repeated contents and add a column `split` ("train", "val" or "test"), chosen by the hash of the content.

    If there are more than `config.rows` contents, those with the lowest hashes are kept.
    """
    # Older versions split by this hash. It is kept so that their models are not judged by rows they were trained on.
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
    """Return the ids of the control tokens (such as the end of a turn) in the vocabulary of the model."""
    tokenizer, controls = _tokenizer(model), set(chat_controls(_folder(model)))
    return frozenset(i for i in tokenizer.reserved if tokenizer.added[i].content in controls)


@lru_cache(maxsize=4)
def _folder(model: str) -> Path:
    """Return the model's folder on this machine; a remote model is fetched and verified once, not for each example."""
    return local(model)
