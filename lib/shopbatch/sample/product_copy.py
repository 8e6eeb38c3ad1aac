"""Examples of grounded product copy, written by rules: what a small language model is tuned on. Door: `pairs`.

Two thirds are products of a catalogue, of kinds that are set apart for training; the rest have invented titles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pyarrow as pa

from shopbatch.capabilities.copywriting.prompt import SHOWN, fenced, plain
from shopbatch.sample.copy_invented import invented
from shopbatch.sample.copy_writing import write
from shopbatch.sample.templates import Dice
from shopbatch.tables.product_copy import PRODUCT_COPY

NOTE = "attributes and copy that says nothing else, of a quarter of the kinds of product and of invented ones"
VERSION = 2  # of what is written: to be raised with every change of it
MOST = 6_000
ONE_IN = 4  # kinds of product are trained on
HOSTILE_PERCENT = 6  # of invented titles
_AT_A_TIME = 3  # products of a kind are drawn before other kinds have their turn

_Row = tuple[str | None, ...]


def count(reviews: int | None) -> int:
    """Examples of a sample with so many reviews (None: all of them)."""
    return MOST if reviews is None else min(MOST, reviews)


def in_training(product_type: str | None, category: str | None) -> bool:
    """Whether products of this type (of this category, if it has none) may be trained on: a quarter of the types."""
    kind = plain(product_type or "").lower() or plain(category or "").lower()  # as it is told in a prompt, too
    digest = hashlib.blake2b(kind.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % ONE_IN == 0


def pairs(products: pa.Table, rows: int, seed: int) -> pa.Table:
    """Examples, [rows] of PRODUCT_COPY: the same for the same products, in whatever order, number and seed.

    products: of the table `products`. Where none is in training, all examples are invented.
    """
    drawn, real = _drawn(products, seed)
    made: dict[str, dict[str, str | None]] = {}
    turn = 0
    while len(made) < rows:
        dice = Dice(seed, "copy", turn)
        if turn % 3 < 2 and drawn:
            row = drawn[(turn - turn // 3) % len(drawn)]
            shown = told = dict(zip(SHOWN, row, strict=True))
            source = "catalogue"
        else:
            product = invented(dice, dice.chance(HOSTILE_PERCENT))
            shown, told = dict(product.shown), dict(product.told)
            source = "invented"
        turn += 1
        if source == "catalogue" or tuple(shown.values()) not in real:
            example = _example(dice, shown, told, source)
            made.setdefault(str(example["copy_id"]), example)
    schema = PRODUCT_COPY.schema()
    return pa.table({f.name: pa.array([m[f.name] for m in made.values()], f.type) for f in schema}, schema=schema)


def _example(
    dice: Dice, shown: Mapping[str, str | None], told: Mapping[str, str | None], source: str
) -> dict[str, str | None]:
    attributes = fenced(shown)
    copy = write(dice, {name: plain(value) if value else None for name, value in told.items()})
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
    """(the different products in training, a few of each kind in turn; all different products)."""
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
        for found in kinds.values()
        for place, (mixed, row) in enumerate(sorted(found, key=lambda f: f[0]))
    ]
    return [row for *_, row in sorted(ordered, key=lambda o: o[:2])], real
