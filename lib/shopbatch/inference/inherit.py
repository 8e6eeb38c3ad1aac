"""Copies results of an earlier recipe within the memo, if the new recipe would give the same results.

A run calls `inherit` before it looks for pending contents. The job declares the earlier recipe in `Spec.inherits`.
"""

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
    """Copy the results of an earlier recipe that are valid under the new recipe, and commit them to the memo.

    `Spec.inherits` names the earlier recipe and the valid results. Nothing is copied if the memo already has results of
    the new recipe.

    Args:
        memo: The memo of the new recipe.

    Returns:
        The number of copied results.
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
    """Write the inherited results of some memo files as one file of the new recipe; None if there are none.

    Args:
        spec: The inference job.
        root: Path or URI of the memo's folder.
        folder: Folder of the new file, relative to `root`.
        number: Number of the new file.
        refs: The memo files of the earlier recipe.
    """
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
