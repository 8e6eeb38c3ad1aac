"""The table of blocks: examples are tokenised and packed once, by Ray Data, and read by every worker at any place.

A pack is named by the digest of all that it depends on; one that is there is used again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray.data

from shopbatch.report import new_run_id
from shopbatch.tables import files
from shopbatch.tables.files import DataFile
from shopbatch.tables.store import Snapshot, Store
from shopbatch.tables.training_blocks import TRAINING_BLOCKS
from shopbatch.training.packing import WINDOW, Document, pack

SPLITS = ("train", "val", "test")
Encode = Callable[[pa.Table], Sequence[Document | None]]  # examples -> documents; None where one is left out


@dataclass(frozen=True)
class Pack:
    """A pack in the warehouse. name: its digest. dropped: examples without a document, by split."""

    name: str
    files: Mapping[str, tuple[str, ...]]  # split -> URIs, in order
    dropped: Mapping[str, int]

    def read(self, split: str) -> Blocks:
        """The blocks of a split, in memory (4 bytes a token and a bit)."""
        return Blocks.read(self.files.get(split, ()))


@dataclass(frozen=True)
class Blocks:
    """Blocks in memory. ids, trained: [tokens]; lengths, labels, groups, rows: [documents]; first_*: [blocks + 1]."""

    ids: np.ndarray
    trained: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    rows: np.ndarray
    first_token: np.ndarray
    first_document: np.ndarray

    @classmethod
    def read(cls, uris: Sequence[str]) -> Blocks:
        schema = pa.schema([f for f in TRAINING_BLOCKS.file_schema() if f.name not in ("split", "block")])
        table = pa.concat_tables([schema.empty_table(), *(files.read(uri, schema) for uri in uris)]).combine_chunks()
        flat = {f.name: _values(table[f.name]) for f in schema}
        sizes = {n: pc.list_value_length(table[n]).to_numpy() for n in ("ids", "lengths")}
        starts = {n: np.concatenate([[0], np.cumsum(s)]).astype(np.int64) for n, s in sizes.items()}
        return cls(**flat, first_token=starts["ids"], first_document=starts["lengths"])

    def __len__(self) -> int:
        return len(self.first_token) - 1

    @property
    def tokens(self) -> int:
        return len(self.ids)

    def weights(self, classes: bool) -> np.ndarray:
        """How much of a loss each block carries, int64 [blocks]: its documents (classes), or its trained tokens."""
        if classes:
            return np.diff(self.first_document)
        sums = np.concatenate([[0], np.cumsum(self.trained, dtype=np.int64)])
        return np.asarray(sums[self.first_token[1:]] - sums[self.first_token[:-1]])

    def documents(self, blocks: Sequence[int]) -> list[Document]:
        """The documents of these blocks, in order."""
        found = []
        for block in blocks:
            at = int(self.first_token[block])
            for number in range(int(self.first_document[block]), int(self.first_document[block + 1])):
                end = at + int(self.lengths[number])
                label, group, row = (int(x[number]) for x in (self.labels, self.groups, self.rows))
                found.append(Document(self.ids[at:end], self.trained[at:end], label, row, group))
                at = end
        return found


def find(store: Store, name: str) -> Pack | None:
    """The pack of that digest, if it was made. One whose files are gone or cut short is not there."""
    snapshot = store.find(TRAINING_BLOCKS.name)
    if snapshot is None:
        return None
    mine = [f for f in snapshot.files if f.partition.get("pack") == name]
    try:
        files.check_whole(snapshot.uri, mine)
    except FileNotFoundError:
        return None
    return _pack(name, snapshot, [f.path for f in mine]) if mine else None


def build(
    store: Store, name: str, examples: Mapping[str, pa.Table], encode: Encode, block_tokens: int, seed: int
) -> Pack:
    """Tokenise and pack, one task a window of examples, and show the blocks in one commit.

    examples: split -> rows in their final order (the order names the documents). encode: runs in the tasks.
    """
    run_id = new_run_id()
    work = _Work(store.uri(TRAINING_BLOCKS.name), name, run_id, block_tokens, seed, encode)
    units = []
    for split in SPLITS:
        rows = examples[split]
        numbered = rows.append_column("_row", pa.array(np.arange(rows.num_rows)))
        order = np.random.default_rng(seed).permutation(rows.num_rows)  # a window is a mix of all examples
        for part, start in enumerate(range(0, rows.num_rows, WINDOW)):
            unit = numbered.take(pa.array(order[start : start + WINDOW])).combine_chunks()
            place = pa.repeat(pa.scalar(f"{split}-{part:05d}"), unit.num_rows)
            units.append(unit.append_column("_place", place))
    receipts: list[dict[str, Any]] = []
    for unit in units and ray.data.from_arrow(units).map_batches(
        work, batch_size=None, batch_format="pyarrow"
    ).iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        receipts += unit.to_pylist()
    written = [DataFile(r["path"], r["size"], r["rows"], r["stats"], {"pack": name}) for r in receipts if r["rows"]]
    dropped = {s: sum(r["dropped"] for r in receipts if r["place"].startswith(f"{s}-")) for s in SPLITS}
    store.commit(TRAINING_BLOCKS, written, "append", name, {"pack": name, "dropped": dropped})
    found = find(store, name)
    if found is None:
        raise FileNotFoundError(f"pack {name}: no example gave a document")
    return Pack(name, found.files, dropped)


def _pack(name: str, snapshot: Snapshot, paths: Sequence[str]) -> Pack:
    uris: dict[str, tuple[str, ...]] = {}
    runs = sorted({path.split("/")[1] for path in paths})[:1]  # two runs at once may have made it twice
    for split in SPLITS:
        mine = sorted(p for p in paths if p.split("/")[1] in runs and p.rpartition("/")[2].startswith(f"{split}-"))
        uris[split] = tuple(f"{snapshot.uri}/{p}" for p in mine)
    same = snapshot.metadata.get("pack") == name
    return Pack(name, uris, snapshot.metadata.get("dropped", {}) if same else {})


@dataclass(frozen=True)
class _Work:
    """A Ray task: one window of examples -> one file of blocks -> its receipt."""

    root: str
    name: str
    run_id: str
    block_tokens: int
    seed: int
    encode: Encode

    def __call__(self, batch: pa.Table) -> pa.Table:
        place = batch["_place"][0].as_py()
        split, _, part = place.partition("-")
        numbers = batch["_row"].to_pylist()
        found = zip(self.encode(batch), numbers, strict=True)
        documents = [(document, row) for document, row in found if document is not None]
        packed = pack([len(d.ids) for d, _ in documents], self.block_tokens, self.seed + int(part))
        receipt: dict[str, Any] = {"place": place, "path": "", "size": 0, "rows": 0, "stats": ""}
        if packed:
            path = f"pack={self.name}/{self.run_id}/{place}.parquet"
            files.write(f"{self.root}/{path}", self._table(split, int(part), packed, documents))
            file = files.describe(self.root, path, TRAINING_BLOCKS.file_schema(), {"pack": self.name})
            receipt |= {"path": path, "size": file.size, "rows": file.rows, "stats": file.stats}
        return pa.Table.from_pylist([receipt | {"dropped": batch.num_rows - len(documents)}])

    def _table(self, split: str, part: int, packed: list[list[int]], documents: list[tuple[Document, int]]) -> pa.Table:
        blocks = [[documents[i] for i in block] for block in packed]
        columns = {
            "split": [split] * len(blocks),
            "block": list(range(part * WINDOW, part * WINDOW + len(blocks))),  # a window has at most so many
            "ids": [np.concatenate([d.ids for d, _ in b]) for b in blocks],
            "trained": [np.concatenate([d.trained for d, _ in b]) for b in blocks],
            "lengths": [[len(d.ids) for d, _ in b] for b in blocks],
            "labels": [[d.label for d, _ in b] for b in blocks],
            "groups": [[d.group for d, _ in b] for b in blocks],
            "rows": [[row for _, row in b] for b in blocks],
        }
        return pa.table(columns, schema=TRAINING_BLOCKS.file_schema())


def _values(column: Any) -> np.ndarray:
    """The values of a list column, one after the other."""
    flat = pc.list_flatten(column)
    return np.asarray(flat.to_numpy() if isinstance(flat, pa.ChunkedArray) else flat.to_numpy(zero_copy_only=False))
