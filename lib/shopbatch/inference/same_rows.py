"""Whether two sets of files hold the same rows, also if somebody has made up rows to have the same digest.

The digest of a published table is a sum of 64-bit hashes that everybody can compute, so that a changed row and a few
others can be made up whose sum is as before. Here each row is hashed after random bytes that nobody can know before.
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
    """Return whether two sets of files hold the same rows, apart from how these came to be.

    Args:
        table: The table. The values of its partition columns are not compared.
        one: URIs of files.
        other: URIs of other files.
    """
    salt = token_bytes(32)
    sums = [[start(sum_of, table, uri, salt) for uri in uris] for uris in (one, other)]
    old, new = (fetch(refs) for refs in sums)
    if None in old or None in new:
        return False
    return bool((sum(old) - sum(new)) % 2**128 == 0)


def sum_of(table: Table, uri: str, salt: bytes) -> int | None:
    """Add up the hashes of a file's rows; None if the file is damaged or gone."""
    schema = pa.schema([field for field in table.file_schema() if field.name not in VOLATILE])
    try:
        rows = files.read(uri, schema)
    except (DamagedFile, FileNotFoundError):
        return None
    salted = pa.repeat(pa.scalar(salt, pa.binary()), rows.num_rows)
    high, low = hash128([salted, *rows.columns])
    return sum(map(int, high)) * 2**64 + sum(map(int, low))
