"""The table of blocks: Ray Data tokenises and packs the examples once; every worker reads any block of them.

A pack is identified by the digest of everything it depends on; an existing pack is used instead of making it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray.data

from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest, hash128
from shopbatch.runs.report import new_run_id
from shopbatch.tables.training_blocks import TRAINING_BLOCKS
from shopbatch.training.packing import WINDOW, Document, pack
from shopbatch.warehouse import files
from shopbatch.warehouse.damage import take_out
from shopbatch.warehouse.files import DataFile, FileRef
from shopbatch.warehouse.foreign import put_right, refuse_foreign
from shopbatch.warehouse.store import Store

SPLITS = ("train", "val")
Encode = Callable[[pa.Table], Sequence[Document | None]]  # examples -> documents; None for one that is left out


@dataclass(frozen=True)
class Pack:
    """A pack in the warehouse.

    name: its digest. files: split -> URIs of its files, in order. blocks: split -> number of blocks.
    set_aside: names what others or a damage had done to the table, and was put right.
    """

    name: str
    files: Mapping[str, tuple[str, ...]]
    blocks: Mapping[str, int]
    set_aside: str = field(default="", compare=False)

    def documents(self) -> int:
        """Return the number of documents in all splits; only the column of lengths is read."""
        schema = pa.schema([TRAINING_BLOCKS.file_schema().field("lengths")])
        uris = [uri for split in self.files.values() for uri in split]
        return sum(len(_values(files.read(uri, schema)["lengths"])) for uri in uris)

    def read(self, split: str) -> Blocks:
        """Read the blocks of a split into memory (a little more than 4 bytes per token)."""
        return Blocks.read(self.files[split])


@dataclass(frozen=True)
class Blocks:
    """Blocks in memory.

    ids, trained: [tokens]. lengths, labels: [documents]. first_token, first_document: [blocks + 1], where each block
    begins.
    """

    ids: np.ndarray
    trained: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    first_token: np.ndarray
    first_document: np.ndarray

    @classmethod
    def read(cls, uris: Sequence[str]) -> Blocks:
        """Read the blocks of these files, in order."""
        schema = pa.schema([f for f in TRAINING_BLOCKS.file_schema() if f.name not in ("split", "block")])
        table = pa.concat_tables([schema.empty_table(), *(files.read(uri, schema) for uri in uris)]).combine_chunks()
        flat = {f.name: _values(table[f.name]) for f in schema}
        sizes = {n: pc.list_value_length(table[n]).to_numpy() for n in ("ids", "lengths")}
        starts = {n: np.concatenate([[0], np.cumsum(s)]).astype(np.int64) for n, s in sizes.items()}
        return cls(**flat, first_token=starts["ids"], first_document=starts["lengths"])

    @classmethod
    def of(cls, documents: Sequence[Document], block_tokens: int, seed: int) -> Blocks:
        """Pack documents in memory; the arguments are those of `prepare`."""
        packed = pack([len(d.ids) for d in documents], block_tokens, seed)
        ordered = [documents[i] for block in packed for i in block]
        lengths = np.array([len(d.ids) for d in ordered], np.int32)
        ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        first = np.concatenate([[0], np.cumsum([len(block) for block in packed], dtype=np.int64)])
        ids, trained = np.concatenate([d.ids for d in ordered]), np.concatenate([d.trained for d in ordered])
        return cls(ids, trained, lengths, np.array([d.label for d in ordered], np.int32), ends[first], first)

    def __len__(self) -> int:
        return len(self.first_token) - 1

    @property
    def tokens(self) -> int:
        """Number of tokens in all blocks."""
        return len(self.ids)

    def weights(self, classes: bool) -> np.ndarray:
        """Return how many losses each block contributes, int64 [blocks].

        Args:
            classes: Whether each document has one loss; else each trained token has one.
        """
        if classes:
            return np.diff(self.first_document)
        sums = np.concatenate([[0], np.cumsum(self.trained, dtype=np.int64)])
        return np.asarray(sums[self.first_token[1:]] - sums[self.first_token[:-1]])

    def sizes(self, blocks: Sequence[int]) -> list[int]:
        """Return how many documents each of these blocks holds."""
        return [int(self.first_document[block + 1] - self.first_document[block]) for block in blocks]

    def documents(self, blocks: Sequence[int]) -> list[Document]:
        """Return the documents of these blocks, in order."""
        documents = []
        for block in blocks:
            at = int(self.first_token[block])
            for number in range(int(self.first_document[block]), int(self.first_document[block + 1])):
                end = at + int(self.lengths[number])
                documents.append(Document(self.ids[at:end], self.trained[at:end], int(self.labels[number])))
                at = end
        return documents


def find(store: Store, name: str) -> Pack | None:
    """Return the pack with that digest, or None if there is none whose files are whole."""
    snapshot = store.find(TRAINING_BLOCKS.name)
    if snapshot is None:
        return None
    by_run: dict[
        str, list[FileRef]
    ] = {}  # two runs at once may have made it, or a run repeated it after a file was lost
    for file in snapshot.files:
        if file.partition.get("pack") == name:
            by_run.setdefault(_run_of(file), []).append(file)
    for _, run_files in sorted(by_run.items()):
        with suppress(FileNotFoundError):
            files.check_whole(snapshot.uri, run_files)
            return _pack(name, snapshot.uri, run_files)
    return None


def prepare(
    store: Store,
    parts: Mapping[str, pa.Table],
    about: Mapping[str, Any],
    encode: Encode,
    block_tokens: int,
    seed: int,
) -> Pack:
    """Return the pack of these examples; it is made if it does not exist.

    Args:
        store: The warehouse.
        parts: Split -> examples, in an order that depends only on their contents.
        about: Everything else that the documents depend on, JSON-able.
        encode: Makes documents of examples; runs in Ray tasks.
        block_tokens: Tokens of a block.
        seed: Seed of the order.

    Raises:
        UserError: No example of a split fits into a block.
    """
    rows = {split: [blake2b(word.tobytes()).hexdigest() for word in hash128(parts[split].columns)] for split in SPLITS}
    name = digest({"rows": rows, "about": dict(about), "block_tokens": block_tokens, "seed": seed})
    put = put_right(store, TRAINING_BLOCKS, anew=True)
    damaged = take_out(store, TRAINING_BLOCKS, name, lambda file: file.partition.get("pack") == name, _run_of)
    set_aside = "; ".join(filter(None, [put, damaged]))
    prepared = find(store, name) or build(store, name, parts, encode, block_tokens, seed)
    for split, count in prepared.blocks.items():
        if not count:
            raise UserError(f"no example for {split} fits into a block of loop.block_tokens={block_tokens}")
    return replace(prepared, set_aside=set_aside)


def build(store: Store, name: str, parts: Mapping[str, pa.Table], encode: Encode, block_tokens: int, seed: int) -> Pack:
    """Tokenise and pack in one Ray task per window of examples, and make the blocks visible in one commit.

    Arguments and errors are those of `prepare`; `name` is the digest of the pack.
    """
    store.check_targets([TRAINING_BLOCKS])
    work = _Work(store.uri(TRAINING_BLOCKS.name), name, new_run_id(), block_tokens, seed, encode)
    units = []
    for split in SPLITS:
        rows = parts[split]
        order = np.random.default_rng(seed).permutation(rows.num_rows)  # a window holds a random sample of all examples
        for part, start in enumerate(range(0, rows.num_rows, WINDOW)):
            unit = rows.take(pa.array(order[start : start + WINDOW])).combine_chunks()
            place = pa.repeat(pa.scalar(f"{split}-{part:05d}"), unit.num_rows)
            units.append(unit.append_column("_place", place))
    receipts: list[dict[str, Any]] = []
    for unit in (
        ray.data.from_arrow(units)
        .map_batches(work, batch_size=None, batch_format="pyarrow")
        .iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    ):
        receipts += unit.to_pylist()
    written = [DataFile(**r, partition={"pack": name}) for r in receipts if r["rows"]]
    store.commit(TRAINING_BLOCKS, written, "append", name, {"pack": name}, guard=refuse_foreign)
    built = find(store, name)
    if built is None:
        raise UserError(f"no example fits into a block of loop.block_tokens={block_tokens}")
    return built


def _run_of(file: FileRef) -> str:
    """The run that wrote a file: its files are a pack only together."""
    return file.path.split("/")[1]


def _pack(name: str, uri: str, run_files: Sequence[FileRef]) -> Pack:
    ordered = sorted(run_files, key=lambda f: f.path)
    by_split = {s: [f for f in ordered if f.path.rpartition("/")[2].startswith(f"{s}-")] for s in SPLITS}
    return Pack(
        name,
        {split: tuple(f"{uri}/{f.path}" for f in refs) for split, refs in by_split.items()},
        {split: sum(f.rows for f in refs) for split, refs in by_split.items()},
    )


@dataclass(frozen=True)
class _Work:
    """A Ray task: tokenises and packs one window of examples, writes one file of blocks, and returns its receipt."""

    root: str
    name: str
    run_id: str
    block_tokens: int
    seed: int
    encode: Encode

    def __call__(self, batch: pa.Table) -> pa.Table:
        place = batch["_place"][0].as_py()
        split, _, part = place.partition("-")
        documents = [document for document in self.encode(batch) if document is not None]
        packed = pack([len(d.ids) for d in documents], self.block_tokens, self.seed + int(part))
        receipt: dict[str, Any] = {"path": "", "size": 0, "rows": 0, "stats": ""}
        if packed:
            path = f"pack={self.name}/{self.run_id}/{place}.parquet"
            files.write(f"{self.root}/{path}", self._table(split, int(part), packed, documents))
            file = files.describe(self.root, path, TRAINING_BLOCKS.file_schema(), {"pack": self.name})
            receipt |= {"path": path, "size": file.size, "rows": file.rows, "stats": file.stats}
        return pa.Table.from_pylist([receipt])

    def _table(self, split: str, part: int, packed: list[list[int]], documents: list[Document]) -> pa.Table:
        blocks = [[documents[i] for i in block] for block in packed]
        columns = {
            "split": [split] * len(blocks),
            "block": list(range(part * WINDOW, part * WINDOW + len(blocks))),  # never more than WINDOW
            "ids": [np.concatenate([d.ids for d in b]) for b in blocks],
            "trained": [np.concatenate([d.trained for d in b]) for b in blocks],
            "lengths": [[len(d.ids) for d in b] for b in blocks],
            "labels": [[d.label for d in b] for b in blocks],
        }
        return pa.table(columns, schema=TRAINING_BLOCKS.file_schema())


def _values(column: Any) -> np.ndarray:
    """Return the values of a list column, one after the other."""
    flat = pc.list_flatten(column)
    return np.asarray(flat.to_numpy() if isinstance(flat, pa.ChunkedArray) else flat.to_numpy(zero_copy_only=False))
