"""Generates the descriptive columns of the generated shop's products: price, stock, attributes, text, picture links.

All follow from the product's number and the words of its title, so that the columns agree with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.sample.draws import (
    Numbers,
    Rows,
    below,
    chance,
    from_seconds,
    names,
    nulled,
    pick,
    price_from_thousandths,
)
from shopbatch.sample.review_banks import phrases
from shopbatch.sample.shop_words import shop_words
from shopbatch.tables.products import AVAILABILITY
from shopbatch.tables.schema import TEXT_MAP

_DAY = 86_400
_STOCK = (0.88, 0.08, 0.02, 0.02)  # shares of AVAILABILITY
_FIRST_GTIN = 200_000_000_000  # GTINs that begin with 2 are reserved for use inside a company
_ON_SALE, _IN_GROUP, _NO_ATTRIBUTES, _NO_DESCRIPTION = 0.15, 0.6, 0.05, 0.10  # shares of the products


def unit_cents(seed: int, products: Rows) -> Numbers:
    """Return the price of one unit of each product in cents, int64 [n]; transactions charge it before discounts."""
    return 99 + below(seed, "price", products, 9_900)


def noun_of(seed: int, products: Rows) -> Numbers:
    """Return the index of each product's noun in the list of nouns (`phrases("en").nouns`), int64 [n]."""
    return below(seed, "noun", products, len(phrases("en").nouns))


def colour_of(seed: int, products: Rows) -> Numbers:
    """Return the index of each product's colour in the list of colours (`shop_words().products.colours`), int64 [n]."""
    return below(seed, "colour", products, len(shop_words().products.colours))


def offers(seed: int, rows: Rows, brand: Numbers, size: pa.Array, opening: int) -> dict[str, pa.Array]:
    """Return the descriptive columns of `products` by name, [n] each: description, price, stock, attributes, links, ...

    Products of one brand and noun are variants of one another: of one material and for one season, in several colours
    and sizes.

    Args:
        seed: Seed of the shop.
        rows: Row numbers of the products, uint64 [n].
        brand: Numbers of their brands, int64 [n].
        size: Their `package_size`, string [n].
        opening: Time at which the shop opens, in seconds since 1970 UTC.
    """
    words = shop_words().products
    noun, colour, count = noun_of(seed, rows), colour_of(seed, rows), len(rows)
    group = (brand * len(phrases("en").nouns) + noun).astype(np.uint64)
    material = below(seed, "material", group, 6)
    worn = np.array([n in words.worn for n in phrases("en").nouns])[noun]
    season = nulled(_word(below(seed, "season", group, len(words.seasons)), words.seasons), ~worn)
    cents, sale = unit_cents(seed, rows), chance(seed, "on sale", rows, _ON_SALE)
    reduced = cents * (70 + 5 * below(seed, "reduction", rows, 5)) // 100
    created = opening - _DAY * (1 + below(seed, "created", rows, 700)) + below(seed, "created at", rows, _DAY)
    number = rows.astype(np.int64)
    return {
        "description": _descriptions(seed, rows, (noun, colour, material), names("Brand ", brand), size, season),
        "price": price_from_thousandths(cents * 10),
        "sale_price": nulled(price_from_thousandths(reduced * 10), ~sale),
        "currency": pa.repeat(words.currency, count),
        "availability": _word(pick(seed, "stock", rows, _STOCK), AVAILABILITY),
        "attributes": _attributes(
            chance(seed, "no attributes", rows, _NO_ATTRIBUTES),
            {
                "colour": _word(colour, words.colours),
                "material": _word(noun * 6 + material, _materials()),
                "season": season,
                "size": size,
            },
        ),
        "tags": _tags(noun, sale),
        "image_url": pc.binary_join_element_wise(words.pictures, names("g-", rows), ".jpg", ""),
        "url": pc.binary_join_element_wise(words.shop, names("g-", rows), ""),
        "gtin": gtins(_FIRST_GTIN + number),
        "item_group_id": nulled(names("g-group-", group), ~chance(seed, "grouped", group, _IN_GROUP)),
        "language": pa.repeat(words.language, count),
        "market": pa.repeat(words.market, count),
        "created_at": from_seconds(created),
        "updated_at": from_seconds(created + below(seed, "updated", rows, 600 * _DAY)),
    }


