"""How good a language model is on held-out examples: loss in nats a document, and numbers that its answers state.

Called by `finetune_llm` for candidate, base and live model alike: each reads the same rows with its own tokenizer.
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
from shopbatch.models.chat import chat_prompt
from shopbatch.models.folder import local
from shopbatch.training.packing import Document, flatten

_BATCH_TOKENS = 2048
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


@dataclass(frozen=True)
class Losses:
    """nats: summed loss of each document's answer, float64 [n]; tokens: trained tokens of each, by this tokenizer.

    rows: numbers of the examples that fitted into a block.
    """

    nats: np.ndarray
    tokens: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Answers:
    """texts: what the model wrote. facts: share of the reference's numbers that each text states, nan where none."""

    texts: list[str]
    facts: np.ndarray


def losses(encode: Encode, examples: pa.Table, threads: int, device: str) -> Losses:
    """The losses of a model on these examples, computed in a task of its own, in fp32."""
    gpu = {"num_gpus": 1} if device == "cuda" else {}
    task = ray.remote(num_cpus=1, **gpu)(_losses)
    return ray.get(task.remote(encode, examples, threads, device))  # type: ignore[no-any-return]


def answers(encode: Encode, examples: pa.Table, engine: GenerateConfig, sampling: Sampling) -> Answers:
    """What a model answers to these prompts through the engine, and how many of the reference's numbers it states."""
    prepare_generator(engine, encode.model)
    task = ray.remote(num_cpus=1)(_answers)
    texts = ray.get(task.remote(encode, examples["prompt"].to_pylist(), engine, sampling))
    return Answers(texts, facts(examples["answer"].to_pylist(), texts))


def facts(reference: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """Share of the different numbers of each reference that its text states too, float64 [n]; nan: it has none."""
    found = np.full(len(texts), np.nan)
    for i, (wanted, text) in enumerate(zip(reference, texts, strict=True)):
        numbers = set(_NUMBER.findall(wanted))
        if numbers:
            found[i] = len(numbers & set(_NUMBER.findall(text))) / len(numbers)
    return found


def _losses(encode: Encode, examples: pa.Table, threads: int, device: str) -> Losses:
    import torch

    from shopbatch.models.causal import load
    from shopbatch.training import attention
    from shopbatch.training.objectives import NextToken

    torch.set_num_threads(threads)
    encoded = encode(examples)
    rows = [i for i, document in enumerate(encoded) if document is not None]
    documents: list[Document] = [d for d in encoded if d is not None]
    objective = NextToken(load(local(encode.model), attention.NAME)).to(device).eval()
    nats: list[float] = []
    with torch.inference_mode():
        for part in _batches(documents):
            each = objective(flatten(part)).double().cpu().numpy()
            ends = np.cumsum([int(d.trained.sum()) for d in part])
            nats += np.add.reduceat(each, np.concatenate([[0], ends[:-1]])).tolist()
    tokens = np.array([int(d.trained.sum()) for d in documents])
    return Losses(np.array(nats), tokens, np.array(rows, np.int64))


def _answers(encode: Encode, prompts: Sequence[str], engine: GenerateConfig, sampling: Sampling) -> list[str]:
    asked = [chat_prompt(encode.model, encode.messages(p)) if p else "" for p in prompts]
    return open_generator(engine, encode.model).generate(asked, sampling).texts


def _batches(documents: Sequence[Document]) -> list[list[Document]]:
    """Documents in order, about _BATCH_TOKENS at a time."""
    found: list[list[Document]] = []
    size = _BATCH_TOKENS
    for document in documents:
        if size + len(document.ids) > _BATCH_TOKENS:
            found.append([])
            size = 0
        found[-1].append(document)
        size += len(document.ids)
    return found
