"""The configuration of `summarise_reviews`. Imports nothing heavy."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator

from shopbatch.core.config import JobConfig, Strict

LATEST = "latest"


class Windows(Strict):
    """The windows of time that are compared."""

    by: Literal["month", "days"] = "month"
    """`month`: calendar months, the last one up to as_of. `days`: windows of `days` days that end at as_of."""

    days: int = Field(default=30, ge=1, le=366)
    """Length of a window in days, where `by` is `days`."""

    count: int = Field(default=12, ge=2, le=120)
    """How many windows there are, the newest one last. Older reviews count in the window `all` only."""

    as_of: date | str = LATEST
    """The day before which reviews count, such as 2026-07-01. `latest` is the day after the newest review, but never
    later than tomorrow."""

    @field_validator("as_of")
    @classmethod
    def _day(cls, value: date | str) -> date | str:
        return value if value == LATEST or isinstance(value, date) else date.fromisoformat(value)


class Least(Strict):
    """How much evidence a number needs."""

    mentions: int = Field(default=5, ge=1)
    """Mentions from which on a share is published."""

    compared: int = Field(default=10, ge=1)
    """Mentions that each of two windows needs for a comparison."""

    labels: int = Field(default=50, ge=10)
    """Labelled mentions from which on labels are used: of the row's own reviews for the method `prediction-powered`, of
    all reviews for the method `corrected`."""


class Labels(Strict):
    """Which rows of aspect_labels the intervals may rest on."""

    use: Literal["held_out", "all", "none"] = "held_out"
    """`held_out`: labels that no model named `model` was trained on. `all`: every label, which makes intervals too
    narrow if the model was trained on them. `none`: no label."""

    model: str = "aspects"
    """Name of the model whose training rows are left out."""

    alike: float = Field(default=0.001, ge=0, le=1)
    """The labelled mentions of an aspect must look like a random sample of all: if the found share of negative ones
    differs with a smaller probability than this, they are used for the method `corrected` only."""


class Discovery(Strict):
    """Themes outside the taxonomy, which are looked for among the clauses that are about no aspect."""

    clauses: int = Field(default=20_000, ge=0, le=200_000)
    """Greatest number of clauses of a language that are looked at, drawn by hash. 0 looks for no themes."""

    clusters: int = Field(default=30, ge=2, le=200)
    """Number of clusters of a language."""

    stable: float = Field(default=0.6, ge=0, le=1)
    """A theme is shown if it is found in both halves of the clauses: least Jaccard index of the two."""

    least: int = Field(default=20, ge=3)
    """Clauses that a theme has at least."""

    seed: int = 0
    """Seed of the clusters."""


class Page(Strict):
    """What the page for the merchant shows."""

    products: int = Field(default=40, ge=1, le=400)
    """Products shown at most, those with most mentions of problems first. The CSV file has all."""

    language: Literal["en", "zh"] = "en"
    """Language of the summaries, in the page and in the CSV file."""


class Gates(Strict):
    """Limits that the summary must meet before it is published."""

    rows: float | Literal["any"] = 0.5
    """Least rows that a run may publish, as a share of those that are live if these are 20 or more. No reviews are
    refused, too. `any` lets every number pass."""


class SummariseConfig(JobConfig):
    """How the aspects of reviews are summed up."""

    windows: Windows = Windows()
    """The windows of time that are compared."""

    category: Literal["category", "department", "division", "product_type"] = "category"
    """The column of `products` that is the level `category`. Where it is null, the next larger grouping counts."""

    least: Least = Least()
    """How much evidence a number needs."""

    false_discoveries: float = Field(default=0.05, gt=0, lt=1)
    """Greatest expected share of alarms that are chance, over all comparisons of the run."""

    quotes: int = Field(default=5, ge=3, le=50)
    """Reviews that a row names to be quoted, at most, of either side."""

    labels: Labels = Labels()
    """Which labels the intervals may rest on."""

    discovery: Discovery = Discovery()
    """Themes outside the taxonomy."""

    page: Page = Page()
    """The page for the merchant."""

    gates: Gates = Gates()
    """Limits that decide whether the summary is published."""

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        return ("review_aspects", "reviews")

    def optional_tables(self) -> tuple[str, ...]:
        """The tables that a run reads if they exist."""
        return ("products", "review_sentiment", "aspect_labels")