def gtins(numbers: Numbers) -> pa.Array:
    """Return GTINs of 13 digits from their first twelve digits, string [n]; the last digit is GS1's check digit."""
    digits = numbers[:, None] // 10 ** np.arange(11, -1, -1) % 10
    weighted = (digits * np.tile([1, 3], 6)).sum(axis=1)
    return pa.array(numbers * 10 + -weighted % 10).cast(pa.string())


@lru_cache(maxsize=1)
def _materials() -> tuple[str, ...]:
    """Return six materials per noun, in the order of the nouns; a noun with fewer materials repeats them."""
    listed = shop_words().products.materials
    return tuple(m for noun in phrases("en").nouns for m in (listed[noun] * 6)[:6])


@lru_cache(maxsize=1)
def _openings() -> tuple[str, ...]:
    """Return all possible first sentences of a description, ordered by opening, noun, colour and material."""
    words, nouns = shop_words().products, phrases("en").nouns
    return tuple(
        opening.format(noun=noun, colour=colour, material=material)
        for opening in words.openings
        for place, noun in enumerate(nouns)
        for colour in words.colours
        for material in _materials()[6 * place : 6 * place + 6]
    )


def _descriptions(
    seed: int,
    rows: Rows,
    chosen: tuple[Numbers, Numbers, Numbers],
    brand: pa.Array,
    size: pa.Array,
    season: pa.Array,
) -> pa.Array:
    """Return descriptions of two to four sentences that state the product's facts and nothing else; null for some.

    Args:
        seed: Seed of the shop.
        rows: Row numbers of the products, uint64 [n].
        chosen: Indices of noun, colour and material.
        brand: Names of the brands.
        size: Their `package_size`, which may be null.
        season: Their seasons, which may be null.
    """
    words, (noun, colour, material) = shop_words().products, chosen
    opening = below(seed, "opening", rows, len(words.openings))
    place = ((opening * len(phrases("en").nouns) + noun) * len(words.colours) + colour) * 6 + material
    parts = [_word(place, _openings())]
    for sentence, value in ((words.made_by, brand), (words.in_size, size), (words.for_season, season)):
        before, _, rest = sentence.partition("{")
        after = rest.partition("}")[2]
        parts.append(pc.fill_null(pc.binary_join_element_wise(before, value, after, ""), ""))
    silent = chance(seed, "no description", rows, _NO_DESCRIPTION)
    return nulled(pc.binary_join_element_wise(*parts, ""), silent)


def _attributes(none: np.ndarray, columns: dict[str, pa.Array]) -> pa.Array:
    """Return the column `attributes`: a map {name: value} per product, without null values.

    Args:
        none: Mask of the products whose map is null.
        columns: {name of the attribute: values}, in the order of the entries.
    """
    count = len(none)
    there = np.column_stack([c.is_valid().to_numpy(zero_copy_only=False) for c in columns.values()]) & ~none[:, None]
    row, field = np.nonzero(there)
    keys = pa.array(list(columns)).take(pa.array(field))
    items = pa.concat_arrays([c.cast(pa.string()) for c in columns.values()]).take(pa.array(field * count + row))
    ends = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    offsets = pa.array(ends, pa.int32(), mask=np.append(none, False))
    return pa.MapArray.from_arrays(offsets, keys, items).cast(TEXT_MAP)


def _tags(noun: Numbers, sale: np.ndarray) -> pa.Array:
    """Return the column `tags`: the product's noun, `wear` or `home` and, if it is reduced, `sale`."""
    nouns, worn = phrases("en").nouns, shop_words().products.worn
    words = pa.array([*nouns, *("wear" if n in worn else "home" for n in nouns), "sale"])
    place = np.column_stack([noun, noun + len(nouns), np.full(len(noun), len(words) - 1)])
    there = np.column_stack([np.ones((len(noun), 2), bool), sale])
    ends = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), words.take(pa.array(place[there])))


def _word(places: Numbers, words: Sequence[str]) -> pa.Array:
    return pa.array(words).take(pa.array(places))
