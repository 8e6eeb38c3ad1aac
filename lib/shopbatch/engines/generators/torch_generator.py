"""The torch generator: transformers' own generation. The reference for other backends, and their source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
    TopPLogitsWarper,
)

from shopbatch.engines.base import EngineError, Generated
from shopbatch.engines.configs import Sampling, TorchGenerateConfig
from shopbatch.engines.generators.prompts import Prompts, seed_of
from shopbatch.models.causal import load
from shopbatch.models.chat import Messages, chat_prompt


def load_causal(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    """The causal language model of a folder, ready to infer, without generation defaults of its own.

    Raises ModelError if the weights are not safetensors, or do not fit the configuration.
    """
    model = load(folder, dtype=dtype)
    # what a folder's generation_config.json sets (temperature, penalties, ...) would be added to what is asked for
    model.generation_config = GenerationConfig()
    return model.eval()


class TorchGenerator:
    """See TorchGenerateConfig."""

    def __init__(self, config: TorchGenerateConfig, folder: Path) -> None:
        self.prompts, self.folder = Prompts(folder), folder
        self.device, self.batch = torch.device(config.device), config.batch
        self.model = load_causal(folder, getattr(torch, config.dtype)).to(self.device)

    def render(self, messages: Messages) -> str:
        return chat_prompt(self.folder, messages)

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> Generated:
        rows = self.prompts.read(prompts, sampling.max_new_tokens)
        new: list[list[int]] = [[] for _ in rows]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for first in range(0, len(order), self.batch):
            batch = order[first : first + self.batch]
            try:
                found = self._batch([rows[i] for i in batch], sampling)
            except RuntimeError as error:  # out of memory on a device is one of them
                raise EngineError(f"torch: {' '.join(str(error).split())[:300]}") from error
            for i, ids in zip(batch, found, strict=True):
                new[i] = ids
        return self.prompts.answers(rows, new, sampling)

    def _batch(self, rows: list[list[int]], sampling: Sampling) -> list[list[int]]:
        """New tokens of each row; those behind a row's end are padding."""
        longest = max(map(len, rows))
        mask = np.arange(longest) >= longest - np.array([len(row) for row in rows])[:, None]  # padding on the left
        ids = np.full(mask.shape, self.prompts.pad, np.int64)
        ids[mask] = np.concatenate(rows)
        settings = GenerationConfig(
            max_new_tokens=sampling.max_new_tokens,
            do_sample=False,
            eos_token_id=self.prompts.ends or None,
            pad_token_id=self.prompts.pad,
        )
        processors, criteria = LogitsProcessorList(), StoppingCriteriaList()
        if sampling.temperature:
            processors.append(_Drawn(sampling, [seed_of(sampling.seed, row) for row in rows]))
        if sampling.stop:
            criteria.append(_StopTexts(self.prompts, sampling.stop, longest))
        with torch.inference_mode():
            out = self.model.generate(
                torch.from_numpy(ids).to(self.device),
                attention_mask=torch.from_numpy(mask.astype(np.int64)).to(self.device),
                generation_config=settings,
                logits_processor=processors,
                stopping_criteria=criteria,
            )
        return [[int(i) for i in row] for row in out[:, longest:].cpu().tolist()]


class _Drawn(LogitsProcessor):  # type: ignore[misc]
    """Scores whose greatest one is a draw from the distribution (the Gumbel-max trick), by a generator for each row.

    transformers' own sampling has one generator for the whole batch, so that an answer depends on its neighbours.
    """

    def __init__(self, sampling: Sampling, seeds: list[int]) -> None:
        self.temperature = sampling.temperature
        self.top_p = TopPLogitsWarper(sampling.top_p) if sampling.top_p < 1 else None
        self.draws = [np.random.default_rng(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        scores = scores.float() / self.temperature
        if self.top_p is not None:
            scores = self.top_p(input_ids, scores)
        noise = np.stack([draw.gumbel(size=scores.shape[1]) for draw in self.draws])
        return scores + torch.from_numpy(noise.astype(np.float32)).to(scores.device)


class _StopTexts(StoppingCriteria):  # type: ignore[misc]
    """Rows whose answer holds a stop text. transformers' own looks at the end of the prompt too."""

    def __init__(self, prompts: Prompts, stop: Sequence[str], begin: int) -> None:
        self.prompts, self.stop, self.begin = prompts, stop, begin

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        found = [self.prompts.has_stop(row, self.stop) for row in input_ids[:, self.begin :].tolist()]
        return torch.tensor(found, device=input_ids.device)
