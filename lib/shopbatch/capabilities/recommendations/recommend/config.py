"""Settings of the job `recommend_products`. Cheap to import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from shopbatch.core.config import Strict
from shopbatch.core.nearest import hint
from shopbatch.inference import config as inference
from shopbatch.inference.config import InferenceConfig

# values of `products.availability`; copied because the table's declaration is slow to import
Availability = Literal["in_stock", "out_of_stock", "preorder", "backorder"]
GROUPS = ("division", "department", "category", "product_type", "brand", "manufacturer_id", "item_group_id")


def _known(columns: object) -> None:
    for name in columns if isinstance(columns, dict) else ():
        if name not in GROUPS:
            raise ValueError(f"no group {name!r} of products; {hint(name, GROUPS)}")


class ListConfig(Strict):
    """How one list is chosen from its candidates."""

    size: int = Field(default=20, ge=1, le=100)
    """Greatest number of products in the list."""
    mmr: float = Field(default=1.0, ge=0, le=1)
    """Weight of a product's score (as a share of the user's best score) against variety (maximal marginal relevance,
    Carbonell and Goldstein 1998). A product whose `product_type` is in the list already loses 1 - mmr. 1 orders by
    score alone; smaller values mix the types more."""
    most_per_group: dict[str, int] = Field(default_factory=dict)
    """Greatest number of products with the same value of a column of `products`, for example {product_type: 3} for at
    most 3 products of each type. Products without a value are not limited."""
    most_empty: float = Field(default=1.0, ge=0, le=1)
    """Gate: greatest share (0..1) of users whose list may be empty; 1 turns it off. With fewer than 20 lists it is not
    checked."""

    @field_validator("most_per_group")
    @classmethod
    def _columns(cls, value: dict[str, int]) -> dict[str, int]:
        _known(value)
        if any(most < 1 for most in value.values()):
            raise ValueError("a list holds at least 1 product of a value: to exclude it, name it in exclude.groups")
        return value


class Lists(Strict):
    """The lists that are published."""

    buy_again: ListConfig = ListConfig()
    """Products that the user bought before, the likeliest to be bought again first."""
    discover: ListConfig = ListConfig(mmr=0.7, most_per_group={"product_type": 3}, most_empty=0.05)
    """Products that the user never bought before, the best match first."""


class Exclude(Strict):
    """Products that no list may show."""

    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Values of columns of `products`, for example {department: [FUEL]}: products with such a value are never
    listed."""
    products: tuple[str, ...] = ()
    """Ids of products that are never listed."""
    availability: tuple[Availability, ...] = ("out_of_stock",)
    """Values of `products.availability` with which a product cannot be bought and is not listed. A product without a
    value can be bought; a product that is no longer in `products` is never listed."""
    returned_days: int = Field(default=365, ge=0)
    """Number of days for which a product that a user gave back is not listed for that user; 0 turns the rule off."""

    @field_validator("groups")
    @classmethod
    def _columns(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        _known(value)
        return value


class Repeatable(Strict):
    """Rule that keeps products that people buy only once (a sofa) out of a buyer's lists for some time.

    Whether the products of a group are bought repeatedly is learned from the purchases of all users.
    """

    group: str = "category"
    """Column of `products` by which products are grouped."""
    min_share: float = Field(default=0.1, ge=0, le=1)
    """Groups in which fewer than this share (0..1) of the (user, product) pairs were bought on two days or more count
    as hardly ever bought again. The rule applies to their products. 0 turns the rule off."""
    days: int = Field(default=180, ge=0)
    """Number of days after a purchase for which a product that is hardly ever bought again is not listed; 0 turns the
    rule off."""

    @field_validator("group")
    @classmethod
    def _column(cls, value: str) -> str:
        _known({value: None})
        return value


class Gates(inference.Gates):
    """Limits that the lists must meet before they are published."""

    exposure: float = Field(default=0.1, ge=0)
    """How much the Gini coefficient of the products' places may rise against the live lists. The coefficient is 0 if
    all products are shown equally often, and 1 if one product takes all places. The gate needs at least 100 live
    lists."""


class RecommendConfig(InferenceConfig):
    """Settings of the job (`conf/*/recommend_products.yaml`)."""

    model: str = "recommender@live"
    """The recommender to use: `name@live`, `name@digest` or a folder."""
    candidates: int = Field(default=100, ge=1, le=1000)
    """Number of candidates stored for each user and list. The rules choose among them without asking the model again,
    so more candidates leave more to choose from, and take more time and storage."""
    batch_entries: int = Field(default=20_000, ge=1)
    """Number of history entries that are computed at once; a smaller number saves memory."""
    lists: Lists = Lists()
    """How each list is chosen from its candidates."""
    exclude: Exclude = Exclude()
    """Products that no list may show."""
    repeatable: Repeatable = Repeatable()
    """For how long products that are hardly ever bought again stay out of the lists of users who bought them."""
    gates: Gates = Gates()
    """Limits that the lists must meet before they are published."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables with the users' histories and the products, which every run reads."""
        return ("user_sequences", "products")

    def optional_tables(self) -> tuple[str, ...]:
        """Return the table with the users' markets, which a run reads if the shop has it."""
        return ("users",)

    def required_models(self) -> dict[str, str]:
        """Return the reference of the recommender, which must exist."""
        return {"model": self.model}
