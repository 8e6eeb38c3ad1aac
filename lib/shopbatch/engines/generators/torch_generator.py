"""The torch generator: runs a causal language model with the `generate` method of transformers, on any device.

It is the reference that the other backends are compared with, and the OpenVINO graph is exported from its model.
"""

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

from shopbatch.core.errors import one_line
from shopbatch.engines.base import EngineError, Generated
from shopbatch.engines.configs import Sampling, TorchGenerateConfig
from shopbatch.engines.generators.prompts import Prompts, seed_of
from shopbatch.models.chat import Messages, chat_prompt
from shopbatch.models.loading import load_causal


def load_for_generation(folder: Path, dtype: str = "float32") -> Any:
    """Load a causal language model in evaluation mode, without the generation defaults of its folder.

    Args:
        folder: The model folder on this machine.
        dtype: Number format of the weights, as torch names it.

    Raises:
        ModelError: The weights are not safetensors, or do not fit the configuration.
    """
    model = load_causal(folder, dtype)
    # otherwise the folder's generation_config.json (temperature, penalties, ...) would be added to the sampling
    model.generation_config = GenerationConfig()
    return model.eval()


class TorchGenerator:
    """A generator that runs in torch, as `TorchGenerateConfig` describes it."""

    def __init__(self, config: TorchGenerateConfig, folder: Path) -> None:
        self.prompts, self.folder = Prompts(folder), folder
        self.device, self.batch = torch.device(config.device), config.batch
        self.model = load_for_generation(folder, config.dtype).to(self.device)

    def render(self, messages: Messages) -> str:
        """Return chat messages as a prompt, formatted with the model's chat template."""
        return chat_prompt(self.folder, messages)

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> Generated:
        """Answer the prompts in batches of similar length; the answers are in the order of the prompts.

        Raises:
            EngineError: A prompt is empty or too long, or torch failed, for example because the device is out of
                memory.
        """
        rows = self.prompts.read(prompts, sampling.max_new_tokens)
        new: list[list[int]] = [[] for _ in rows]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for first in range(0, len(order), self.batch):
            batch = order[first : first + self.batch]
            try:
                generated = self._batch([rows[i] for i in batch], sampling)
            except RuntimeError as error:  # includes a device that is out of memory
                raise EngineError(f"torch: {one_line(error, 300)}") from error
            for i, ids in zip(batch, generated, strict=True):
                new[i] = ids
        return self.prompts.answers(rows, new, sampling)

    def _batch(self, rows: list[list[int]], sampling: Sampling) -> list[list[int]]:
        """Return the generated token ids of each prompt of one batch; tokens after the end of an answer are padding."""
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
    """A logits processor that turns greedy search into random sampling, by the Gumbel-max trick.

    It has one random generator per row. The sampling of transformers has one for the whole batch, so that an answer
    would depend on the other prompts.

    Args:
        sampling: Its temperature and top_p define the distribution.
        seeds: Seed of each row.
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
    """A stopping criterion that ends the rows whose answer contains a stop text.

    The class of transformers would also find stop texts at the end of the prompt.

    Args:
        prompts: Turns token ids into text.
        stop: The stop texts.
        begin: Number of tokens, padding included, before the answer.
    """

    def __init__(self, prompts: Prompts, stop: Sequence[str], begin: int) -> None:
        self.prompts, self.stop, self.begin = prompts, stop, begin

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        done = [self.prompts.has_stop(row, self.stop) for row in input_ids[:, self.begin :].tolist()]
        return torch.tensor(done, device=input_ids.device)
