"""How good a language model is on held-out examples: loss in nats per document, and the numbers its answers state.

The candidate, the base and the live model are measured in the same way: each reads the same rows with its own
tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import ray

from shopbatch.capabilities.language_model.examples import Encode
from shopbatch.engines.configs import GenerateConfig, Sampling
from shopbatch.engines.factory import open_generator, prepare_generator
from shopbatch.models.folder import local
from shopbatch.training.packing import Document, flatten

_BATCH_TOKENS = 2048
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


@dataclass(frozen=True)
class Losses:
    """The losses of the examples that fitted into a block.

    nats: summed loss of each document's answer, float64 [n]. tokens: trained tokens of each, by this model's tokenizer.
    rows: number of each example.
    """

    nats: np.ndarray
    tokens: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Answers:
    """What a model wrote.

    texts: the answers. facts: share of the reference's numbers that each answer states; nan if the reference has none.
    """

    texts: list[str]
    facts: np.ndarray


def losses(encode: Encode, examples: pa.Table, threads: int, device: str) -> Losses:
    """Return the losses of a model on these examples, computed in fp32 in a Ray task of its own."""
    gpu = {"num_gpus": 1} if device == "cuda" else {}
    task = ray.remote(num_cpus=1, **gpu)(_losses)
    return ray.get(task.remote(encode, examples, threads, device))  # type: ignore[no-any-return]


def answers(encode: Encode, examples: pa.Table, engine: GenerateConfig, sampling: Sampling) -> Answers:
    """Return what a model answers to these prompts through the engine."""
    prepare_generator(engine, encode.model)
    task = ray.remote(num_cpus=1)(_answers)
    texts = ray.get(task.remote(encode, examples["prompt"].to_pylist(), engine, sampling))
    return Answers(texts, facts(examples["answer"].to_pylist(), texts))


def facts(reference: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """Return the share of each reference's different numbers that its text states too, float64 [n]; nan for none."""
    shares = np.full(len(texts), np.nan)
    for i, (expected, text) in enumerate(zip(reference, texts, strict=True)):
        numbers = set(_NUMBER.findall(expected))
        if numbers:
            shares[i] = len(numbers & set(_NUMBER.findall(text))) / len(numbers)
    return shares


def _losses(encode: Encode, examples: pa.Table, threads: int, device: str) -> Losses:
    import torch

    from shopbatch.models.loading import load_causal
    from shopbatch.training import attention
    from shopbatch.training.objectives import NextToken

    torch.set_num_threads(threads)
    encoded = encode(examples)
    rows = [i for i, document in enumerate(encoded) if document is not None]
    documents: list[Document] = [d for d in encoded if d is not None]
    objective = NextToken(load_causal(local(encode.model), attention=attention.NAME)).to(device).eval()
    nats: list[float] = []
    with torch.inference_mode():
        for part in _batches(documents):
            token_losses = objective(flatten(part)).double().cpu().numpy()
            ends = np.cumsum([int(d.trained.sum()) for d in part])
            nats += np.add.reduceat(token_losses, np.concatenate([[0], ends[:-1]])).tolist()
    tokens = np.array([int(d.trained.sum()) for d in documents])
    return Losses(np.array(nats), tokens, np.array(rows, np.int64))


def _answers(encode: Encode, prompts: Sequence[str], engine: GenerateConfig, sampling: Sampling) -> list[str]:
    texts = [encode.asked(p) if p else "" for p in prompts]
    return open_generator(engine, encode.model).generate(texts, sampling).texts


def _batches(documents: Sequence[Document]) -> list[list[Document]]:
    """Cut the documents, in order, into batches of about _BATCH_TOKENS."""
    batches: list[list[Document]] = []
    size = _BATCH_TOKENS
    for document in documents:
        if size + len(document.ids) > _BATCH_TOKENS:
            batches.append([])
            size = 0
        batches[-1].append(document)
        size += len(document.ids)
    return batches
