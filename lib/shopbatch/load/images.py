"""`shopbatch load images FOLDER`: loads the pictures of a folder into the table `product_images`.

The load replaces the table, so pictures whose files are gone disappear; files that did not change are not decoded
again. A file that is no picture is refused with its reason, and the load goes on. Nothing is fetched from the net: an
address in `products.image_url` only helps to find the product of a file of the same name.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow as pa

from shopbatch.core.errors import UserError
from shopbatch.load.identity import new_run_id, shows
from shopbatch.load.image_files import Found, walk
from shopbatch.load.image_products import Owners
from shopbatch.load.image_report import ImageReport
from shopbatch.load.sink import Sink
from shopbatch.pictures.reading import VERSION, NoPicture, Picture, read_picture
from shopbatch.tables.images import PRODUCT_IMAGES
from shopbatch.tables.load_rejects import load_rejects
from shopbatch.warehouse import files
from shopbatch.warehouse.foreign import put_right, refuse_foreign
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

FEW = 3  # the share of refused files is judged from this number of them on
_AT_ONCE = 64  # pictures that are decoded ahead
_THREADS = 4
_ROWS = 2048  # decoded pictures that are added to the table together
_FILE = 8192  # least rows of a data file, except the last one
_KEPT = ("uri", "sha256", "perceptual_hash", "signature", "width", "height", "format", "bytes", "picture")


def load_images(
    store: Store, folder: str | Path, mapping: str | None = None, max_rejects: float = 0.1, dry_run: bool = False
) -> ImageReport:
    """Replace all rows of the table `product_images` by the pictures of a folder, in one commit.

    Args:
        store: The warehouse.
        folder: The folder; its subfolders are read too, names that begin with a dot are not.
        mapping: A CSV file with the columns `file` and `product_id`; None: products are found by the catalogue and the
            files' names (see `image_products.Owners`).
        max_rejects: Greatest share (0..1) of the files that may be refused; one or two files may be refused in any
            case.
        dry_run: Read and check everything, but write nothing.

    Returns:
        The counts of files and pictures, and why files were refused.

    Raises:
        UserError: There is no such folder or no picture in it, the mapping cannot be read, or too many files are
            refused. The table then stays as it is.
    """
    started = time.monotonic()
    place = Path(os.path.expanduser(folder))
    if not place.is_dir():
        what = "is a file" if place.exists() else "does not exist"
        raise UserError(f"{folder} {what}: pictures are loaded from a folder")
    undone = "" if dry_run else put_right(store, load_rejects(PRODUCT_IMAGES.name))
    owners = Owners.of(store, mapping, place)
    there = list(walk(place, leave_out=mapping))
    load = _load_id(there, owners)
    report = ImageReport(str(folder), dry_run=dry_run, notes=(undone,) if undone else ())
    before = store.find(PRODUCT_IMAGES.name)
    if before is not None and shows(before, load, "replace"):
        return report.already_there(before)
    if not there:
        raise UserError(f"{folder}: there is no file in it")
    run = _Run(store, load, before, owners, report, dry_run)
    try:
        run.read(there)
        return run.publish(max_rejects, started)
    finally:
        run.discard()


def _load_id(there: list[Found], owners: Owners) -> str:
    """Return the id of a load: 32 hex digits of the content of all files and the products that they belong to."""
    name = hashlib.blake2b(json.dumps([VERSION, PRODUCT_IMAGES.name]).encode(), digest_size=16)
    for file in there:
        entry = [file.name, file.sha256, file.reason, owners.of_file(file.name)]
        name.update(json.dumps(entry, ensure_ascii=True).encode())
    return name.hexdigest()


@dataclass
class _Run:
    """One load under way: reads the files, counts them, and holds the data files until they are committed.

    Attributes:
        store: The warehouse.
        load: The id of the load.
        before: The table before the load; None if it does not exist.
        owners: Finds the products of a file.
        report: The report to which the counts are added.
        dry_run: Whether nothing is written.
        rows: Data files of the table's rows.
        refused: Data files of the table of rejects.
        reasons: Reason -> number of refused files.
        examples: The first three refused files, with their reasons.
        files: Number of files in the folder.
        pictures: Number of files that are pictures.
        ownerless: Number of pictures of no known product.
        reused: Number of pictures that were copied from the table instead of decoded.
        waiting: Number of rows added since the last data file was written.
    """

    store: Store
    load: str
    before: Snapshot | None
    owners: Owners
    report: ImageReport
    dry_run: bool
    rows: Sink = field(init=False)
    refused: Sink = field(init=False)
    reasons: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    files: int = 0
    pictures: int = 0
    ownerless: int = 0
    reused: int = 0
    waiting: int = 0
    _row: int = 0

    def __post_init__(self) -> None:
        run_id = new_run_id(self.load)
        self.rows = Sink(self.store, PRODUCT_IMAGES, run_id)
        self.refused = Sink(self.store, load_rejects(PRODUCT_IMAGES.name), run_id)

    def read(self, there: list[Found]) -> None:
        """Copy the pictures that the table already holds, decode the others, and write all rows and rejects.

        Args:
            there: All files of the folder.
        """
        wanted = {file.name: file.sha256 for file in there if not file.reason}
        for kept in self._known(wanted):
            self._add(kept)
            for name in kept["uri"].to_pylist():
                wanted.pop(name, None)
            self.reused += kept.num_rows
        for refused in (file for file in there if file.reason):
            self._refuse(refused.name, refused.reason)
        waiting: list[tuple[Found, Picture]] = []
        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
            for file, decoded in _in_turn(pool, [f for f in there if f.name in wanted]):
                if isinstance(decoded, str):
                    self._refuse(file.name, decoded)
                    continue
                waiting.append((file, decoded))
                if len(waiting) >= _ROWS:
                    self._add(_as_rows(waiting))
                    waiting = []
        self._add(_as_rows(waiting))
        self.files = len(there)
        if not self.dry_run:
            self.rows.flush()
            self.refused.flush()

    def _known(self, wanted: Mapping[str, str]) -> Iterator[pa.Table]:
        """Yield the table's rows for pictures whose files did not change, each picture once.

        Args:
            wanted: Name of a file -> SHA-256 of its content.
        """
        if self.before is None or self.before.metadata.get("pictures") != VERSION:
            return
        seen: set[str] = set()
        for file in self.before.files:
            rows = files.read(file.uri, self.before.select(_KEPT), file.partition)
            pairs = zip(rows["uri"].to_pylist(), rows["sha256"].to_pylist(), strict=True)
            keep = []
            for name, sha256 in pairs:
                keep.append(name not in seen and wanted.get(name) == sha256)
                if keep[-1]:
                    seen.add(name)
            if any(keep):
                yield rows.filter(pa.array(keep))

    def _add(self, pictures: pa.Table) -> None:
        """Add one row for each product of each picture to the data files; a picture without a product gets one row."""
        self.pictures += pictures.num_rows
        numbers, ids, products = [], [], []
        for number, name in enumerate(pictures["uri"].to_pylist()):
            owners = self.owners.of_file(name)
            self.ownerless += not owners
            for owner in owners or (None,):
                numbers.append(number)
                products.append(owner)
                ids.append(name if len(owners) < 2 else f"{name}#{owner}")
        if self.dry_run or not numbers:
            return
        rows = pictures.take(pa.array(numbers))
        columns = {name: rows[name] for name in _KEPT}
        columns |= {"image_id": pa.array(ids, pa.string()), "product_id": pa.array(products, pa.string())}
        self.rows.add(PRODUCT_IMAGES.fill(len(ids), **columns, source=pa.repeat("folder", len(ids))))
        self.waiting += len(ids)
        if self.waiting >= _FILE:  # a small file, as it is one row group that jobs read as a whole
            self.rows.flush()
            self.waiting = 0

    def _refuse(self, name: str, reason: str) -> None:
        """Count a file that is no picture, and add it to the rejects."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        self._row += 1
        if len(self.examples) < 3:
            self.examples.append(f"{name}: {reason}")
        if self.dry_run:
            return
        cells = {"source_file": name, "column": "picture", "reason": reason, "load_id": self.load}
        columns = {key: pa.array([value], pa.string()) for key, value in cells.items()}
        columns |= {"source_row": pa.array([self._row], pa.int64()), "row_loaded": pa.array([False])}
        self.refused.add(self.refused.table.fill(1, **columns))

    def publish(self, max_rejects: float, started: float) -> ImageReport:
        """Commit the rejects and then the rows, and return the report.

        Args:
            max_rejects: Greatest share (0..1) of the files that may be refused.
            started: Time at which the load began, in seconds of `time.monotonic`.

        Raises:
            UserError: Too many files are refused, or none is a picture.
        """
        report = self.report.counted(self)
        refused = sum(self.reasons.values())
        if refused >= FEW and refused > max_rejects * self.files:
            raise UserError(
                f"{report.folder}: {refused:,} of {self.files:,} files are no pictures, more than {max_rejects:.0%} "
                f"(--max-rejects), so nothing was loaded: {report.explain()}; {'; '.join(self.examples)}"
            )
        if not self.pictures:
            raise UserError(f"{report.folder}: there is no picture in it ({report.explain()}); nothing was loaded")
        if self.dry_run:
            return report
        self.store.check_targets((PRODUCT_IMAGES, self.refused.table), "replace")
        metadata = {"loads": [self.load], "pictures": VERSION, "rows_loaded": sum(f.rows for f in self.rows.written)}
        if self.refused.written or self.store.exists(self.refused.table.name):
            key = f"load/{self.load}"
            written, loads = self.refused.written, {"loads": [self.load]}
            self.store.commit(self.refused.table, written, "replace", key, loads, guard=refuse_foreign)
            self.refused.written.clear()
        version = self.store.commit(PRODUCT_IMAGES, self.rows.written, "replace", f"load/{self.load}", metadata)
        self.rows.written.clear()
        return report.committed(version, self.before, time.monotonic() - started)

    def discard(self) -> None:
        """Delete the data files that were written but not committed."""
        self.rows.discard()
        self.refused.discard()


