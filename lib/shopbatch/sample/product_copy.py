"""Examples of grounded product copy, written by rules: a small language model is tuned on them.

Two thirds are about products of a catalogue, of kinds that are reserved for training; the rest have invented titles.
The entry point is `pairs`.
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
VERSION = 2  # of what is written; raise it with every change of the result
MOST = 6_000
ONE_IN = 4  # kinds of product is trained on
INJECTION_PERCENT = 6  # of the invented titles give orders to a model
_AT_A_TIME = 3  # products of a kind are drawn before the next kind

_Row = tuple[str | None, ...]


def count(reviews: int | None) -> int:
    """How many examples a sample with this number of reviews has; None means all reviews."""
    return MOST if reviews is None else min(MOST, reviews)


def in_training(product_type: str | None, category: str | None) -> bool:
    """Whether products of this type (or category, without a type) may be trained on: a quarter of the types may."""
    kind = clean_value(product_type or "").lower() or clean_value(category or "").lower()  # as in a prompt
    digest = hashlib.blake2b(kind.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % ONE_IN == 0


def pairs(products: pa.Table, rows: int, seed: int) -> pa.Table:
    """Examples, [rows] of PRODUCT_COPY. The order of the products does not matter.

    products: rows of the table `products`. If none of them is reserved for training, all examples are invented.
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
    """(the different products reserved for training, a few of each kind in turn; all different products)."""
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
