"""Finds the product id for rows of a file that name a product by a code: the SKU of a variant, or a barcode.

The table `products` states the codes of each product (columns `codes` and `gtin`). A value that is itself the id of a
product is never replaced, and neither is a code that several products have. `translation.py` applies the result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.errors import UserError, one_line
from shopbatch.core.hashing import quick_hash
from shopbatch.load.conversion import Mask, to_mask
from shopbatch.tables.products import CODES, PRODUCTS
from shopbatch.warehouse import files
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

MOST = 5_000_000  # most products, and most pairs of code and product, that are held in memory
REFERRING = ("transactions", "order_lines", "reviews", "events")  # tables whose product_id refers to `products`
_PRODUCT, _GTIN = "product_id", "gtin"


@dataclass(frozen=True)
class ProductCodes:
    """An index from codes to products, of all codes in the table `products` that are not themselves a product id.

    Attributes:
        names: The distinct codes, string [n].
        products: The id of the product that has the code, string [n]; null where several products have it.
        trouble: Why the index is empty although `products` may have codes, for the user; "" if there is no trouble.
    """

    names: pa.Array
    products: pa.Array
    trouble: str = ""

    @classmethod
    def of(cls, store: Store) -> ProductCodes:
        """Read the codes from all rows of `products`, also from rows that a newer row of the same product has replaced.

        Raises:
            UserError: The table cannot be read. The load must stop then, because it would store codes as if they were
                product ids.
        """
        try:
            catalogue = store.find(PRODUCTS.name)
            return _read(catalogue) if catalogue is not None else _none()
        except (UserError, OSError, pa.ArrowException) as error:
            if files.is_lost_connection(error):
                raise
            why = f"products, whose codes the rows may name, cannot be read ({one_line(error, 200)})"
            raise UserError(f"{why}; nothing was loaded: `shopbatch verify products` says more") from None

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def digest(self) -> str:
        """32 hex digits that identify all codes and their products; "" if there are no codes.

        A load stores it, so that a later load of the same file notices that the codes have changed.
        """
        if not len(self):
            return ""
        texts = pc.fill_null(self.products, "\0")
        state = hashlib.blake2b(digest_size=16)
        for column in (self.names, texts):
            state.update(pc.binary_length(column).to_numpy().tobytes())
            state.update(pc.binary_join(pa.ListArray.from_arrays([0, len(column)], column), "")[0].as_buffer())
        return state.hexdigest()

    @cached_property
    def _hashes(self) -> npt.NDArray[np.uint64]:
        return quick_hash(self.names)

    @cached_property
    def _order(self) -> npt.NDArray[np.int64]:
        return np.argsort(self._hashes)

    @cached_property
    def _sorted(self) -> npt.NDArray[np.uint64]:
        return self._hashes[self._order]

    def find(self, ids: pa.Array) -> tuple[pa.Array, Mask]:
        """Return the products whose codes the given values are.

        Args:
            ids: The product names in a file (ids or codes), string [n].

        Returns:
            The id of the product that has the code, string [n], null where the value is no code or several products
            have it; and a mask of the codes that several products have, boolean [n].
        """
        if not len(self) or not len(ids):
            return pa.nulls(len(ids), pa.string()), np.zeros(len(ids), bool)
        cells = pc.dictionary_encode(ids)
        place = self._order[_places(self._sorted, quick_hash(cells.dictionary))]
        same = pc.equal(self.names.take(pa.array(place)), cells.dictionary)
        products = pc.if_else(same, self.products.take(pa.array(place)), pa.scalar(None, pa.string()))
        several = pc.and_(same, products.is_null())
        return products.take(cells.indices), to_mask(several.take(cells.indices))


def _none(trouble: str = "") -> ProductCodes:
    """Return an empty index, with the reason for the user if codes could not be used."""
    return ProductCodes(pa.array([], pa.string()), pa.array([], pa.string()), trouble)


def _read(catalogue: Snapshot) -> ProductCodes:
    """Build the index from the table `products`; it is empty if the table has no codes, or more than `MOST`."""
    declared = {f.name: f.type for f in PRODUCTS.schema()}
    names = [f.name for f in catalogue.schema if f.name in (_PRODUCT, CODES, _GTIN) and f.type == declared[f.name]]
    if _PRODUCT not in names or len(names) == 1:
        return _none()
    own, pairs = _Distinct(), _Distinct()
    for rows in _parts(catalogue, names):
        frame = pl.DataFrame(pl.from_arrow(rows))
        codes = [frame.select(_PRODUCT, code=CODES).explode("code")] if CODES in names else []
        codes += [frame.select(_PRODUCT, code=_GTIN)] if _GTIN in names else []
        own.add(frame.select(code=_PRODUCT))
        pairs.add(pl.concat(codes).drop_nulls().filter(pl.col("code") != pl.col(_PRODUCT)))
        if own.too_many or pairs.too_many:
            return _none(f"products has more than {MOST:,} codes: product ids stay as the file has them")
    if not catalogue.files:
        return _none()
    product = pl.when(pl.len() == 1).then(pl.col(_PRODUCT).first())
    codes_once = pairs.rows().join(own.rows(), on="code", how="anti").group_by("code").agg(product).sort("code")
    return ProductCodes(*(codes_once[name].to_arrow().cast(pa.string()) for name in ("code", _PRODUCT)))


class _Distinct:
    """Collects the distinct rows of a table that is added part by part, with an upper limit of `MOST` rows.

    Repeated rows are removed whenever more than `MOST` rows were added: they are many, as a product has a row for each
    load.
    """

    def __init__(self) -> None:
        self._parts: list[pl.DataFrame] = []
        self._waiting = 0
        self.too_many = False

    def add(self, rows: pl.DataFrame) -> None:
        """Add some rows of the table."""
        self._parts.append(rows.unique())
        self._waiting += self._parts[-1].height
        if self._waiting > MOST:
            self.rows()

    def rows(self) -> pl.DataFrame:
        """Return the distinct rows so far, and set `too_many` to whether there are more than `MOST`."""
        self._parts, self._waiting = [pl.concat(self._parts).unique()], 0
        self.too_many = self._parts[0].height > MOST
        return self._parts[0]


def _parts(snapshot: Snapshot, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield some columns of a table as Arrow tables, one for each data file."""
    for file in snapshot.files:
        yield files.read(file.uri, snapshot.select(columns), file.partition)


def _places(known: npt.NDArray[np.uint64], hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return the position of each hash in the sorted array `known`; an arbitrary position if it is not in there."""
    return np.minimum(np.searchsorted(known, hashes), len(known) - 1)
