"""The generated shop: its size, the tastes of its users, and its products and users (words in data/shop.yaml).

Row i of a table is a function of (seed, i) and the size of the shop, so rows can be generated in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.sample.draws import (
    Mask,
    Numbers,
    Rows,
    below,
    chance,
    from_seconds,
    names,
    nulled,
    pick,
    skewed,
)
from shopbatch.sample.offers import colour_of, noun_of, offers
from shopbatch.sample.review_banks import phrases
from shopbatch.sample.shop_words import shop_words
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.users import USERS

START, YEARS = 1_672_531_200, 2  # the shop exists for two years from 2023-01-01 (seconds since 1970 UTC)
CLUSTERS = 16


@dataclass(frozen=True)
class Mess:
    """Shares (0 to 1) of the generated reviews that have a fault or peculiarity of real data.

    Attributes:
        duplicate_texts: Rows with the title and text of an earlier row.
        duplicate_keys: Rows that are a later version of an earlier row, with the same key.
        null_text: Rows whose text is null.
        blank_text: Rows whose text is only white space.
        long_text: Texts of exactly 10,000 characters.
        emoji: Texts with an emoji.
        mixed_language: Texts in English and Chinese.
        chinese: Reviews in Chinese; all others are in English.
        nul_bytes: Texts with a NUL character.
        null_title: Rows without a title.
        null_rating: Rows without a rating.
        null_product: Rows without a product.
        null_user: Rows without a user.
        null_language: Rows without a language.
        null_created_at: Rows without a time.
        stated_label: Rows whose source states a sentiment label.
    """

    duplicate_texts: float = 0.20
    duplicate_keys: float = 0.002
    null_text: float = 0.003
    blank_text: float = 0.003
    long_text: float = 0.0005
    emoji: float = 0.03
    mixed_language: float = 0.02
    chinese: float = 0.30
    nul_bytes: float = 0.0001
    null_title: float = 0.15
    null_rating: float = 0.05
    null_product: float = 0.01
    null_user: float = 0.02
    null_language: float = 0.05
    null_created_at: float = 0.01
    stated_label: float = 0.10


@dataclass(frozen=True)
class Shop:
    """The parameters of a generated shop, from which all its rows follow.

    Attributes:
        reviews: Number of reviews.
        products: Number of products.
        users: Number of users.
        seed: Seed of all random draws.
        mess: Shares of faulty reviews.
        lines: Number of transaction lines.
        events: Number of events.
    """

    reviews: int
    products: int
    users: int
    seed: int
    mess: Mess = Mess()
    lines: int = 0
    events: int = 0

    @property
    def clusters(self) -> int:
        """The number of tastes (clusters of products); product p belongs to taste p % clusters.

        It is 16, or 1 for a catalogue of less than 256 products.
        """
        return CLUSTERS if self.products >= CLUSTERS * 16 else 1


def favourite(shop: Shop, field: str, users: Numbers, rows: Rows) -> Numbers:
    """Choose a product for each row, int64 [n]: mostly of the user's taste, and popular products more often.

    Args:
        shop: The shop.
        field: Name of this random draw; draws of different names are independent.
        users: Number of each row's user, int64 [n].
        rows: Row numbers, uint64 [n].
    """
    clusters = shop.clusters
    taste = below(shop.seed, "taste", users.astype(np.uint64), clusters)
    other = below(shop.seed, field + "/cluster", rows, clusters)
    cluster = np.where(chance(shop.seed, field + "/stray", rows, 0.3), other, taste)
    return cluster + clusters * skewed(shop.seed, field, rows, shop.products // clusters)


def products(shop: Shop, first: int, count: int) -> pa.Table:
    """Return rows [first, first + count) of `products`: an invented catalogue."""
    words = shop_words().products
    rows, seed = np.arange(first, first + count, dtype=np.uint64), shop.seed
    noun = pc.take(pa.array(phrases("en").nouns), pa.array(noun_of(seed, rows)))
    colour = pc.take(pa.array(words.colours), pa.array(colour_of(seed, rows)))
    number = below(seed, "brand", rows, max(shop.products // 40, 1))
    brand = names("Brand ", number)
    size = nulled(_pick(shop, "size", rows, words.sizes), chance(seed, "no size", rows, 0.33))
    columns = {
        "product_id": names("g-", rows),
        "title": pc.binary_join_element_wise(brand, colour, noun, " "),
        "division": nulled(_pick(shop, "division", rows, words.divisions), chance(seed, "d", rows, 0.1)),
        "department": _pick(shop, "department", rows, words.departments),
        "category": _pick(shop, "category", rows, words.categories),
        "product_type": noun,
        "brand": brand,
        "manufacturer_id": names("m-", below(seed, "maker", rows, max(shop.products // 100, 1))),
        "package_size": size,
        **offers(seed, rows, number, size, START),
        "source": pa.repeat("generated", count),
    }
    return PRODUCTS.fill(count, **columns)


def users(shop: Shop, first: int, count: int) -> pa.Table:
    """Return rows [first, first + count) of `users`; two thirds of them have stated no demographics."""
    words = shop_words().users
    rows, seed = np.arange(first, first + count, dtype=np.uint64), shop.seed
    silent = chance(seed, "silent", rows, 0.67)
    columns = {
        "user_id": names("g-", rows),
        "age": nulled(_pick(shop, "age", rows, words.ages), silent),
        "income": nulled(_pick(shop, "income", rows, words.incomes), silent),
        "home_ownership": nulled(_pick(shop, "home", rows, words.homes), silent | chance(seed, "no home", rows, 0.29)),
        "marital_status": nulled(
            _pick(shop, "marital", rows, words.marital_statuses),
            silent | chance(seed, "no marital", rows, 0.17),
        ),
        "household_size": nulled(_pick(shop, "household", rows, words.household_sizes), silent),
        "household_comp": nulled(_pick(shop, "composition", rows, words.compositions), silent),
        "kids_count": nulled(_pick(shop, "kids", rows, words.kids), silent),
        **_origins(shop, rows),
        "source": pa.repeat("generated", count),
    }
    for channel in words.consents:
        columns |= _consent(shop, channel, rows)
    return USERS.fill(count, **columns)


def consents(shop: Shop, channel: str, users: Rows) -> tuple[Mask, Mask]:
    """Return two masks [n]: which users were asked for consent to advertising by a channel, and which users agreed.

    Args:
        shop: The shop.
        channel: email, sms or push.
        users: Row numbers of the users, uint64 [n].
    """
    share_asked, share_given = shop_words().users.consents[channel]
    asked = chance(shop.seed, f"{channel} asked", users, share_asked)
    return asked, asked & chance(shop.seed, f"{channel} consent", users, share_given)


def _consent(shop: Shop, channel: str, users: Rows) -> dict[str, pa.Array]:
    """Return the columns `<channel>_consent` and `<channel>_consent_at` of `users`; null for users who were not asked.

    The time is at random in the half year before the shop's first day.
    """
    asked, given = consents(shop, channel, users)
    moment = START - 1 - below(shop.seed, f"{channel} said", users, 180 * 86_400)
    return {
        f"{channel}_consent": nulled(pa.array(given), ~asked),
        f"{channel}_consent_at": nulled(from_seconds(moment), ~asked),
    }


def language_of(shop: Shop, user: int) -> str | None:
    """Return the language code of the user with this number; None if it is not known."""
    languages, _, shares = zip(*shop_words().users.origins, strict=True)
    language: str | None = languages[int(pick(shop.seed, "origin", np.array([user], np.uint64), shares)[0])]
    return language


def _origins(shop: Shop, users: Rows) -> dict[str, pa.Array]:
    languages, markets, shares = zip(*shop_words().users.origins, strict=True)
    origin = pa.array(pick(shop.seed, "origin", users, shares))
    return {
        "language": pa.array(languages, pa.string()).take(origin),
        "market": pa.array(markets, pa.string()).take(origin),
    }


def _pick(shop: Shop, field: str, rows: Rows, words: Sequence[str]) -> pa.Array:
    """Return one of the words at random for each row, string [n]."""
    return pc.take(pa.array(words), pa.array(below(shop.seed, field, rows, len(words))))
