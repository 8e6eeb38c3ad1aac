"""Settings of the job `summarise_reviews` (`conf/*/summarise_reviews.yaml`). Imports nothing heavy."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator

from shopbatch.core.config import JobConfig, Strict

LATEST = "latest"


class Windows(Strict):
    """Settings of the time windows into which reviews are grouped. Each window is compared with the one before."""

    by: Literal["month", "days"] = "month"
    """`month`: calendar months; the last one ends the day before `as_of`. `days`: windows of `days` days; the last one
    ends the day before `as_of`."""

    days: int = Field(default=30, ge=1, le=366)
    """Length of a window in days, if `by` is `days`."""

    count: int = Field(default=12, ge=2, le=120)
    """Number of windows, counted back from `as_of`. Reviews that are older than the first window are counted only in
    the window `all`."""

    as_of: date | str = LATEST
    """The day after the last window's end, such as 2026-07-01. Later reviews are counted only in the window `all`.
    `latest`: the day after the newest review, but never later than tomorrow."""

    @field_validator("as_of")
    @classmethod
    def _day(cls, value: date | str) -> date | str:
        return value if value == LATEST or isinstance(value, date) else date.fromisoformat(value)


class Least(Strict):
    """Minimum numbers of mentions and labels that `summarise_reviews` needs for a share or a comparison.

    A mention is a review in which an aspect was found. The share of an aspect is the share of its mentions that are
    negative.
    """

    mentions: int = Field(default=5, ge=1)
    """Least mentions of an aspect from which its share of negative mentions is published; with fewer, the share is
    null."""

    compared: int = Field(default=10, ge=1)
    """Least mentions that each of two neighbouring windows needs to be compared (or `mentions`, if that is more)."""

    labels: int = Field(default=50, ge=10)
    """Least labelled mentions from which estimates use labels: of the row's own reviews for the method
    `prediction-powered`, of all reviews for the method `corrected`. With fewer, the raw predictions are counted."""


class Labels(Strict):
    """Settings that choose the rows of `aspect_labels` (labels by people) with which shares are estimated."""

    use: Literal["held_out", "all", "none"] = "held_out"
    """`held_out`: only labels that no version of `model` was trained on. `all`: every label; intervals are then too
    narrow if the model was trained on some. `none`: no labels; shares are raw counts of predictions."""

    model: str = "aspects"
    """Name of the registered model whose training rows `held_out` leaves out."""

    alike: float = Field(default=0.001, ge=0, le=1)
    """Least p-value at which an aspect's labelled mentions pass as a random sample: their share of negative predictions
    is tested against that of all other mentions. Below it, the labels serve the method `corrected` only. 0 switches the
    test off."""


class Discovery(Strict):
    """Settings of the search for themes outside the taxonomy, among the clauses that mention no aspect."""

    clauses: int = Field(default=20_000, ge=0, le=200_000)
    """Approximate maximum number of clauses per language that are clustered, sampled by a hash of the review. 0
    switches the search for themes off."""

    clusters: int = Field(default=30, ge=2, le=200)
    """Largest number of k-means clusters per language. A half and a quarter of it are tried, too."""

    stable: float = Field(default=0.6, ge=0, le=1)
    """Least Jaccard index (0 to 1) between a theme's clusters in two halves of the clauses. A higher value shows fewer
    and more reliable themes; 0 shows every cluster that is large enough."""

    least: int = Field(default=20, ge=3)
    """Least number of clauses of a theme that is shown."""

    seed: int = 0
    """Random seed of the k-means clustering."""


class Page(Strict):
    """Settings of the HTML page for the merchant."""

    products: int = Field(default=40, ge=1, le=400)
    """Maximum number of products on the page; those with the most negative mentions of aspects come first. The CSV file
    has all products."""

    language: Literal["en", "zh"] = "en"
    """Language of the product summaries, on the page and in their CSV file, and of the aspects' names on the page: en
    or zh."""


class Gates(Strict):
    """Conditions that a new summary must meet before it is published."""

    rows: float | Literal["any"] = 0.5
    """Least number of rows that a run may publish, as a share of the live rows; it is not applied below 20 live rows. A
    run without reviews is refused, too. `any` switches the check off."""


class SummariseConfig(JobConfig):
    """Settings of the job `summarise_reviews`."""

    windows: Windows = Windows()
    """Time windows that are compared."""

    category: Literal["category", "department", "division", "product_type"] = "category"
    """Column of `products` by which products are grouped into categories. Where it is null, the next larger grouping is
    used (product_type, category, department, division)."""

    least: Least = Least()
    """Least numbers of mentions and labels for shares, comparisons and label-based estimates."""

    false_discoveries: float = Field(default=0.05, gt=0, lt=1)
    """Greatest expected share of false alarms (changes that are chance) among all alarms of a run, by Benjamini and
    Hochberg. A smaller value raises fewer alarms."""

    quotes: int = Field(default=5, ge=3, le=50)
    """Maximum number of reviews to quote in each row, separately for negative and for positive ones."""

    labels: Labels = Labels()
    """Rows of `aspect_labels` on which estimates may rest."""

    discovery: Discovery = Discovery()
    """Search for themes that the taxonomy does not have."""

    page: Page = Page()
    """The HTML page for the merchant."""

    gates: Gates = Gates()
    """Conditions that the summary must meet to be published."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables that must exist for a run: `review_aspects` and `reviews`."""
        return ("review_aspects", "reviews")

    def optional_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads if they exist: `products`, `review_sentiment` and `aspect_labels`."""
        return ("products", "review_sentiment", "aspect_labels")
