"""Replaces SKUs and barcodes by product ids in loaded rows, except for lines that are in `transactions` already.

The key of a line contains its product, and two exports may hold the same line. If its code belongs to another product
at the second load (`product_codes.py`), the line would be stored twice, under two products. So a line that the table
holds keeps the product that it has there.
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
    """The lines in `transactions` whose code belongs to another product now than when they were loaded.

    Attributes:
        names: Hash of basket and stated product (the code or id in the file), sorted, uint64 [n]. Lines are compared by
            this hash alone, to save memory: with the product it takes 12 bytes a line.
        products: The product id of each line in the table, strings in a dictionary array [n].
    """

    names: npt.NDArray[np.uint64]
    products: pa.DictionaryArray

    @classmethod
    def of(cls, snapshot: Snapshot, codes: ProductCodes) -> Lines | None:
        """Read `transactions` and return the lines whose code belongs to another product now; None if there are none.

        Args:
            snapshot: The table.
            codes: The present codes of the products.
        """
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
        """Return the product id that each line of a file has in the table, string [n]; null if not in `names`.

        Args:
            baskets: The basket of each line, string [n].
            stated: The product as the file names it, string [n].
        """
        hashes = _hashes(baskets, stated)
        place = np.minimum(np.searchsorted(self.names, hashes), len(self.names) - 1)
        there = self.products.take(pa.array(place)).dictionary_decode()
        return pc.if_else(pa.array(self.names[place] == hashes), there, pa.scalar(None, pa.string()))


class Translator:
    """Replaces codes (SKUs, barcodes) by product ids in the rows of one load, batch by batch, and counts the rows.

    Attributes:
        codes: The codes of the products.
        lines: The lines in the table that keep their product although their code belongs to another one now; None if
            there are none.
        translated: Rows whose product was replaced.
        ambiguous: Rows with a code that several products have.
        kept: Rows that keep the code as their product id, because the table holds the same line with it.
    """

    def __init__(self, codes: ProductCodes, lines: Lines | None = None) -> None:
        self.codes, self.lines = codes, lines
        self.translated = self.ambiguous = self.kept = 0
        self._example = self._shared = ""

    @classmethod
    def of(cls, codes: ProductCodes, snapshot: Snapshot | None) -> Translator:
        """Prepare the translation for one load.

        Args:
            codes: The codes of the products.
            snapshot: The table to which the rows are appended; None if the rows replace those of the table, so that no
                line has to keep its product. Tables other than `transactions` are not read.

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
        """Replace codes in the column `product_id` by product ids, in place.

        If there is a column `stated_product`, the replaced code is stored in it.

        Args:
            columns: Column name -> converted values, [n] each.
        """
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
        """Return lines for the user about rows whose product was replaced, kept, or ambiguous, with an example."""
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
    """Return one column of one data file of a table."""
    return files.read(file.uri, snapshot.select([name]), file.partition)[name].combine_chunks()


def _hashes(baskets: pa.Array, stated: pa.Array) -> npt.NDArray[np.uint64]:
    """Return a hash of basket and stated product for each line, uint64 [n]."""
    length = pc.binary_length(baskets).cast(pa.string())
    return quick_hash(pc.binary_join_element_wise(length, baskets, stated, ":"))
