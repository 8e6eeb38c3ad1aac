"""Translates the products of loaded rows (see `product_codes.py`), so that a line keeps the product that it has.

Two exports may hold the same line of a basket, and its key names the product. If the codes of the products changed in
between, the line would stand there twice, under two products. So a line that the table holds keeps its product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.errors import UserError, one_line
from shopbatch.core.hashing import quick_hash
from shopbatch.load.conversion import to_mask
from shopbatch.load.product_codes import ProductCodes
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.warehouse import files
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.snapshot import Snapshot

_PRODUCT, _STATED, _BASKET = "product_id", "stated_product", "basket_id"


@dataclass(frozen=True)
class Lines:
    """The lines of a table whose product is another one than the codes say now.

    names: the hash of basket and stated product, sorted, uint64 [n]: 12 bytes a line, which are compared by this hash
    alone. products: the product of each, a dictionary of strings [n].
    """

    names: npt.NDArray[np.uint64]
    products: pa.DictionaryArray

    @classmethod
    def of(cls, snapshot: Snapshot, codes: ProductCodes) -> Lines | None:
        """Look at all lines of `transactions`; None if there are no such lines."""
        if not {_PRODUCT, _STATED, _BASKET} <= set(snapshot.schema.names):
            return None
        names, products = [], []
        for file in snapshot.files:
            code = _column(snapshot, file, _STATED)
            if not len(codes) and code.null_count == len(code):
                continue
            there = _column(snapshot, file, _PRODUCT)
            stated = pc.coalesce(code, there)
            now = pc.coalesce(codes.find(stated)[0], stated)
            other = pc.fill_null(pc.not_equal(now, there), False)
            if not pc.any(other).as_py():
                continue
            names.append(_hashes(_column(snapshot, file, _BASKET).filter(other), stated.filter(other)))
            products.append(pc.dictionary_encode(there.filter(other)))
        if not names:
            return None
        whole = np.concatenate(names)
        order = np.argsort(whole, kind="stable")
        united = pa.chunked_array(products).unify_dictionaries().combine_chunks()
        return cls(whole[order], united.take(pa.array(order)))

    def find(self, baskets: pa.Array, stated: pa.Array) -> pa.Array:
        """Return the product that each line has in the table, null where it is not among these; string [n]."""
        hashes = _hashes(baskets, stated)
        place = np.minimum(np.searchsorted(self.names, hashes), len(self.names) - 1)
        there = self.products.take(pa.array(place)).dictionary_decode()
        return pc.if_else(pa.array(self.names[place] == hashes), there, pa.scalar(None, pa.string()))


class Translator:
    """Gives the rows of a load the ids of their products, batch by batch, and counts them.

    lines: what the table holds already; None where that makes no difference.
    """

    def __init__(self, codes: ProductCodes, lines: Lines | None = None) -> None:
        self.codes, self.lines = codes, lines
        self.translated = self.ambiguous = self.kept = 0
        self._example = self._shared = ""

    @classmethod
    def of(cls, codes: ProductCodes, snapshot: Snapshot | None) -> Translator:
        """Prepare a load.

        Args:
            codes: The codes of the products.
            snapshot: The table that the rows are added to; None: they replace it.

        Raises:
            UserError: The table cannot be read.
        """
        if snapshot is None or snapshot.name != TRANSACTIONS.name:
            return cls(codes)
        try:
            return cls(codes, Lines.of(snapshot, codes))
        except (OSError, pa.ArrowException) as error:
            if files.is_lost_connection(error):
                raise
            what = (
                f"table {snapshot.name!r} cannot be read ({one_line(error, 100)}), so nobody knows which lines it holds"
            )
            raise UserError(f"{what}; --replace loads it anew") from None

    def translate(self, columns: dict[str, pa.Array]) -> None:
        """Put the ids of products in place of their codes."""
        stated = columns[_PRODUCT]
        if not len(stated) or not (len(self.codes) or self.lines):
            return
        products, several = self.codes.find(stated)
        if self.lines is not None:
            there = self.lines.find(columns[_BASKET], stated)
            self.kept += int(np.count_nonzero(to_mask(pc.and_(products.is_valid(), pc.equal(there, stated)))))
            several = several & ~to_mask(there.is_valid())
            products = pc.coalesce(there, products)
        changed = to_mask(pc.not_equal(products, stated))
        if several.any():
            self.ambiguous += int(np.count_nonzero(several))
            self._shared = self._shared or stated[int(several.argmax())].as_py()
        if not changed.any():
            return
        first = int(changed.argmax())
        self._example = self._example or f"{stated[first].as_py()} is {products[first].as_py()}"
        self.translated += int(np.count_nonzero(changed))
        columns[_PRODUCT] = pc.if_else(pa.array(changed), products, stated)
        if _STATED in columns:
            columns[_STATED] = pc.if_else(pa.array(changed), stated, columns[_STATED])

    def notes(self) -> list[str]:
        """Say what was done, a line each."""
        lines = [f"product_id: {self.codes.trouble}"] if self.codes.trouble else []
        if self.translated:
            what = f"{self.translated:,} rows name a product by one of its codes and were given its id"
            lines.append(f"product_id: {what} ({self._example})")
        if self.ambiguous:
            what = f"{self.ambiguous:,} rows name a product by a code that several products have"
            lines.append(f"product_id: {what}, and stay as they are ({self._shared})")
        if self.kept:
            what = f"{self.kept:,} rows stand in the table already, under a code of their product, and keep it"
            lines.append(f"product_id: {what}")
        return lines


def _column(snapshot: Snapshot, file: FileRef, name: str) -> pa.Array:
    return files.read(file.uri, snapshot.select([name]), file.partition)[name].combine_chunks()


def _hashes(baskets: pa.Array, stated: pa.Array) -> npt.NDArray[np.uint64]:
    length = pc.binary_length(baskets).cast(pa.string())
    return quick_hash(pc.binary_join_element_wise(length, baskets, stated, ":"))
