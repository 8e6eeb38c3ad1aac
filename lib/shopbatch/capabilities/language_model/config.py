"""Settings of the job `finetune_llm`. Cheap to import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict, read_text
from shopbatch.engines.configs import GenerateConfig, OpenVinoGenerateConfig, Sampling
from shopbatch.models.configs import LoraConfig, ScratchConfig
from shopbatch.training.config import GateConfig, LoopConfig, WorkersConfig


class SourceConfig(Strict):
    """Which texts the model learns from, and how they are split."""

    table: str
    """Name of the table that holds the texts."""
    prompt: str = ""
    """Column of the prompt. Empty: the texts have no prompt, and are learnt from their first token on."""
    answer: str
    """Column of the text that the model learns to write."""
    key: str = ""
    """Column that identifies a row. When a row must be erased later, this value tells which models were trained on it.
    Empty: the text itself identifies the row."""
    group: str = "language"
    """Column with the language of a row. Results are reported and gated by language. Empty: all rows are one group."""
    system: str = ""
    """System instruction before every prompt; `@path` reads it from a file."""
    rows: int = Field(default=200_000, ge=1)
    """Greatest number of distinct texts to use. If there are more, the hash of the content decides which are used, so
    every run uses the same ones."""
    val: int = Field(default=5, ge=1, le=40)
    """Percentage of the texts used for validation while training."""
    test: int = Field(default=10, ge=1, le=40)
    """Percentage of the texts held out for the final comparison of the models."""
    similar: float = Field(default=0.8, gt=0, le=1)
    """A held-out text is dropped as a near-duplicate if its Jaccard similarity (0..1) to a training text reaches this
    value; 1 drops only the most similar ones."""

    @property
    def instruction(self) -> str:
        """The system instruction as text. Raises UserError if `system` names a file that does not exist."""
        return read_text(self.system[1:]) if self.system.startswith("@") else self.system

    @property
    def columns(self) -> tuple[str, ...]:
        """The distinct columns to read from the table."""
        return tuple(dict.fromkeys(c for c in (self.prompt, self.answer, self.key, self.group) if c))


class FinetuneLlmConfig(JobConfig):
    """Settings of the job (`conf/*/finetune_llm.yaml`)."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    """Name under which the model is published in the registry, so that other jobs find it as `name@live`."""
    source: SourceConfig
    """Which texts the model learns from, and how they are split."""
    init: Literal["base", "scratch"] = "base"
    """`base`: train an existing model further. `scratch`: train a new, small model on the shop's own texts alone."""
    base: str = "smollm2-135m"
    """Model to start from: `smollm2-135m` (built from the sample's package), a folder, `name@digest`, or `owner/name`
    of the hub."""
    scratch: ScratchConfig = ScratchConfig()
    """Size of the new model; only used if init is `scratch`."""
    lora: LoraConfig = LoraConfig()
    """LoRA adapters to train; only used if init is `base`. A new model always trains all its weights."""
    loop: LoopConfig = LoopConfig()
    """The training loop: batch sizes, epochs, learning rate."""
    workers: WorkersConfig = WorkersConfig()
    """Where the training runs, and on how many workers."""
    gates: GateConfig = GateConfig()
    """What the trained model must achieve to be published."""
    engine: GenerateConfig = OpenVinoGenerateConfig()
    """Engine that writes the answers to held-out prompts. The model is published together with its export for this
    engine."""
    answers: int = Field(default=64, ge=0)
    """Number of held-out prompts that each compared model answers, for the report; 0 for none."""
    sampling: Sampling = Sampling(max_new_tokens=160)
    """How these answers are sampled (length, temperature, ...)."""
    dropped: float = Field(default=0.05, ge=0, le=1)
    """Greatest share (0..1) of the examples that may be left out because they do not fit into a block or cannot be
    learnt exactly; with more, the run stops. Increase it to train on the rest."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the table with the training texts, which every run reads."""
        return (self.source.table,)

    def required_models(self) -> dict[str, str]:
        """Return the reference of the base model, unless training starts from scratch."""
        return {"base": self.base} if self.init == "base" else {}
