"""Results of a former recipe that a new one would give again: they are copied in the memo instead of computed."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from shopbatch.inference.memo import Memo
from shopbatch.inference.refs import fetch, start
from shopbatch.inference.resolve import memo_table, unsigned_words
from shopbatch.inference.shards import to_arrow
from shopbatch.inference.spec import Spec
from shopbatch.warehouse import files
from shopbatch.warehouse.files import DataFile, FileRef


def inherit(memo: Memo) -> int:
    """Copy what the spec inherits into the memo, once: not if the memo holds results of its recipe already.

    Returns:
        The number of results.
    """
    spec, snapshot = memo.spec, memo.store.find(memo.spec.memo.name)
    if spec.inherits is None or snapshot is None or memo.visible():
        return 0
    former = [f for f in snapshot.files if f.partition["recipe"] == spec.inherits.recipe]
    if not former:
        return 0
    memo.hold_lease()
    copies = fetch([start(copy_results, spec, memo.root, memo.folder, i, [f]) for i, f in enumerate(former)])
    written: list[DataFile] = [file for file in copies if file is not None]
    memo.commit(written)
    memo.end_lease()
    return sum(file.rows for file in written)


def copy_results(spec: Spec, root: str, folder: str, number: int, refs: Sequence[FileRef]) -> DataFile | None:
    """Write the inherited results of some memo files as one file; None if there are none."""
    if spec.inherits is None:
        return None
    tables = [pl.DataFrame(files.read(f.uri, spec.memo.schema(), f.partition)) for f in refs]
    kept = pl.concat(tables).filter(pl.col("reason").is_null() & (pl.col("tokens") < spec.inherits.tokens_below))
    if kept.is_empty():
        return None
    path = f"{folder}/inherited-{number:05d}.parquet"
    words = kept.select(*unsigned_words(), pl.exclude("hash_hi", "hash_lo"))
    files.write(f"{root}/{path}", memo_table(spec, to_arrow(words)))
    return files.describe(root, path, spec.memo.file_schema(), {"recipe": spec.recipe})
