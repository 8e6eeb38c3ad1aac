"""The configuration of compress_encoder. Cheap to import."""

from __future__ import annotations

from pydantic import Field

from shopbatch.capabilities.sentiment.config import BiasGates, ExampleConfig, HeadConfig
from shopbatch.core.config import JobConfig, Strict
from shopbatch.engines.configs import EngineConfig


class VocabularyConfig(Strict):
    """Which tokens the encoder keeps."""

    prune: bool = True
    """Whether to keep only the tokens of the shop's texts, and all tokens of one character."""
    min_count: int = Field(default=1, ge=1)
    """How often the shop's texts must hold a token for it to be kept."""
    rows: int = Field(default=500_000, ge=1)
    """Most reviews that are read for it; of a larger table a share is read, chosen by content."""


class CompressGates(BiasGates):
    """What the compressed encoder must reach to be published."""

    worse: float = Field(default=0.005, ge=0)
    """Most accuracy that may be lost. The lower end of the paired 95 % interval is compared, over all test reviews and
    in each language with gates.rows of them; in a language with fewer the difference itself."""
    rows: int = Field(default=5000, ge=1)
    """Test reviews of a language from which on the lower end of its interval is compared."""
    ece: float = Field(default=0.01, ge=0)
    """Most by which the expected calibration error of a language may grow."""
    agreement: float = Field(default=0.97, ge=0, le=1)
    """Least share of test reviews whose label is the source's; the lower end of its 95 % interval is compared."""
    speed: float = Field(default=1.3, ge=0)
    """Least speed beside the source's, measured in turn on this machine; asked only with quantise=true. 0 lets any
    speed pass."""


class CompressEncoderConfig(JobConfig):
    """Configuration of the job compress_encoder."""

    engine: EngineConfig
    """Engine that computes the vectors of the examples: the one that score_reviews uses. Only kind: openvino can
    quantise."""
    encoder: str = "e5-small"
    """Encoder to compress: `e5-small` (built from the sample's package), a folder, `name@digest`, or `owner/model` of
    the hub."""
    workers: int = Field(default=2, ge=1)
    """Number of Ray actors that compute vectors."""
    vocabulary: VocabularyConfig = VocabularyConfig()
    """Which tokens are kept."""
    quantise: bool = True
    """Whether to compute in 8-bit integers. It needs NNCF (`pip install 'shopbatch[compress]'`), but only here: what
    comes out runs without it."""
    calibration_texts: int = Field(default=200, ge=1)
    """Training reviews on which the ranges of the 8-bit integers are measured."""
    examples: ExampleConfig = ExampleConfig()
    """Which reviews become examples."""
    refit: bool = False
    """Whether the head is fitted to the labels anew, as train_sentiment_head does. If not, the source's head is moved
    to the new vectors so that its scores change least, which keeps more labels and needs none."""
    head: HeadConfig = HeadConfig()
    """How a head is fitted, where one is: with refit=true, and to the source if the live head does not read it."""
    speed_rounds: int = Field(default=5, ge=1)
    """How often source and result take turns when their speed is measured."""
    speed_texts: int = Field(default=256, ge=1)
    """Test reviews of one such turn."""
    live: bool = False
    """Whether `sentiment@live` means the new head from now on. If not, name it: model=sentiment@DIGEST."""
    gates: CompressGates = CompressGates()
    """What the compressed encoder must reach."""

    def required_tables(self) -> tuple[str, ...]:
        """The table that a run reads."""
        return ("reviews",)

    def optional_tables(self) -> tuple[str, ...]:
        """The tables whose texts also say which tokens are kept."""
        return ("products", "queries", "tickets", "support_dialogs")

    def required_models(self) -> dict[str, str]:
        """The encoder."""
        return {"encoder": self.encoder}
