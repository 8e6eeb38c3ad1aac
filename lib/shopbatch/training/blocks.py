"""The table `training_blocks`: tokenised examples, packed once by Ray Data into blocks that training workers read.

A pack (all blocks of one dataset, tokenizer and configuration) is identified by the digest of everything that it
depends on. If it already exists, it is reused.
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
Encode = Callable[[pa.Table], Sequence[Document | None]]  # examples -> documents, None for an example to leave out


@dataclass(frozen=True)
class Pack:
    """All blocks of one training dataset in the warehouse, as the training and validation splits.

    Attributes:
        name: Digest of everything that the blocks depend on.
        files: Split ("train" or "val") -> URIs of its Parquet files, in order.
        blocks: Split -> number of blocks.
        set_aside: Sentence about damaged files, or changes by other programs, that this run repaired in the table; ""
            if there were none.
    """

    name: str
    files: Mapping[str, tuple[str, ...]]
    blocks: Mapping[str, int]
    set_aside: str = field(default="", compare=False)

    def documents(self) -> int:
        """Return the number of documents in both splits. Only the column of lengths is read."""
        schema = pa.schema([TRAINING_BLOCKS.file_schema().field("lengths")])
        uris = [uri for split in self.files.values() for uri in split]
        return sum(len(_values(files.read(uri, schema)["lengths"])) for uri in uris)

    def read(self, split: str) -> Blocks:
        """Read the blocks of a split ("train" or "val") into memory, at a little more than 4 bytes per token."""
        return Blocks.read(self.files[split])


@dataclass(frozen=True)
class Blocks:
    """The blocks of one split in memory, as flat arrays.

    Attributes:
        ids: Token ids, int32 [tokens].
        trained: bool [tokens], True for the tokens that are trained on.
        lengths: Number of tokens of each document, int32 [documents].
        labels: Class of each document, int32 [documents]; -1 for none.
        first_token: Index of each block's first token, int64 [blocks + 1].
        first_document: Index of each block's first document, int64 [blocks + 1].
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
        """Pack documents into blocks in memory, without a table.

        Args:
            documents: The documents, of at most `block_tokens` tokens each.
            block_tokens: Maximum number of tokens of a block.
            seed: Seed of the order of the documents.
        """
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
        """Return the number of losses that each block contributes to the mean loss, int64 [blocks].

        Args:
            classes: True if each document has one loss, as in classification; False if each trained token has one.
        """
        if classes:
            return np.diff(self.first_document)
        sums = np.concatenate([[0], np.cumsum(self.trained, dtype=np.int64)])
        return np.asarray(sums[self.first_token[1:]] - sums[self.first_token[:-1]])

    def sizes(self, blocks: Sequence[int]) -> list[int]:
        """Return the number of documents in each of the blocks with these numbers."""
        return [int(self.first_document[block + 1] - self.first_document[block]) for block in blocks]

    def documents(self, blocks: Sequence[int]) -> list[Document]:
        """Return the documents of the blocks with these numbers, in order."""
        documents = []
        for block in blocks:
            at = int(self.first_token[block])
            for number in range(int(self.first_document[block]), int(self.first_document[block + 1])):
                end = at + int(self.lengths[number])
                documents.append(Document(self.ids[at:end], self.trained[at:end], int(self.labels[number])))
                at = end
        return documents


def find(store: Store, name: str) -> Pack | None:
    """Return the pack with this digest; None if it does not exist or files of it are missing."""
    snapshot = store.find(TRAINING_BLOCKS.name)
    if snapshot is None:
        return None
    by_run: dict[str, list[FileRef]] = {}  # two runs may have built the pack at once, or again after a file was lost
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
    """Return the pack of these examples; tokenise and pack them first if the pack does not exist.

    Args:
        store: The warehouse.
        parts: Split ("train" and "val") -> examples, in an order that depends only on their contents.
        about: Everything else that the documents depend on, as JSON types; it becomes part of the digest.
        encode: Turns examples into documents, None for an example to leave out; runs in Ray tasks.
        block_tokens: Maximum number of tokens of a block.
        seed: Seed of the order of the documents.

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
    """Tokenise and pack examples in one Ray task per window of 4,096, and commit all blocks at once.

    Args:
        store: The warehouse.
        name: Digest of the pack.
        parts: As for `prepare`.
        encode: As for `prepare`.
        block_tokens: As for `prepare`.
        seed: As for `prepare`.

    Raises:
        UserError: No example fits into a block.
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
    """Return the id of the run that wrote a file, from the file's path.

    If several runs built the same pack, only all files of one run together are the complete pack.
    """
    return file.path.split("/")[1]


def _pack(name: str, uri: str, run_files: Sequence[FileRef]) -> Pack:
    """Return the pack that consists of these files, which one run wrote."""
    ordered = sorted(run_files, key=lambda f: f.path)
    by_split = {s: [f for f in ordered if f.path.rpartition("/")[2].startswith(f"{s}-")] for s in SPLITS}
    return Pack(
        name,
        {split: tuple(f"{uri}/{f.path}" for f in refs) for split, refs in by_split.items()},
        {split: sum(f.rows for f in refs) for split, refs in by_split.items()},
    )


@dataclass(frozen=True)
class _Work:
    """A Ray task that tokenises and packs one window of examples, writes one file of blocks, and returns its receipt.

    Attributes:
        root: URI of the table.
        name: Digest of the pack.
        run_id: Id of the run, a part of the file's path.
        block_tokens: Maximum number of tokens of a block.
        seed: Seed of the order of the documents.
        encode: Turns examples into documents.
    """

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
        """Return the blocks of a window as rows of the table `training_blocks`.

        Args:
            split: "train" or "val".
            part: Index of the window in the split.
            packed: Document numbers of each block.
            documents: The documents of the window.
        """
        blocks = [[documents[i] for i in block] for block in packed]
        columns = {
            "split": [split] * len(blocks),
            "block": list(range(part * WINDOW, part * WINDOW + len(blocks))),  # a window has at most WINDOW blocks
            "ids": [np.concatenate([d.ids for d in b]) for b in blocks],
            "trained": [np.concatenate([d.trained for d in b]) for b in blocks],
            "lengths": [[len(d.ids) for d in b] for b in blocks],
            "labels": [[d.label for d in b] for b in blocks],
        }
        return pa.table(columns, schema=TRAINING_BLOCKS.file_schema())


def _values(column: Any) -> np.ndarray:
    """Return the elements of all lists of a list column as one flat array."""
    flat = pc.list_flatten(column)
    return np.asarray(flat.to_numpy() if isinstance(flat, pa.ChunkedArray) else flat.to_numpy(zero_copy_only=False))
