"""Names the products of loaded rows by their ids, where a file names them by a code: the SKU of a variant, a barcode.

`products` says which codes a product has (`codes`, `gtin`). An id that is a product's own stays, and so does a code of
several products.
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

MOST = 5_000_000  # products, and codes, that are held in memory
REFERRING = ("transactions", "order_lines", "reviews", "events")  # tables whose product_id is one of `products`
_PRODUCT, _GTIN = "product_id", "gtin"


@dataclass(frozen=True)
class ProductCodes:
    """The codes that are no product's own id.

    names: the codes, each once, string [n]. products: the product that has the code, null where several have it;
    string [n]. trouble: why there are none although `products` may have some.
    """

    names: pa.Array
    products: pa.Array
    trouble: str = ""

    @classmethod
    def of(cls, store: Store) -> ProductCodes:
        """Read the codes of all rows of `products`, also of those that a newer row of the same product has replaced.

        Raises:
            UserError: The table cannot be read. Without its codes, rows would get other products than before.
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
        """Names what a load would translate; "" if that is nothing."""
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
        """Look ids up; equal ones are looked up once.

        Args:
            ids: What a file says, string [n].

        Returns:
            The product of which each id is a code, null where it is none, or of several; string [n]. And whether it is
            a code of several products, boolean [n].
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
    return ProductCodes(pa.array([], pa.string()), pa.array([], pa.string()), trouble)


def _read(catalogue: Snapshot) -> ProductCodes:
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
    """Different rows, of which more than MOST are never held for long: a product has a row for each load of it."""

    def __init__(self) -> None:
        self._parts: list[pl.DataFrame] = []
        self._waiting = 0
        self.too_many = False

    def add(self, rows: pl.DataFrame) -> None:
        """Take some rows."""
        self._parts.append(rows.unique())
        self._waiting += self._parts[-1].height
        if self._waiting > MOST:
            self.rows()

    def rows(self) -> pl.DataFrame:
        """Return the different rows."""
        self._parts, self._waiting = [pl.concat(self._parts).unique()], 0
        self.too_many = self._parts[0].height > MOST
        return self._parts[0]


def _parts(snapshot: Snapshot, columns: Sequence[str]) -> Iterator[pa.Table]:
    for file in snapshot.files:
        yield files.read(file.uri, snapshot.select(columns), file.partition)


def _places(known: npt.NDArray[np.uint64], hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """The place of each hash in a sorted list, or that of another hash if it is not there."""
    return np.minimum(np.searchsorted(known, hashes), len(known) - 1)
