"""The boutique sample (`shopbatch sample --source boutique`): an invented shop for clothes and household goods.

It is made for trying search and the shopping guide, in English and Chinese: prices with a currency, seasons, materials,
colours, sizes and features, stated in attributes and in texts, with queries and requests of shoppers. Its words are in
data/boutique.yaml.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.core.errors import UserError
from shopbatch.sample import fill, pictures
from shopbatch.sample.draws import below
from shopbatch.sample.fill import SampleReport, Source
from shopbatch.tables.images import PRODUCT_IMAGES
from shopbatch.tables.products import AVAILABILITY, PRODUCTS
from shopbatch.tables.queries import QUERIES
from shopbatch.tables.shopper_requests import SHOPPER_REQUESTS
from shopbatch.text.word_files import WordFile, read_words
from shopbatch.warehouse.store import Store

VERSION = 1  # version of the generator; raise it with every change of the generated rows
PRODUCT_COUNT, MAX_PRODUCTS = 620, 100_000
_YUAN = 7  # yuan per dollar
_ON_SALE, _SILENT, _OUT_OF_STOCK = 15, 5, 10  # per cent: reduced; an attribute missing; out of stock
_LANGUAGES = ("en", "zh")

Pair = tuple[str, str]  # English, Chinese


class _Kind(WordFile):
    """One type of product in boutique.yaml, with the values that its products may have."""

    name: Pair
    department: Pair
    price: tuple[int, int]
    features: tuple[Pair, ...]
    materials: tuple[str, ...] = ()
    filling: Pair | None = None
    seasons: tuple[str, ...] = ()
    wearers: tuple[str, ...] = ()
    sizes: str = ""
    capacity: tuple[int, ...] = ()
    length: tuple[int, ...] = ()
    weight: tuple[int, ...] = ()


class _Texts(WordFile):
    """The templates in boutique.yaml from which titles and descriptions are made, by language."""

    title: dict[str, tuple[str, ...]]
    with_: dict[str, str]
    joined: dict[str, str]
    care: dict[str, Pair]
    cares: dict[str, tuple[str, ...]]


class _Boutique(WordFile):
    """The parsed content of boutique.yaml: all words from which the boutique's products and queries are made."""

    brands: dict[str, tuple[str, ...]]
    colours: dict[str, Pair]
    materials: dict[str, Pair]
    seasons: dict[str, Pair]
    wearers: dict[str, dict[str, tuple[str, str, str]]]
    sizes: dict[str, tuple[str, ...]]
    attributes: dict[str, Pair]
    kinds: tuple[_Kind, ...]
    texts: _Texts
    queries: tuple[str, ...]
    requests: tuple[str, ...]


@lru_cache(maxsize=1)
def _words() -> _Boutique:
    return read_words(_Boutique, "shopbatch.sample", "data/boutique.yaml")


def fill_boutique(store: Store, rows: int | None = None, seed: int = 0) -> SampleReport:
    """Fill the tables products, queries, shopper_requests and product_images with the boutique.

    Args:
        store: The warehouse.
        rows: Number of products; None for 620.
        seed: Seed of all random draws.

    Raises:
        UserError: The size is out of range, or a table holds rows that no sample has written.
    """
    count = PRODUCT_COUNT if rows is None else rows
    if not 1 <= count <= MAX_PRODUCTS:
        raise UserError(f"sample: rows must be from 1 to {MAX_PRODUCTS:,}, not {count:,}")
    clock = fill.Clock()
    versions = [VERSION, pictures.VERSION]
    content = fill.digest(kind="boutique", version=versions, rows=count, seed=seed)
    origin = f"the generator (seed {seed})"
    tables = [
        Source(PRODUCTS, lambda: [products(count, seed)], origin, "Apache-2.0", "invented clothes and household goods"),
        Source(QUERIES, lambda: [queries()], origin, "Apache-2.0", "invented, English and Chinese"),
        Source(SHOPPER_REQUESTS, lambda: [requests()], origin, "Apache-2.0", "invented, English and Chinese"),
        Source(
            PRODUCT_IMAGES,
            lambda: [pictures.pictures(products(min(count, 2 * pictures.MOST), seed), seed)],
            origin,
            "Apache-2.0",
            "drawn, of English products; a few show another product, or share a file, on purpose",
        ),
    ]
    if fill.there(store, [s.table for s in tables], content):
        return SampleReport("boutique", fill.described(store, tables), False, clock.seconds())
    return SampleReport("boutique", fill.fill(store, content, tables), True, clock.seconds())


def queries() -> pa.Table:
    """Return the search queries of boutique.yaml as rows of `queries`."""
    texts = _words().queries
    ids = [f"q-{number:03}" for number in range(1, len(texts) + 1)]
    return QUERIES.fill(len(texts), query_id=pa.array(ids), query=pa.array(texts), source=_from(len(texts)))


def requests() -> pa.Table:
    """Return the requests for advice in boutique.yaml as rows of `shopper_requests`."""
    texts = _words().requests
    ids = [f"r-{number:03}" for number in range(1, len(texts) + 1)]
    return SHOPPER_REQUESTS.fill(len(texts), request_id=pa.array(ids), text=pa.array(texts), source=_from(len(texts)))


