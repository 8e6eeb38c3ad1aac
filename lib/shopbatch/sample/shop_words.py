"""Reads data/shop.yaml, the words of which the generated shop's products and users consist."""

from __future__ import annotations

from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words


class ProductWords(WordFile):
    """The words for products in shop.yaml; the file explains the fields."""

    divisions: tuple[str, ...]
    departments: tuple[str, ...]
    categories: tuple[str, ...]
    colours: tuple[str, ...]
    sizes: tuple[str, ...]
    materials: dict[str, tuple[str, ...]]
    worn: frozenset[str]
    seasons: tuple[str, ...]
    openings: tuple[str, ...]
    made_by: str
    in_size: str
    for_season: str
    shop: str
    pictures: str
    currency: str
    language: str
    market: str


class UserWords(WordFile):
    """The words for users in shop.yaml; the file explains the fields."""

    origins: tuple[tuple[str | None, str | None, float], ...]
    consents: dict[str, tuple[float, float]]
    ages: tuple[str, ...]
    incomes: tuple[str, ...]
    homes: tuple[str, ...]
    marital_statuses: tuple[str, ...]
    household_sizes: tuple[str, ...]
    compositions: tuple[str, ...]
    kids: tuple[str, ...]


class ShopWords(WordFile):
    """The parsed content of shop.yaml: the words of the generated shop's products and users."""

    products: ProductWords
    users: UserWords


@lru_cache(maxsize=1)
def shop_words() -> ShopWords:
    """Return the content of shop.yaml, read once per process."""
    return read_words(ShopWords, "shopbatch.sample", "data/shop.yaml")
