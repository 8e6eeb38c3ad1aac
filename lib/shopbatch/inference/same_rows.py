"""Compares the rows of two sets of files. `publish.py` uses it to skip a commit that would change no row.

Equal digests are not enough: the digest of a published table is a sum of 64-bit hashes that everybody can compute. So
somebody could change a row, and make up a few other rows so that the sum stays the same. Here each row is hashed
together with random bytes that are drawn for each comparison, so that nobody can make up rows in advance.
"""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_bytes

import pyarrow as pa

from shopbatch.core.hashing import hash128
from shopbatch.inference.candidate import VOLATILE
from shopbatch.inference.refs import fetch, start
from shopbatch.tables.schema import Table
from shopbatch.warehouse import files
from shopbatch.warehouse.checksums import DamagedFile


def same_rows(table: Table, one: Sequence[str], other: Sequence[str]) -> bool:
    """Return True if two sets of files hold the same rows, in any order.

    Columns that only tell how a row came to be (`candidate.VOLATILE`) are not compared.

    Args:
        table: The table. The values of its partition columns are not compared.
        one: URIs of the first set of files.
        other: URIs of the second set of files.

    Returns:
        False also if a file is damaged or missing.
    """
    salt = token_bytes(32)
    sums = [[start(sum_of, table, uri, salt) for uri in uris] for uris in (one, other)]
    old, new = (fetch(refs) for refs in sums)
    if None in old or None in new:
        return False
    return bool((sum(old) - sum(new)) % 2**128 == 0)


def sum_of(table: Table, uri: str, salt: bytes) -> int | None:
    """Return the sum of the salted 128-bit hashes of a file's rows; None if the file is damaged or missing."""
    schema = pa.schema([field for field in table.file_schema() if field.name not in VOLATILE])
    try:
        rows = files.read(uri, schema)
    except (DamagedFile, FileNotFoundError):
        return None
    salted = pa.repeat(pa.scalar(salt, pa.binary()), rows.num_rows)
    high, low = hash128([salted, *rows.columns])
    return sum(map(int, high)) * 2**64 + sum(map(int, low))
