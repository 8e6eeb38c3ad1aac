"""Turn labelled reviews into blocks of tokens, for the jobs that train an encoder.

These are finetune_encoder and distil_encoder.
"""

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

VERSION = 3  # of the documents; raise it to have the blocks made again


@dataclass(frozen=True)
class Tokens:
    """Tokenises examples (columns `text`, `label`) into documents; called on batches in Ray tasks.

    Attributes:
        model: Folder of the encoder whose tokenizer is used.
        prefix: Text that is put before every example.
        max_tokens: Tokens at which an example is cut.
    """

    model: str
    prefix: str
    max_tokens: int

    def __call__(self, batch: pa.Table) -> list[Document]:
        """Return one document (token ids and label) per row of a batch with the columns `text` and `label`."""
        rows = Reader(local(self.model), self.prefix, self.max_tokens, 1).rows(batch["text"].combine_chunks())
        pairs = zip(rows, batch["label"].to_pylist(), strict=True)
        return [Document(np.asarray(ids, np.int32), np.zeros(len(ids), bool), label) for ids, label in pairs]


def drop_near_duplicates(examples: pa.Table, report: Report) -> pa.Table:
    """Remove held-out examples whose text resembles a training text, and report how many were removed.

    Args:
        examples: Columns `text`, `label`, `split` and others.
        report: Its metric `near_duplicates` is set.

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
    """Return the training and validation examples as blocks of tokens; the blocks are made if they are not stored yet.

    Args:
        store: The warehouse.
        examples: Columns `text`, `label` and `split`. The number in `label` becomes the label of the document.
        engine: The engine that will read the texts later; its max_tokens is where texts are cut.
        loop: Settings of the training run: size of a block, and seed.
        base: The encoder whose tokenizer is used.
        prefix: Text that is put before every example.

    Raises:
        UserError: `loop.block_tokens` is less than `engine.max_tokens`, so that a text might not fit into a block.
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
