"""A shop's texts -> examples of a language model: prompt and answer, split by content, told apart from held-out ones.

Called by `finetune_llm`. Which split a text is in depends on its content alone, whenever and wherever it is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from shopbatch.capabilities.language_model.masks import Expected
from shopbatch.core.config import Strict, read_text
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import hash128
from shopbatch.evaluation.near_duplicates import apart
from shopbatch.models.chat import chat_prompt, chat_tokenizer
from shopbatch.models.folder import local
from shopbatch.models.loading import load_tokenizer
from shopbatch.training.packing import Document
from shopbatch.warehouse.store import Snapshot

OTHER = "und"  # language of a text whose language is not stated


class SourceConfig(Strict):
    """Which texts. prompt: column of what the model is given ("": nothing, plain texts are learnt whole).

    answer: column of what it is to write. key, group: columns of the row's name and of its language ("": none).
    system: instruction before every prompt; `@path` is the text of a file. rows: at most so many contents, by hash.
    val, test: percent of contents. similar: Jaccard similarity to a training text from which a held-out one is dropped.
    """

    table: str
    prompt: str = ""
    answer: str
    key: str = ""
    group: str = "language"
    system: str = ""
    rows: int = Field(default=200_000, ge=1)
    val: int = Field(default=5, ge=1, le=40)
    test: int = Field(default=10, ge=1, le=40)
    similar: float = Field(default=0.8, gt=0, le=1)

    @property
    def instruction(self) -> str:
        """The text of `system`. UserError if it names a file that is not there."""
        return read_text(self.system[1:]) if self.system.startswith("@") else self.system

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(c for c in (self.prompt, self.answer, self.key, self.group) if c))


@dataclass(frozen=True)
class Examples:
    """rows: prompt, answer, group, name, split. near: held-out rows that were left out, being like a training row."""

    rows: pa.Table
    near: int

    def part(self, split: str) -> pa.Table:
        return self.rows.filter(pc.equal(self.rows["split"], split))


def read(source: Snapshot, config: SourceConfig) -> Examples:
    """The examples of a snapshot, each content once, in an order that depends on contents alone.

    Raises UserError: a column that is not there, a split without a row.
    """
    if gone := [c for c in config.columns if c not in source.schema.names]:
        raise UserError(
            f"table {source.name!r} has no column {gone[0]!r} (it has: {', '.join(source.schema.names)}); see source.*"
        )
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
    there = [pc.greater(pc.binary_length(pc.utf8_trim_whitespace(pc.fill_null(c, ""))), 0)
             for c in ([prompt, answer] if config.prompt else [answer])]  # fmt: skip
    table = table.filter(there[0] if len(there) == 1 else pc.and_(*there))
    rows = _split(table, config)
    texts = [f"{p}\n{a}" for p, a in zip(rows["prompt"].to_pylist(), rows["answer"].to_pylist(), strict=True)]
    keep = apart(texts, rows["split"].to_numpy(zero_copy_only=False) == "train", config.similar)
    found = Examples(rows.filter(pa.array(keep)), int((~keep).sum()))
    for split in ("train", "val", "test"):
        if not found.part(split).num_rows:
            raise UserError(
                f"table {source.name!r}: no example for {split} (of {rows.num_rows} contents, {found.near} held-out "
                "ones are like a training text); more or more varied rows are needed"
            )
    return found


@dataclass(frozen=True)
class Encode:
    """Examples -> documents, in the model's own chat template. Runs in tasks.

    Plain texts are learnt whole; of a prompt and its answer only the answer, with the token that ends it. The prompt
    is tokenised alone, as it will be when the model is asked. Too long for a block: left out (plain texts are cut).
    """

    model: str
    system: str
    block_tokens: int

    def __call__(self, batch: pa.Table) -> list[Document | None]:
        rows = zip(batch["prompt"].to_pylist(), batch["answer"].to_pylist(), strict=True)
        return [self.document(prompt, answer) for prompt, answer in rows]

    def document(self, prompt: str, answer: str) -> Document | None:
        """None where it does not fit into a block."""
        tokenizer = _tokenizer(self.model)
        before, after = self.texts(prompt, answer)
        head, tail = (tokenizer.encode(t, add_special_tokens=False).ids for t in (before, after))
        if ends := end_tokens(self.model):
            place = next((i for i, token in enumerate(tail) if token in ends), None)
            tail = [*tail, ends[0]] if place is None else tail[: place + 1]
        if not prompt:  # of a plain text the first token has nothing to be predicted from
            ids = tail[: self.block_tokens]
            return Document(np.asarray(ids, np.int32), np.arange(len(ids)) > 0) if len(ids) > 1 else None
        if len(head) + len(tail) > self.block_tokens:
            return None
        return Document(np.asarray(head + tail, np.int32), np.arange(len(head) + len(tail)) >= len(head))

    def texts(self, prompt: str, answer: str) -> tuple[str, str]:
        """(what the model is given, what it is to write), special tokens included. UserError, ModelError."""
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
            raise UserError(f"{self.model}: its chat template writes the prompt otherwise when an answer follows it")
        return before, whole[len(before) :]

    def messages(self, prompt: str) -> list[dict[str, str]]:
        said = [{"role": "user", "content": prompt}]
        return [{"role": "system", "content": self.system}, *said] if self.system else said

    def expected(self, prompt: str, answer: str) -> Expected:
        """What the mask linter is to find."""
        return Expected(self.texts(prompt, answer)[0], answer, end_tokens(self.model))

    def decode(self, ids: Any) -> str:
        return str(_tokenizer(self.model).decode(list(ids), skip_special_tokens=False))


@lru_cache(maxsize=4)
def end_tokens(model: str) -> tuple[int, ...]:
    """The tokens that end an answer, as the model's configuration names them; its chat template writes one of them."""
    from shopbatch.engines.generators.prompts import Prompts

    return tuple(Prompts(local(model)).ends)


def _split(table: pa.Table, config: SourceConfig) -> pa.Table:
    """Each content once, its split by hash: train, val or test."""
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
