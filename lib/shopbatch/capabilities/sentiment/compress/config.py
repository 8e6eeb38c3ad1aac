"""Settings of the job compress_encoder. The module is cheap to import."""

from __future__ import annotations

from pydantic import Field

from shopbatch.capabilities.sentiment.config import BiasGates, ExampleConfig, HeadConfig
from shopbatch.core.config import JobConfig, Strict
from shopbatch.engines.configs import EngineConfig


class VocabularyConfig(Strict):
    """Settings that decide which tokens the encoder keeps."""

    prune: bool = True
    """Whether to keep only the tokens that occur in the shop's texts, and all tokens of a single character. The encoder
    gets smaller; rare words are split into more tokens."""
    min_count: int = Field(default=1, ge=1)
    """How often a token must occur in the shop's texts to be kept. Larger values give a smaller encoder."""
    rows: int = Field(default=500_000, ge=1)
    """Largest number of rows that are read of each table to count tokens. Of a larger table a share is read, chosen by
    a hash of the content."""


class CompressGates(BiasGates):
    """Limits that the compressed encoder must meet to be published."""

    worse: float = Field(default=0.005, ge=0)
    """Largest loss of accuracy against the source encoder, 0 to 1. The lower end of the paired 95 % interval is
    compared, over all test reviews and in each language with at least gates.rows of them; in a smaller language the
    difference itself."""
    rows: int = Field(default=5000, ge=1)
    """Number of test reviews from which on a language is judged by the lower end of its interval, and not by the
    difference alone."""
    ece: float = Field(default=0.01, ge=0)
    """Largest allowed increase of the expected calibration error of a language, against the source encoder."""
    agreement: float = Field(default=0.97, ge=0, le=1)
    """Smallest share of test reviews that must get the same label as with the source encoder, 0 to 1. The lower end of
    its 95 % interval is compared."""
    speed: float = Field(default=1.3, ge=0)
    """Smallest speed as a multiple of the source encoder's, measured in turn on this machine. Only checked with
    quantise=true. 0 lets every speed pass."""


class CompressEncoderConfig(JobConfig):
    """Settings of the job compress_encoder, which makes an encoder smaller and faster."""

    engine: EngineConfig
    """Engine that computes the vectors of the examples: use the one that score_reviews uses. quantise=true needs kind:
    openvino."""
    encoder: str = "e5-small"
    """Encoder to compress: `e5-small` (built from the sample's package), a folder, `name@digest`, or `owner/model` of
    the Hugging Face hub."""
    workers: int = Field(default=2, ge=1)
    """Number of Ray actors that compute vectors."""
    vocabulary: VocabularyConfig = VocabularyConfig()
    """Which tokens the encoder keeps."""
    quantise: bool = True
    """Whether the compressed encoder computes in 8-bit integers. This job then needs NNCF (`pip install
    'shopbatch[compress]'`); the resulting encoder runs without it."""
    calibration_texts: int = Field(default=200, ge=1)
    """Number of training reviews on which the value ranges for the 8-bit integers are measured."""
    examples: ExampleConfig = ExampleConfig()
    """How many labelled reviews are used for training, validation and test."""
    refit: bool = False
    """Whether to fit a new head to the labels, as train_sentiment_head does. If false, the source's head is adjusted to
    the new vectors so that its scores change least; this needs no labels and changes fewer results."""
    head: HeadConfig = HeadConfig()
    """How a head is fitted, if one is needed: with refit=true, or for the source encoder if the live head does not read
    it."""
    speed_rounds: int = Field(default=5, ge=1)
    """Number of rounds in which the speeds of source and result are measured in turn."""
    speed_texts: int = Field(default=256, ge=1)
    """Number of test reviews that are encoded in each round of the speed measurement."""
    live: bool = False
    """Whether the new head becomes `sentiment@live`. If false, use it by its name: score_reviews
    model=sentiment@DIGEST."""
    gates: CompressGates = CompressGates()
    """Limits that the compressed encoder must meet to be published."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that must exist: `reviews`."""
        return ("reviews",)

    def optional_tables(self) -> tuple[str, ...]:
        """Return the names of further tables whose texts decide which tokens are kept, if they exist."""
        return ("products", "queries", "tickets", "support_dialogs")

    def required_models(self) -> dict[str, str]:
        """Return the models that must exist, by key of the configuration: the encoder."""
        return {"encoder": self.encoder}