def products(count: int, seed: int = 0) -> pa.Table:
    """Return the catalogue as rows of `products`.

    Every type of product occurs about equally often, half of its products in English and half in Chinese.

    Args:
        count: Number of products.
        seed: Seed of all random draws.
    """
    draws = _Draws(seed, count)
    made = [_product(number, draws) for number in range(count)]
    columns = {name: pa.array([row[name] for row in made], PRODUCTS.schema().field(name).type) for name in made[0]}
    return PRODUCTS.fill(count, **columns, source=_from(count))


def _from(count: int) -> pa.Array:
    return pa.repeat("boutique", count)


class _Draws:
    """Random numbers for the boutique's products; they depend only on seed, name of the draw and product number."""

    def __init__(self, seed: int, count: int) -> None:
        self.seed, self.rows = seed, np.arange(count, dtype=np.uint64)
        self.columns: dict[tuple[str, int], list[int]] = {}

    def below(self, name: str, number: int, bound: int) -> int:
        """Return the random integer in [0, bound) of the product with this number.

        Args:
            name: Name of the draw; draws of different names are independent.
            number: Row number of the product.
            bound: The bound.
        """
        if (name, bound) not in self.columns:
            self.columns[name, bound] = below(self.seed, f"boutique {name}", self.rows, bound).tolist()
        return self.columns[name, bound][number]

    def choose(self, name: str, number: int, values: Any) -> Any:
        """Return one of `values` at random for a product; None if there are no values.

        Args:
            name: Name of the draw; draws of different names are independent.
            number: Row number of the product.
            values: The values to choose from, an iterable.
        """
        values = tuple(values)
        return values[self.below(name, number, len(values))] if values else None


def _product(number: int, draws: _Draws) -> dict[str, Any]:
    words = _words()
    kind = words.kinds[number % len(words.kinds)]
    side = (number // len(words.kinds)) % 2
    language = _LANGUAGES[side]
    brand = draws.choose("brand", number, words.brands[language])
    colour = None if kind.weight else draws.choose("colour", number, words.colours.values())
    material = draws.choose("material", number, kind.materials)
    wearer = draws.choose("wearer", number, kind.wearers)
    features = _features(kind, number, draws, side)
    care = words.texts.care[draws.choose("care", number, words.texts.cares.get(material, ("packed",)))][side]
    described = words.texts.with_[language].format(features=words.texts.joined[language].join(features))
    title = words.texts.title[language][0].format(
        brand=brand,
        wearer=words.wearers[wearer][language][0] if wearer else "",
        material=words.materials[material][side] if material else "",
        kind=kind.name[side],
        colour=colour[side] if colour else "",
    )
    return {
        "product_id": f"b-{number:05}",
        "title": " ".join(title.split()),
        "department": kind.department[side],
        "category": kind.department[side],
        "product_type": kind.name[side],
        "brand": brand,
        "description": described + (" " if language == "en" else "") + care,
        "attributes": _attributes(kind, number, draws, side, (colour, material, wearer)),
        "language": language,
        "market": ("US", "CN")[side],
        **_offer(kind, number, draws, side),
    }


def _features(kind: _Kind, number: int, draws: _Draws, side: int) -> list[str]:
    first = draws.below("feature", number, len(kind.features))
    step = 1 + draws.below("second feature", number, max(len(kind.features) - 1, 1))
    chosen = dict.fromkeys((kind.features[first], kind.features[(first + step) % len(kind.features)]))
    return [feature[side] for feature in chosen]


def _attributes(kind: _Kind, number: int, draws: _Draws, side: int, chosen: tuple[Any, ...]) -> list[Pair]:
    words, (colour, material, wearer) = _words(), chosen
    worn = words.wearers[wearer][_LANGUAGES[side]] if wearer else None
    season = draws.choose("season", number, kind.seasons)
    values = {
        "colour": colour[side] if colour else None,
        "material": words.materials[material][side] if material else None,
        "filling": kind.filling[side] if kind.filling else None,
        "season": words.seasons[season][side] if season else None,
        "gender": worn[1] if worn else None,
        "age": worn[2] if worn else None,
        "size": draws.choose("size", number, words.sizes.get(kind.sizes, ())),
        "capacity": _amount(draws.choose("capacity", number, kind.capacity), ("ml", "毫升")[side]),
        "length": _amount(draws.choose("length", number, kind.length), ("cm", "厘米")[side]),
        "weight": _amount(draws.choose("weight", number, kind.weight), ("g", "克")[side]),
    }
    if draws.below("silent", number, 100) < _SILENT:
        values[draws.choose("silence", number, ("season", "material", "gender", "size"))] = None
    return [(words.attributes[name][side], value) for name, value in values.items() if value]


def _amount(number: int | None, unit: str) -> str | None:
    return f"{number} {unit}" if number else None


def _offer(kind: _Kind, number: int, draws: _Draws, side: int) -> dict[str, Any]:
    least, greatest = kind.price
    cents = (least * 100 + draws.below("price", number, (greatest - least) * 100)) * (1, _YUAN)[side]
    reduced = draws.below("sale", number, 100) < _ON_SALE
    out = draws.below("stock", number, 100) < _OUT_OF_STOCK
    return {
        "price": Decimal(cents) / 100,
        "sale_price": Decimal(cents * 4 // 5) / 100 if reduced else None,
        "currency": ("USD", "CNY")[side],
        "availability": AVAILABILITY[1 if out else 0],
    }
