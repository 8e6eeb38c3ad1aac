"""Stores in the index the facts that its products state, so that a search can compare them with a query's conditions.

Extracting the facts of a row takes about a millisecond. So equal texts are read once, many rows are read by Ray tasks,
and the facts of texts that an earlier index has read with the same vocabulary are copied from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.search.filters import Facts, facts_table, price_of
from shopbatch.capabilities.search.statements import COLUMNS, VERSION
from shopbatch.capabilities.search.understanding.understand import VERSION as UNDERSTANDING
from shopbatch.capabilities.search.understanding.vocabulary import Vocabulary
from shopbatch.core.hashing import digest, hash128, hex128

PART = 2_000  # distinct rows per task
_PRICE = ("price", "sale_price", "currency")
_TEXTS = tuple(name for name in COLUMNS if name not in ("product_id", *_PRICE))
_NAMES = pa.schema(
    [("kind", pa.string()), ("name", pa.string()), ("also", pa.list_(pa.string())), ("count", pa.int64())]
)


@dataclass(frozen=True, eq=False)
class Stated:
    """The facts that an index stores about its products, loaded when they are first needed.

    Attributes:
        vocabulary: The names of types, brands and values with which the facts were read.
        table: Reads the rows of `stated_table`; called once, when a query's first condition has to be checked.
    """

    vocabulary: Vocabulary
    table: Callable[[], pa.Table]

    @cached_property
    def facts(self) -> Facts:
        """The facts of all products, ready for filtering."""
        return Facts.of(self.table())


def vocabulary_digest(vocabulary: Vocabulary) -> str:
    """Return a digest of everything besides a row's texts that decides which facts are read from it.

    This is the version of the rules, and the vocabulary's types and brands.
    """
    types = {name: list(names) for name, names in vocabulary.types.items()}
    return digest({"version": [VERSION, UNDERSTANDING], "types": types, "brands": list(vocabulary.brands)})


def stated_table(products: pa.Table, vocabulary: Vocabulary, before: pa.Table | None = None) -> pa.Table:
    """Read the facts that products state, reusing those of an earlier index.

    Args:
        products: Rows with the columns of `statements.COLUMNS`, [n].
        vocabulary: The names of types, brands and values to look for in the texts.
        before: What this function returned for an earlier index with an equal vocabulary; None: everything is read.

    Returns:
        The columns of `filters.facts_table` and `row_hash` (hash of the texts that were read), [n].
    """
    columns = [products[name] for name in _TEXTS]
    hashes = pl.Series(hex128(*hash128(columns))) if products.num_rows else pl.Series([], dtype=pl.String)
    first = pl.DataFrame({"hash": hashes, "row": np.arange(len(hashes))}).unique("hash", keep="first").sort("row")
    known = pl.Series(before["row_hash"]) if before is not None else pl.Series([], dtype=pl.String)
    new = first.filter(~pl.col("hash").is_in(known.implode()))
    read = _read(products.select(_TEXTS).take(pa.array(new["row"].to_numpy())), vocabulary)
    read = read.append_column("row_hash", new["hash"].to_arrow().cast(pa.string()))
    pieces = [read] if before is None else [before.select(read.column_names), read]
    every = pa.concat_tables(pieces)
    places = pl.DataFrame({"hash": pl.Series(every["row_hash"]), "at": np.arange(every.num_rows)}).unique("hash")
    at = pl.DataFrame({"hash": hashes}).join(places, on="hash", how="left", maintain_order="left")["at"]
    rows = every.take(pa.array(at.to_numpy()))
    prices = products.select(_PRICE).to_pylist()
    rows = _set(rows, "price", pa.array([price_of(row)[0] for row in prices], pa.float64()))
    return _set(rows, "currency", pc.fill_null(products["currency"], ""))


def _set(table: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)


def _read(rows: pa.Table, vocabulary: Vocabulary) -> pa.Table:
    """Read the facts of distinct rows; in Ray tasks of PART rows if there are more rows than that and Ray runs.

    Returns:
        The columns of `filters.facts_table`, in the order of `rows`.
    """
    import ray

    if rows.num_rows <= PART or not ray.is_initialized():
        return facts_table(rows, vocabulary)
    task, shared = ray.remote(facts_table), ray.put(vocabulary)
    parts = [task.remote(rows.slice(start, PART), shared) for start in range(0, rows.num_rows, PART)]
    return pa.concat_tables(ray.get(parts))


def vocabulary_table(vocabulary: Vocabulary) -> pa.Table:
    """Return a vocabulary as rows, to store it in the index; `vocabulary_of` reads them.

    The columns are kind (type, brand, word or known), name, also (other names of a type) and count (of a word).
    """
    rows = [
        *({"kind": "type", "name": name, "also": list(names)} for name, names in vocabulary.types.items()),
        *({"kind": "brand", "name": name} for name in vocabulary.brands),
        *({"kind": "word", "name": word, "count": count} for word, count in vocabulary.words.items()),
        *({"kind": "known", "name": word} for word in sorted(vocabulary.known)),
    ]
    return pa.Table.from_pylist(rows, _NAMES)


def vocabulary_of(table: pa.Table) -> Vocabulary:
    """Return the vocabulary that `vocabulary_table` wrote."""
    rows = pl.DataFrame(table)

    def names(kind: str) -> pl.DataFrame:
        return rows.filter(pl.col("kind") == kind)

    types = {name: tuple(also) for name, also in names("type").select("name", "also").iter_rows()}
    counts = dict(names("word").select("name", "count").iter_rows())
    return Vocabulary(types, tuple(names("brand")["name"]), counts, frozenset(names("known")["name"]))