def _in_turn(pool: ThreadPoolExecutor, there: list[Found]) -> Iterator[tuple[Found, Picture | str]]:
    """Decode files by several threads, and yield (file, picture or reason of refusal) in the order of `there`.

    At most `_AT_ONCE` files are decoded ahead of the one that is yielded next.
    """
    todo = iter(there)
    waiting: list[tuple[Found, Future[Picture | str]]] = []
    while True:
        waiting += [(file, pool.submit(_decode, file)) for file in islice(todo, _AT_ONCE - len(waiting))]
        if not waiting:
            return
        file, future = waiting.pop(0)
        yield file, future.result()


def _decode(file: Found) -> Picture | str:
    """Read a file again and decode it; return the picture, or the reason why it is refused."""
    try:
        data = file.read()
        return read_picture(data) if hashlib.sha256(data).hexdigest() == file.sha256 else "changed_while_read"
    except NoPicture as error:
        return error.reason
    except OSError:
        return "unreadable"


def _as_rows(pictures: list[tuple[Found, Picture]]) -> pa.Table:
    """Return decoded pictures as an Arrow table, one row per picture, with the columns `_KEPT` of `product_images`."""
    columns = {
        "uri": pa.array([file.name for file, _ in pictures], pa.string()),
        "sha256": pa.array([file.sha256 for file, _ in pictures], pa.string()),
        "perceptual_hash": pa.array([picture.perceptual for _, picture in pictures], pa.string()),
        "signature": pa.array([picture.signature for _, picture in pictures], pa.binary()),
        "width": pa.array([picture.width for _, picture in pictures], pa.int32()),
        "height": pa.array([picture.height for _, picture in pictures], pa.int32()),
        "format": pa.array([picture.format for _, picture in pictures], pa.string()),
        "bytes": pa.array([file.size for file, _ in pictures], pa.int64()),
        "picture": pa.array([picture.data for _, picture in pictures], pa.binary()),
    }
    return pa.table(columns)
