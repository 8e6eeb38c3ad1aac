"""Generates `product_copy`: products with copy that states only their attributes, for tuning a small language model.

Two thirds are about products of the catalogue, of product types that are reserved for training; the others are invented
products. The entry point is `pairs`; `copy_writing` writes the texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pyarrow as pa

from shopbatch.capabilities.copywriting.prompt import SHOWN, clean_value, fenced
from shopbatch.sample.copy_invented import invented
from shopbatch.sample.copy_writing import write
from shopbatch.sample.templates import Dice
from shopbatch.tables.product_copy import PRODUCT_COPY

NOTE = "attributes and copy that says nothing else, of a quarter of the kinds of product and of invented ones"
VERSION = 2  # version of the rules; raise it with every change of the written copy
MOST = 6_000
ONE_IN = 4  # one in so many product types is used for training
INJECTION_PERCENT = 6  # per cent of the invented titles that are prompt injections
_AT_A_TIME = 3  # products drawn from a type before the next type

_Row = tuple[str | None, ...]


def count(reviews: int | None) -> int:
    """Return the number of examples for a sample of `reviews` reviews: one per review, at most `MOST`.

    `MOST` if `reviews` is None (a sample with all reviews).
    """
    return MOST if reviews is None else min(MOST, reviews)


def in_training(product_type: str | None, category: str | None) -> bool:
    """Return True if products of this type may be used for training; a quarter of the types may.

    The other types are reserved for testing. A hash of the type decides; without a type, that of the category.
    """
    kind = clean_value(product_type or "").lower() or clean_value(category or "").lower()  # cleaned as in the prompt
    digest = hashlib.blake2b(kind.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % ONE_IN == 0


def pairs(products: pa.Table, rows: int, seed: int) -> pa.Table:
    """Return [rows] examples of products with copy, as rows of `product_copy`.

    Args:
        products: Rows of the table `products`, in any order. If none of them is reserved for training, all examples are
            about invented products.
        rows: Number of examples.
        seed: Seed of all random draws.
    """
    drawn, real = _drawn(products, seed)
    examples: dict[str, dict[str, str | None]] = {}
    turn = 0
    while len(examples) < rows:
        dice = Dice(seed, "copy", turn)
        if turn % 3 < 2 and drawn:
            row = drawn[(turn - turn // 3) % len(drawn)]
            shown = described = dict(zip(SHOWN, row, strict=True))
            source = "catalogue"
        else:
            product = invented(dice, dice.chance(INJECTION_PERCENT))
            shown, described = dict(product.shown), dict(product.described)
            source = "invented"
        turn += 1
        if source == "catalogue" or tuple(shown.values()) not in real:
            example = _example(dice, shown, described, source)
            examples.setdefault(str(example["copy_id"]), example)
    schema = PRODUCT_COPY.schema()
    return pa.table({f.name: pa.array([e[f.name] for e in examples.values()], f.type) for f in schema}, schema=schema)


def _example(
    dice: Dice, shown: Mapping[str, str | None], described: Mapping[str, str | None], source: str
) -> dict[str, str | None]:
    attributes = fenced(shown)
    copy = write(dice, {name: clean_value(value) if value else None for name, value in described.items()})
    digest = hashlib.blake2b(f"{attributes}\n{copy}".encode(), digest_size=12).hexdigest()
    return {
        "copy_id": f"c-{digest}",
        "attributes": attributes,
        "copy": copy,
        "language": "en",
        "product_type": shown["product_type"],
        "source": source,
    }


def _drawn(products: pa.Table, seed: int) -> tuple[list[_Row], set[_Row]]:
    """Return the products to write examples about, and all products for comparison with invented ones.

    A product is a tuple of its attributes, in the order of `SHOWN`.

    Args:
        products: Rows of the table `products`.
        seed: Seed of the random order.

    Returns:
        (the different products whose type may be used for training; the set of all different products). The former are
        ordered so that three products of each type come first, then three more of each type, and so on.
    """
    columns = [products[name].to_pylist() for name in SHOWN]
    real: set[_Row] = {tuple(v or None for v in row) for row in zip(*columns, strict=True)}
    at = {name: place for place, name in enumerate(SHOWN)}
    kinds: dict[str, list[tuple[bytes, _Row]]] = {}
    for row in real:
        kind, category = row[at["product_type"]], row[at["category"]]
        if any(row) and in_training(kind, category):
            mixed = hashlib.blake2b(f"{seed}/{row!r}".encode(), digest_size=8).digest()
            kinds.setdefault(kind or category or "", []).append((mixed, row))
    ordered = [
        (place // _AT_A_TIME, mixed, row)
        for products_of_kind in kinds.values()
        for place, (mixed, row) in enumerate(sorted(products_of_kind, key=lambda p: p[0]))
    ]
    return [row for *_, row in sorted(ordered, key=lambda o: o[:2])], real
