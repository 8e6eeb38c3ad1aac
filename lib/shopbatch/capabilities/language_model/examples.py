"""A shop's texts -> examples of a language model: prompt and answer, split by content, without near-duplicates.

The split of a text depends only on its content: it is the same whenever and wherever the text is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.language_model.config import SourceConfig
from shopbatch.capabilities.language_model.masks import Expected
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import hash128
from shopbatch.evaluation.near_duplicates import without_near_duplicates
from shopbatch.models.chat import chat_prompt, chat_tokenizer
from shopbatch.models.folder import local
from shopbatch.models.loading import load_tokenizer
from shopbatch.training.packing import Document
from shopbatch.warehouse.store import Snapshot

OTHER = "und"  # language of a text whose row states none


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
    separately, as it will be when the model is asked. An example that is too long for a block is left out. A text
    without a prompt is learnt from its first token on, and truncated if it is too long.
    """

    model: str
    system: str
    block_tokens: int

    def __call__(self, batch: pa.Table) -> list[Document | None]:
        rows = zip(batch["prompt"].to_pylist(), batch["answer"].to_pylist(), strict=True)
        return [self.document(prompt, answer) for prompt, answer in rows]

    def document(self, prompt: str, answer: str) -> Document | None:
        """Return the example as a document, or None if it does not fit into a block."""
        tokenizer = _tokenizer(self.model)
        before, after = self.texts(prompt, answer)
        head, tail = (tokenizer.encode(t, add_special_tokens=False).ids for t in (before, after))
        if ends := end_tokens(self.model):
            place = next((i for i, token in enumerate(tail) if token in ends), None)
            tail = [*tail, ends[0]] if place is None else tail[: place + 1]
        if not prompt:  # nothing comes before the first token of such a text, so it cannot be predicted
            ids = tail[: self.block_tokens]
            return Document(np.asarray(ids, np.int32), np.arange(len(ids)) > 0) if len(ids) > 1 else None
        if len(head) + len(tail) > self.block_tokens:
            return None
        return Document(np.asarray(head + tail, np.int32), np.arange(len(head) + len(tail)) >= len(head))

    def texts(self, prompt: str, answer: str) -> tuple[str, str]:
        """Return the text that the model is given and the text that it should write, special tokens included.

        Raises UserError if the chat template writes the prompt differently when an answer follows, and ModelError if
        the model has no chat template.
        """
        if not prompt:
            return "", answer
        asked = self.messages(prompt)
        before = chat_prompt(self.model, asked)
        whole = str(
            chat_tokenizer(local(self.model)).apply_chat_template(
                [*asked, {"role": "assistant", "content": answer}], tokenize=False
            )
        )
        if not whole.startswith(before):
            raise UserError(f"{self.model}: its chat template writes the prompt differently when an answer follows it")
        return before, whole[len(before) :]

    def messages(self, prompt: str) -> list[dict[str, str]]:
        """Return the chat that asks for an answer."""
        question = [{"role": "user", "content": prompt}]
        return [{"role": "system", "content": self.system}, *question] if self.system else question

    def expected(self, prompt: str, answer: str) -> Expected:
        """Return what the mask linter must find in the example's mask."""
        return Expected(self.texts(prompt, answer)[0], answer, end_tokens(self.model))

    def decode(self, ids: Any) -> str:
        """Return token ids as text, special tokens included."""
        return str(_tokenizer(self.model).decode(list(ids), skip_special_tokens=False))


@lru_cache(maxsize=4)
def end_tokens(model: str) -> tuple[int, ...]:
    """Return the tokens that end an answer according to the model's configuration; its template writes one of them."""
    from shopbatch.engines.generators.prompts import Prompts

    return tuple(Prompts(local(model)).ends)


def _has_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return which rows hold more than white space."""
    return pc.greater(pc.binary_length(pc.utf8_trim_whitespace(pc.fill_null(column, ""))), 0)


def _split(table: pa.Table, config: SourceConfig) -> pa.Table:
    """Return each content once, with its split by hash: train, val or test."""
    high, low = hash128([table["prompt"], table["answer"]])
    order = np.lexsort([low, high])
    first = np.ones(len(order), bool)
    first[1:] = (high[order][1:] != high[order][:-1]) | (low[order][1:] != low[order][:-1])
    order = order[first][: config.rows]
    hundredth = (low[order] % np.uint64(100)).astype(np.int64)
    split = np.where(hundredth < config.test, "test", np.where(hundredth < config.test + config.val, "val", "train"))
    return table.take(pa.array(order)).append_column("split", pa.array(split)).combine_chunks()


@lru_cache(maxsize=4)
def _tokenizer(model: str) -> Any:
    tokenizer = load_tokenizer(local(model))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
