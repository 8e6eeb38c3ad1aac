"""The configuration of `recommend_products`. Imports nothing heavy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from shopbatch.core.config import Strict
from shopbatch.core.nearest import hint
from shopbatch.inference import config as inference
from shopbatch.inference.config import InferenceConfig

# the values of `products.availability`, whose declaration is not cheap to import
Availability = Literal["in_stock", "out_of_stock", "preorder", "backorder"]
GROUPS = ("division", "department", "category", "product_type", "brand", "manufacturer_id", "item_group_id")


def _known(columns: object) -> None:
    for name in columns if isinstance(columns, dict) else ():
        if name not in GROUPS:
            raise ValueError(f"no group {name!r} of products; {hint(name, GROUPS)}")


class ListConfig(Strict):
    """How one list is made of its candidates."""

    size: int = Field(default=20, ge=1, le=100)
    """Greatest number of products in the list."""
    mmr: float = Field(default=1.0, ge=0, le=1)
    """Weight of the score against likeness to what the list holds already, where products of one `product_type` are
    alike (maximal marginal relevance, Carbonell and Goldstein 1998). 1 leaves the order by score."""
    most_per_group: dict[str, int] = Field(default_factory=dict)
    """Greatest number of products of one value in the list, by column of `products` ({product_type: 3})."""
    most_empty: float = Field(default=1.0, ge=0, le=1)
    """Gate: maximum share of users whose list is empty; judged from 20 lists on."""

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
    """Products that the user had, those first that the user most probably needs again."""
    discover: ListConfig = ListConfig(mmr=0.7, most_per_group={"product_type": 3}, most_empty=0.05)
    """Products that the user never had."""


class Exclude(Strict):
    """What no list may hold."""

    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Values of columns of `products`; no product with one of them is listed ({department: [FUEL]})."""
    products: tuple[str, ...] = ()
    """Ids of products."""
    availability: tuple[Availability, ...] = ("out_of_stock",)
    """Values of `products.availability` that mean that nobody can buy it. A product without a value can be bought; one
    that `products` has no more cannot."""
    returned_days: int = Field(default=365, ge=0)
    """A product that the user gave back is not listed for so many days."""

    @field_validator("groups")
    @classmethod
    def _columns(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        _known(value)
        return value


class Repeatable(Strict):
    """Which goods are bought again and again. It is learned from all users, by group of products."""

    group: str = "category"
    """Column of `products` by which it is learned."""
    min_share: float = Field(default=0.1, ge=0, le=1)
    """Least share of (user, product) pairs that were bought on two days or more. Of a group with a smaller share, a
    product that the user has is not listed again ..."""
    days: int = Field(default=180, ge=0)
    """... for so many days after its purchase. 0 turns the rule off."""

    @field_validator("group")
    @classmethod
    def _column(cls, value: str) -> str:
        _known({value: None})
        return value


class Gates(inference.Gates):
    """Limits that the lists must keep to before they become visible."""

    exposure: float = Field(default=0.1, ge=0)
    """Greatest rise of the Gini coefficient of how often each product is shown, against the live lists. Judged if 100
    lists are live."""


class RecommendConfig(InferenceConfig):
    """Configuration of the job recommend_products."""

    model: str = "recommender@live"
    """The recommender: `name@live`, `name@digest` or a folder."""
    candidates: int = Field(default=100, ge=1, le=1000)
    """Products that are kept for each user and list. The rules choose among them without the model."""
    batch_entries: int = Field(default=20_000, ge=1)
    """Entries of histories that are computed at once."""
    lists: Lists = Lists()
    """How each list is made of its candidates."""
    exclude: Exclude = Exclude()
    """What no list may hold."""
    repeatable: Repeatable = Repeatable()
    """Which goods are bought again and again."""
    gates: Gates = Gates()
    """Limits that decide whether the lists are published."""

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        return ("user_sequences", "products")

    def optional_tables(self) -> tuple[str, ...]:
        """The table that tells the market of a user."""
        return ("users",)

    def required_models(self) -> dict[str, str]:
        """The recommender."""
        return {"model": self.model}
