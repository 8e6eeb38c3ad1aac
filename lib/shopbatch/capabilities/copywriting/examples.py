"""Turns reviewed copy into training examples: texts that people accepted or edited become rows of `product_copy`."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.capabilities.copywriting.prompt import SHOWN
from shopbatch.capabilities.copywriting.reviews import Review, copy_json
from shopbatch.core.errors import Stopped
from shopbatch.tables.product_copy import PRODUCT_COPY
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot, Store

SOURCE = "review"
_PREFIX = "r-"  # begins the ids of reviewed examples; ids of other examples begin with c-
_TYPE = re.compile(rf"^{SHOWN['product_type']}: (.*)$", re.M)


def update_examples(store: Store, reviews: Sequence[Review]) -> int:
    """Bring the reviewed examples in the table `product_copy` up to date in one commit.

    Called after verdicts are loaded. Examples whose text was refused or edited since are removed. Edits that are marked
    as trusted (`Review.trusted`) become no example, because they state claims that the product's attributes do not
    back. Nothing is written if the table is up to date.

    Args:
        store: The warehouse.
        reviews: The latest verdict on each text.

    Returns:
        The number of reviewed examples in the table.

    Raises:
        Stopped: Another command changed the table meanwhile. Nothing was committed.
    """
    wanted = dict(e for e in map(_example, reviews) if e is not None)
    snapshot = store.find(PRODUCT_COPY.name)
    removed, kept = _taken_out(snapshot)
    there = [copy_id for rows in removed.values() for copy_id in rows]
    if sorted(there) == sorted(wanted):
        return len(wanted)
    rows = [wanted[copy_id] for copy_id in sorted(wanted)]
    columns = {c.name: pa.array([row[c.name] for row in rows], c.type) for c in PRODUCT_COPY.columns}
    data = pa.concat_tables([PRODUCT_COPY.fill(len(rows), **columns), *kept])
    run = f"review-{uuid.uuid4().hex[:12]}"
    added = [store.write_file(PRODUCT_COPY, data, run, 0)] if data.num_rows else []

    def guard(newest: Snapshot) -> None:
        """Refuse the commit if another command has replaced one of the files to be removed."""
        if not removed.keys() <= newest.by_path.keys():
            store.discard(PRODUCT_COPY, added)
            raise Stopped("another command changed product_copy meanwhile; the same command completes the load")

    # keep the mark of sample data, which `shopbatch sample` looks for
    metadata = {name: snapshot.metadata[name] for name in ("sample",) if snapshot and name in snapshot.metadata}
    store.commit(PRODUCT_COPY, added, "rewrite", f"review/{run}", metadata, list(removed), guard)
    return len(wanted)


def _example(review: Review) -> tuple[str, dict[str, str | None]] | None:
    """Return (copy_id, row of `product_copy`) for a verdict; None for a refusal and for a trusted edit."""
    if review.verdict == "refuse" or review.trusted:
        return None
    # without meta description, because the model's instruction asks for none
    copy, kind = copy_json(review.copy.model_copy(update={"meta": None})), _TYPE.search(review.attributes)
    digest = hashlib.blake2b(f"{review.attributes}\n{copy}".encode(), digest_size=12).hexdigest()
    return f"{_PREFIX}{digest}", {
        "copy_id": f"{_PREFIX}{digest}",
        "attributes": review.attributes,
        "copy": copy,
        "language": review.language,
        "product_type": kind[1] if kind else None,
        "source": SOURCE,
    }


def _taken_out(snapshot: Snapshot | None) -> tuple[Mapping[str, list[str]], list[pa.Table]]:
    """Find the data files of `product_copy` that contain reviewed examples.

    Returns:
        {path of the file: ids of its reviewed examples}; and the other rows of these files, which are written again.
    """
    removed: dict[str, list[str]] = {}
    kept: list[pa.Table] = []
    for file in snapshot.files if snapshot else ():
        rows = files.read(file.uri, PRODUCT_COPY.schema(), file.partition)
        own = pc.and_(pc.equal(rows["source"], SOURCE), pc.starts_with(rows["copy_id"], _PREFIX))
        own = pc.fill_null(own, False)
        if pc.any(own).as_py():
            removed[file.path] = rows["copy_id"].filter(own).to_pylist()
            kept.append(rows.filter(pc.invert(own)))
    return removed, kept
