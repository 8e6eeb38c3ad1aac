"""Examples -> blocks of tokens, for the jobs that train an encoder on reviews."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.sentiment.examples import SPLITS
from shopbatch.core.errors import UserError
from shopbatch.engines.configs import EngineConfig
from shopbatch.engines.tokens import Reader
from shopbatch.evaluation.near_duplicates import without_near_duplicates
from shopbatch.models.folder import local
from shopbatch.models.registry import Model
from shopbatch.runs.report import Report
from shopbatch.training import blocks
from shopbatch.training.blocks import Pack
from shopbatch.training.config import LoopConfig
from shopbatch.training.packing import Document
from shopbatch.warehouse.store import Store

VERSION = 3  # of the documents: raising it makes the blocks anew


@dataclass(frozen=True)
class Tokens:
    """Examples (text, label) -> documents. Runs in Ray tasks."""

    model: str
    prefix: str
    max_tokens: int

    def __call__(self, batch: pa.Table) -> list[Document]:
        rows = Reader(local(self.model), self.prefix, self.max_tokens, 1).rows(batch["text"].combine_chunks())
        pairs = zip(rows, batch["label"].to_pylist(), strict=True)
        return [Document(np.asarray(ids, np.int32), np.zeros(len(ids), bool), label) for ids, label in pairs]


def drop_near_duplicates(examples: pa.Table, report: Report) -> pa.Table:
    """Return the examples without the held-out texts that resemble a training text, and report how many they were.

    Raises:
        UserError: A split has fewer than two classes.
    """
    keep = without_near_duplicates(examples["text"].to_pylist(), examples["split"].to_numpy() == "train")
    kept = examples.filter(pa.array(keep))
    report.metrics["near_duplicates"] = int((~keep).sum())
    for name in SPLITS:
        labels = pc.count_distinct(kept.filter(pc.equal(kept["split"], name))["label"]).as_py()
        if labels < 2:
            raise UserError(
                f"reviews: labelled rows of at least two classes are needed in every split; {name} has {labels}"
            )
    return kept


def packed(store: Store, examples: pa.Table, engine: EngineConfig, loop: LoopConfig, base: Model, prefix: str) -> Pack:
    """Return the blocks of the training and validation examples; they are made if they do not exist.

    Args:
        store: The warehouse.
        examples: text, label and split of each; a document gets the number in `label`.
        engine: The engine that reads the texts later, and cuts them.
        loop: The training run.
        base: The encoder whose tokenizer is used.
        prefix: What is put before every text.

    Raises:
        UserError: A text may not fit into a block.
    """
    encode = Tokens(base.path, prefix, int(getattr(engine, "max_tokens", 128)))
    if loop.block_tokens < encode.max_tokens:
        raise UserError(
            f"loop.block_tokens={loop.block_tokens} is less than engine.max_tokens={encode.max_tokens}: a text "
            "would not fit into a block"
        )
    parts = {s: examples.filter(pc.equal(examples["split"], s)) for s in blocks.SPLITS}
    about = {"version": VERSION, "base": base.digest, "prefix": encode.prefix, "max_tokens": encode.max_tokens}
    return blocks.prepare(store, parts, about, encode, loop.block_tokens, loop.seed)
