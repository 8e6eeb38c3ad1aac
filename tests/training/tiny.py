"""A tiny causal model, a tiny encoder, and blocks of made-up documents, for the tests beside this file."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import transformers

from shopbatch.capabilities.recommendations.sequence import NextProducts
from shopbatch.capabilities.recommendations.sequence_config import SequenceConfig
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.training import attention
from shopbatch.training.blocks import Blocks
from shopbatch.training.checkpoints import Checkpoints
from shopbatch.training.config import LoopConfig, ScheduleConfig, Strategy
from shopbatch.training.contrast import Contrast, example, useful_keys
from shopbatch.training.distil import Distil, Targets, Terms
from shopbatch.training.loop import Data, Trainer
from shopbatch.training.objectives import Classify, NextToken
from shopbatch.training.packing import Document
from shopbatch.training.parallel import Parallel

torch.set_num_threads(1)  # so little work is slower when it is shared
PROCESSES = multiprocessing.get_context("forkserver")  # new processes are forked from one that has imported torch
PROCESSES.set_forkserver_preload([__name__])
VOCABULARY, BLOCK, PRODUCTS = 120, 48, 30


def causal(seed: int = 0) -> NextToken:
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        attn_implementation=attention.NAME,
    )
    return NextToken(transformers.LlamaForCausalLM(config))


def encoder(seed: int = 0, dropout: float = 0.0) -> transformers.BertModel:
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=128,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=0.0,
        attn_implementation=attention.NAME,
    )
    return transformers.BertModel(config, add_pooling_layer=False)


def classifier(seed: int = 0, dropout: float = 0.0, **options: float) -> Classify:
    return Classify(encoder(seed, dropout), 3, **options)


def retriever(seed: int = 0, dropout: float = 0.0, useful: np.ndarray | None = None) -> Contrast:
    """To be trained on `examples`, of which every second query finds the third product useful, too."""
    queries = np.arange(0, PRODUCTS, 2)
    known = useful_keys(queries, np.full(len(queries), 2), PRODUCTS) if useful is None else useful
    return Contrast(encoder(seed, dropout), None, known, PRODUCTS, temperature=0.2)


def student(seed: int = 0, dropout: float = 0.0) -> Distil:
    """To be trained on `documents`: what the teacher makes of one depends on its class alone."""
    draw, size = np.random.default_rng(seed), 32
    targets = Targets(
        draw.normal(size=(3, size)).astype(np.float16),
        draw.normal(size=(3, 3)).astype(np.float32),
        np.array([0, 1, -1]),
        np.array([0, 1, 0]),
        draw.normal(size=(2, size, 3)).astype(np.float32),
        np.zeros((2, 3), np.float32),
        np.zeros(size, np.float32),
        np.ones(size, np.float32),
        np.eye(size, dtype=np.float32),
        np.zeros(size, np.float32),
    )
    return Distil(encoder(seed, dropout), EncoderSpec(), targets, Terms(label=1.0))


def documents(count: int, seed: int = 0, longest: int = 40) -> list[Document]:
    """Sequences with a rule to be learnt: each token is the one before it and one to three more."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        size = int(draw.integers(4, longest))
        ids = (np.cumsum(draw.integers(1, 4, size)) % VOCABULARY).astype(np.int32)
        found.append(Document(ids, np.arange(size) >= int(draw.integers(1, 4)), int(ids[0] % 3)))
    return found


def examples(count: int, seed: int = 0) -> list[Document]:
    """Queries of three tokens, each with its product, which begins with the same tokens, and up to two others."""
    draw = np.random.default_rng(seed)
    texts = [[1, 3 * n % VOCABULARY, (7 * n + 5) % VOCABULARY, *range(n % 4)] for n in range(PRODUCTS)]
    found = []
    for _ in range(count):
        own, *others = draw.choice(PRODUCTS, 1 + int(draw.integers(0, 3)), replace=False).tolist()
        found.append(example(own, texts[own][:3], [own, *others], [texts[p] for p in (own, *others)]))
    return found


def sequence(seed: int = 0, **options: float) -> NextProducts:
    """Every token of `documents` is a product of its own day; a target is compared with drawn products."""
    sizes = {"max_items": BLOCK, "hidden": 16, "heads": 2, "dropout": 0.0, "negatives": 40, "softmax_below": 0}
    torch.manual_seed(seed)
    return NextProducts(VOCABULARY, SequenceConfig.model_validate({**sizes, **options}))


def blocks(found: Sequence[Document], seed: int = 0) -> Blocks:
    return Blocks.of(found, BLOCK, seed)


def data(objective: object = None) -> Data:
    made = examples if isinstance(objective, Contrast) else documents
    return Data(blocks(made(200)), blocks(made(40, seed=1)))


def loop(**changes: object) -> LoopConfig:
    basis = {
        "block_tokens": BLOCK,
        "batch_blocks": 8,
        "micro_blocks": 2,
        "epochs": 9.0,
        "max_steps": 12,
        "eval_steps": 4,
    }
    return LoopConfig.model_validate({**basis, "schedule": ScheduleConfig(peak=1e-2), **changes})


def trainer(
    folder: Path | str, objective: object = None, config: LoopConfig | None = None, strategy: Strategy = "ddp"
) -> Trainer:
    parallel = Parallel(strategy)
    checkpoints = Checkpoints(str(folder), "key", parallel)
    return Trainer(
        objective or causal(), data(objective), config or loop(), parallel, checkpoints, lambda step, values: None
    )
