"""The configuration of finetune_llm. Cheap to import."""

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
    """Table that holds the texts."""
    prompt: str = ""
    """Column of the prompt; empty for texts without a prompt, which are then learnt from their first token on."""
    answer: str
    """Column of the text that the model learns to write."""
    key: str = ""
    """Column that identifies a row, so that erasure can name the models trained on it; empty to use the text."""
    group: str = "language"
    """Column of the row's language, by which results are reported and gated; empty for one group."""
    system: str = ""
    """System instruction before every prompt; `@path` reads it from a file."""
    rows: int = Field(default=200_000, ge=1)
    """Maximum number of different texts, chosen by content hash."""
    val: int = Field(default=5, ge=1, le=40)
    """Percentage of the texts that is used for validation."""
    test: int = Field(default=10, ge=1, le=40)
    """Percentage of the texts that is held out for the final comparison."""
    similar: float = Field(default=0.8, gt=0, le=1)
    """Jaccard similarity to a training text, 0 to 1, from which a held-out text is dropped as a near-duplicate."""

    @property
    def instruction(self) -> str:
        """The text of `system`. Raises UserError if it names a file that does not exist."""
        return read_text(self.system[1:]) if self.system.startswith("@") else self.system

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to read, each once."""
        return tuple(dict.fromkeys(c for c in (self.prompt, self.answer, self.key, self.group) if c))


class FinetuneLlmConfig(JobConfig):
    """Configuration of the job finetune_llm."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    """Name under which the model is published."""
    source: SourceConfig
    """Which texts the model learns from."""
    init: Literal["base", "scratch"] = "base"
    """`base` continues training an existing model, `scratch` starts a new one from the shop's own texts."""
    base: str = "smollm2-135m"
    """Model to start from: `smollm2-135m` (built from the sample's package), a folder, `name@digest`, or `owner/name`
    of the hub."""
    scratch: ScratchConfig = ScratchConfig()
    """Size of the new model when init is `scratch`."""
    lora: LoraConfig = LoraConfig()
    """Adapters to train when init is `base`; a new model always trains all its weights."""
    loop: LoopConfig = LoopConfig()
    """The training run."""
    workers: WorkersConfig = WorkersConfig()
    """Where the training runs, and on how many workers."""
    gates: GateConfig = GateConfig()
    """What the trained model must reach to be published."""
    engine: GenerateConfig = OpenVinoGenerateConfig()
    """Engine that writes the held-out answers; the model is published together with its export for this engine."""
    answers: int = Field(default=64, ge=0)
    """Number of held-out prompts that every compared model answers; 0 for none."""
    sampling: Sampling = Sampling(max_new_tokens=160)
    """How those answers are drawn."""
    dropped: float = Field(default=0.05, ge=0, le=1)
    """Largest share of the examples, 0 to 1, that may be left out: too long for a block, or not to be learnt whole."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return (self.source.table,)

    def required_models(self) -> dict[str, str]:
        """The base model, unless training starts from scratch."""
        return {"base": self.base} if self.init == "base" else {}
