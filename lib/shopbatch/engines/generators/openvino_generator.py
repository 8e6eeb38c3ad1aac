"""The OpenVINO generator: runs a causal language model on the CPU with continuous batching and a paged key-value cache.

All prompts of a call are processed at once, as far as the cache has space. A beginning that prompts share (a system
prompt, a policy) is computed once and stays in the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import openvino as ov
import openvino_genai as genai

from shopbatch.core.errors import one_line
from shopbatch.engines.base import EngineError, Generated
from shopbatch.engines.configs import OpenVinoGenerateConfig, Sampling
from shopbatch.engines.generators.prompts import Prompts, seed_of
from shopbatch.engines.openvino_graphs import cached_graph
from shopbatch.models.chat import Messages, chat_prompt
from shopbatch.models.folder import ModelError
from shopbatch.models.loading import load_transformers_tokenizer, model_config

EXPORT_VERSION = 1  # version of the files of `export_causal`; a new version makes old graphs unused
Precision = Literal["bf16", "fp32", "int8"]
_BLOCK_TOKENS = 32  # tokens in a block of the paged cache on a CPU
_FORMATS = {"fp32": ("f32", 4), "bf16": ("bf16", 2), "int8": ("bf16", 2)}  # activations, keys and values: name, bytes


class OpenVinoGenerator:
    """A generator that runs in OpenVINO GenAI on the CPU, as `OpenVinoGenerateConfig` describes it."""

    def __init__(self, config: OpenVinoGenerateConfig, folder: Path) -> None:
        self.prompts, self.config, self.folder = Prompts(folder), config, folder
        token_bytes = _numbers_per_token(folder) * _FORMATS[config.precision][1]
        self.blocks = (config.cache_mb << 20) // (token_bytes * _BLOCK_TOKENS)
        self.graph = exported_causal(folder, config.precision)
        self.pipeline: Any = None
        self.cold = True  # the cache is empty
        try:
            self.pipeline = self._open()
        except RuntimeError as error:
            raise ModelError(f"{self.graph}: OpenVINO cannot load it: {one_line(error, 300)}") from None

    def render(self, messages: Messages) -> str:
        """Return chat messages as a prompt, formatted with the model's chat template."""
        return chat_prompt(self.folder, messages)

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> Generated:
        """Answer each prompt, in order (see `Generator.generate`).

        Raises:
            EngineError: A prompt is empty or too long for the model or for the cache, or OpenVINO failed.
        """
        rows = self.prompts.read(prompts, sampling.max_new_tokens)
        room = self.blocks * _BLOCK_TOKENS
        longest = max(map(len, rows), default=0) + sampling.max_new_tokens
        if longest > room:
            raise EngineError(f"a prompt needs room for {longest} tokens; cache_mb={self.config.cache_mb} has {room}")
        if not rows:
            return self.prompts.answers([], [], sampling)
        ids = [ov.Tensor(np.array([row], np.int64)) for row in rows]
        try:
            settings = [self._settings(row, sampling) for row in rows]
            if self.pipeline is None or self.cold:
                self.pipeline = self.pipeline or self._open()
                self._share_beginning(ids[0], settings[0])
            answers = self.pipeline.generate(ids, settings)
        except RuntimeError as error:
            self.pipeline, self.cold = None, True  # the pipeline still has unfinished requests, so it is opened anew
            raise EngineError(f"openvino: {one_line(error, 300)}") from error
        if any(not answer.m_generation_ids for answer in answers):
            raise EngineError("openvino: a prompt was dropped; the cache (cache_mb) is too small")
        return self.prompts.answers(rows, [answer.m_generation_ids[0] for answer in answers], sampling)

    def _share_beginning(self, prompt: Any, settings: Any) -> None:
        """Compute one prompt alone, so that its beginning is in the cache before the other prompts are computed.

        Otherwise each prompt of the first call would compute the shared beginning itself.
        """
        longest, settings.max_new_tokens = settings.max_new_tokens, 1
        self.pipeline.generate([prompt], [settings])
        settings.max_new_tokens, self.cold = longest, False

    def _open(self) -> Any:
        """Open GenAI's pipeline with an empty cache."""
        scheduler = genai.SchedulerConfig()
        scheduler.enable_prefix_caching = True
        scheduler.num_kv_blocks = self.blocks
        numbers = _FORMATS[self.config.precision][0]
        properties = {
            "INFERENCE_PRECISION_HINT": numbers,
            "KV_CACHE_PRECISION": numbers,  # the default is 8 bits
            "INFERENCE_NUM_THREADS": _threads(self.config.threads, numbers),
            # otherwise int8 weights imply int8 activations, with which SmolLM2 no longer knows the capital of France
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # OpenVINO pins the threads of every process to the same cores
        }
        tokenizer = {"INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
        return genai.ContinuousBatchingPipeline(str(self.graph), scheduler, "CPU", properties, tokenizer)

    def _settings(self, row: Sequence[int], sampling: Sampling) -> Any:
        """Return GenAI's generation settings for one prompt.

        Args:
            row: Token ids of the prompt, from which its seed is derived.
            sampling: How tokens are chosen, and when an answer ends.
        """
        settings = genai.GenerationConfig()
        settings.max_new_tokens = sampling.max_new_tokens
        settings.stop_token_ids = set(self.prompts.ends)
        # otherwise the tokenizer's end token would end an answer as well
        settings.eos_token_id = self.prompts.ends[0] if self.prompts.ends else -1
        settings.ignore_eos = not self.prompts.ends
        settings.stop_strings = set(sampling.stop)
        settings.include_stop_str_in_output = True  # `Prompts.answers` cuts it off, for all backends alike
        if sampling.temperature:
            settings.do_sample = True
            settings.temperature, settings.top_p = sampling.temperature, sampling.top_p
            settings.rng_seed = seed_of(sampling.seed, row)
        if sampling.guide:
            settings.structured_output_config = genai.StructuredOutputConfig(json_schema=sampling.guide)
        return settings


def _threads(threads: int, numbers: str) -> int:
    """Return the number of CPU threads to request from OpenVINO: at least 2 for bf16 on a CPU with AMX.

    On such a CPU, OpenVINO 2026.4.1 divides by zero when it opens a causal graph with one thread, which ends the
    process.

    Args:
        threads: The configured number of threads.
        numbers: Number format of the activations, such as "bf16".
    """
    try:
        amx = "amx_bf16" in Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:  # not Linux
        amx = False
    return max(threads, 2) if amx and numbers == "bf16" else threads


def exported_causal(folder: Path, precision: Precision = "fp32") -> Path:
    """Return the folder of a causal model's OpenVINO graph and tokenizer, exported first if missing or damaged.

    Args:
        folder: The model folder on this machine.
        precision: "int8" has a graph of its own. "bf16" and "fp32" share one, because the number format of the
            computation is chosen when the graph is opened.

    Raises:
        ModelError: The model does not have Llama's configuration keys, or cannot be loaded or traced.
    """
    _numbers_per_token(folder)  # refuses another kind of model before the slow export
    weights = "int8" if precision == "int8" else "fp32"
    return cached_graph(
        folder, ["causal", EXPORT_VERSION, weights], lambda target: export_causal(folder, target, weights)
    )


def export_causal(folder: Path, target: Path, weights: str) -> None:
    """Write the OpenVINO graphs of a causal model, its tokenizer and its detokenizer into `target`.

    Args:
        folder: The model folder on this machine.
        target: An empty folder.
        weights: Number format of the weights, "fp32" or "int8".

    Raises:
        ModelError: The model or its tokenizer cannot be exported.
    """
    import openvino_tokenizers

    from shopbatch.engines.generators.causal_graph import causal_graph, to_int8

    graph = causal_graph(folder)
    if weights == "int8":
        to_int8(graph)
    ov.save_model(graph, target / "openvino_model.xml", compress_to_fp16=False)
    # GenAI needs these only for stop texts; `Prompts` tokenises prompts and decodes answers
    tokenizer = load_transformers_tokenizer(folder)
    try:
        pair = openvino_tokenizers.convert_tokenizer(tokenizer, with_detokenizer=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder}: its tokenizer cannot be exported: {one_line(error, 300)}") from None
    for part, name in zip(pair, ("tokenizer", "detokenizer"), strict=True):
        ov.save_model(part, target / f"openvino_{name}.xml")


def _numbers_per_token(folder: Path) -> int:
    """Return how many numbers the key-value cache stores for one token.

    Raises:
        ModelError: `config.json` does not have the keys of a Llama model.
    """
    config = model_config(folder)
    try:
        heads = int(config["num_attention_heads"])
        size = int(config.get("head_dim") or int(config["hidden_size"]) // heads)
        return 2 * int(config["num_hidden_layers"]) * int(config.get("num_key_value_heads") or heads) * size
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder}: not a model like Llama: config.json: {type(error).__name__} {error}") from None
