"""Takes persons out of what lies in a warehouse beside its tables: reports, kept candidates, pages, exports.

A row that names or quotes a person is left out, in JSON, CSV and Parquet; a line of a log, too. A report's page is
rendered anew from the report; any other page is deleted, since the command that wrote it writes it again. What killed
processes left half written, and damaged files that were set aside, are deleted: nobody reads them, and nothing can say
what is in them. Files of other kinds stay; the scanner names them if a person is in them.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from shopbatch.erasure.wanted import USER_COLUMNS, Wanted
from shopbatch.runs.page import render
from shopbatch.tables.schema import Person
from shopbatch.text.blanks import BLANKS
from shopbatch.warehouse import files
from shopbatch.warehouse.checksums import to_parquet
from shopbatch.warehouse.store import Store

GONE = "[erased]"
_APART = ("_models/", "_erasures/", "_training/")
_DRAFT = re.compile(r"^\..+\.[0-9a-f]{32}$")  # how a file is called until it is whole
_DAMAGED = re.compile(r"(^|/)_damaged/|\.damaged-")
_JSON, _TABLES, _PAGES, _LINES = ("json", "jsonl", "ndjson"), ("csv", "tsv"), ("html", "htm"), ("txt", "log", "md")
_AT_ONCE = 64 << 20  # bytes of files that are searched at once


def loose_files(store: Store) -> list[str]:
    """List the files that are neither a table's nor a model's, and those that no table will ever show."""
    fs, base = files.filesystem(store.root)
    tables = tuple(f"{name}/" for name in store.names())
    infos = files.entries(fs, base, recursive=True)
    paths = sorted(i.path[len(base) :].lstrip("/") for i in infos if i.type == pafs.FileType.File)
    return [p for p in paths if is_refuse(p) or not p.startswith((*_APART, *tables))]


def is_refuse(path: str) -> bool:
    """Whether a file is the draft of a killed process, or a damaged one that was set aside."""
    return bool(_DAMAGED.search(path) or _DRAFT.match(path.rpartition("/")[2]))


@dataclass(frozen=True)
class _File:
    """A loose file: its path in the warehouse, its content, and what that is as text ("" for other content)."""

    path: str
    data: bytes
    text: str

    @property
    def kind(self) -> str:
        """What its name says that it is: "json", "csv", ..."""
        return self.path.lower().rpartition(".")[2]


def affected(store: Store, wanted: Wanted) -> Iterator[tuple[str, bytes | None]]:
    """Yield each file that must change, with its new content; None: it is deleted."""
    waiting: list[_File] = []
    for path in loose_files(store):
        if is_refuse(path):
            yield path, None
            continue
        data = _read(store, path)
        try:
            text = "" if data[:4] == b"PAR1" else data.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        waiting.append(_File(path, data, text))
        if sum(len(file.data) for file in waiting) > _AT_ONCE:
            yield from _changed(store, waiting, wanted)
            waiting = []
    yield from _changed(store, waiting, wanted)


def _read(store: Store, path: str) -> bytes:
    fs, full = files.filesystem(f"{store.root}/{path}")
    with fs.open_input_stream(full) as stream:
        return bytes(stream.read())


def _changed(store: Store, listed: list[_File], wanted: Wanted) -> Iterator[tuple[str, bytes | None]]:
    """Clean some files: the texts of all of them are searched at once."""
    texts = pa.array(sorted({text for file in listed for text in _texts(store, file)}), pa.string())
    hits = set(texts.filter(wanted.mentioned(texts)).to_pylist())
    for file in listed:
        new = _cleaned(store, file, wanted, hits)
        if new != file.data:
            yield file.path, new


def _texts(store: Store, file: _File) -> Iterator[str]:
    """The texts in a file that are searched for persons."""
    if file.kind in _JSON:
        yield from (text for tree in _trees(file) for text in _strings(tree))
    elif file.kind in _TABLES:
        yield from _strings(_csv_rows(file))
    elif file.kind in _PAGES:
        yield html.unescape(file.text)
        yield from _strings(_report_of(store, file))
    elif file.kind in _LINES:
        yield from file.text.splitlines()


def _cleaned(store: Store, file: _File, wanted: Wanted, hits: set[str]) -> bytes | None:
    """A file's content without the persons; the same bytes if there are none in it, None if it is to be deleted."""
    old = file.data
    if old[:4] == b"PAR1":
        return _parquet(old, wanted)
    if file.kind in _JSON:
        return _json(file, wanted, hits)
    if file.kind in _TABLES:
        return _csv(file, wanted, hits)
    if file.kind in _PAGES:
        mentioned, tree = html.unescape(file.text) in hits, _report_of(store, file)
        if tree is None:
            return None if mentioned else old
        left = pruned(tree, wanted, hits)
        return render(left).encode() if mentioned or left != tree else old
    if file.kind in _LINES and not hits.isdisjoint(lines := file.text.splitlines()):
        return "".join(f"{line}\n" for line in lines if line not in hits).encode()
    return old


def _report_of(store: Store, file: _File) -> Any:
    """The report that a page was rendered from; None for other pages."""
    folder, _, name = file.path.rpartition("/")
    fs, report = files.filesystem(f"{store.root}/{folder}/report.json")
    if name != "report.html" or fs.get_file_info(report).type != pafs.FileType.File:
        return None
    return json.loads(_read(store, f"{folder}/report.json"))


def _parquet(old: bytes, wanted: Wanted) -> bytes:
    try:
        rows = pq.read_table(pa.BufferReader(old))
    except (pa.ArrowInvalid, OSError):
        return old
    chosen = wanted.rows(person_by_names(rows.schema), rows)
    if not pc.any(chosen).as_py():
        return old
    return bytes(to_parquet(rows.filter(pc.invert(chosen))))


def person_by_names(schema: pa.Schema) -> Person:
    """Say where a person stands in rows of any origin: by the names of columns, and in all text."""
    names = set(schema.names)
    user, other, *_ = [*(name for name in USER_COLUMNS if name in names), "", ""]
    quoted = tuple(f.name for f in schema if _is_text(f.type) and f.name not in (user, other, "review_id"))
    if names >= {"ids", "trained", "lengths"}:  # blocks of a table that a killed run has not made yet
        return Person(trained=True)
    words = ("hash_hi", "hash_lo") if names >= {"hash_hi", "hash_lo"} else ()  # and a memo's results
    hashes = ("content_hash",) if "content_hash" in names else words
    return Person(user=user, other_user=other, review="review_id", quoted=quoted, hashes=hashes)


def _is_text(kind: pa.DataType) -> bool:
    """Whether values are text, or lists of texts."""
    return bool(pa.types.is_string(kind) or (pa.types.is_list(kind) and pa.types.is_string(kind.value_type)))


def _trees(file: _File) -> list[Any]:
    """The values of a JSON file: one, or one a line; none if it is no JSON."""
    try:
        if file.kind == "json":
            return [json.loads(file.text)]
        return [json.loads(line) for line in file.text.splitlines() if line.strip()]
    except ValueError:
        return []


def _json(file: _File, wanted: Wanted, hits: set[str]) -> bytes:
    trees = _trees(file)
    # a file with a value a line is a list of rows; in any other one, only rows inside the value are left out
    left = [pruned(tree, wanted, hits) for tree in trees] if file.kind == "json" else pruned(trees, wanted, hits)
    if left == trees:
        return file.data
    indent = 1 if file.path.endswith("report.json") else None
    return "".join(f"{json.dumps(tree, ensure_ascii=False, indent=indent)}\n" for tree in left).encode()


def pruned(tree: Any, wanted: Wanted, hits: set[str]) -> Any:
    """Return a tree without the rows that are about a person; whatever else names one is replaced.

    Args:
        tree: JSON types.
        wanted: Whom to erase.
        hits: Those of its texts that name or quote a person.
    """

    def is_hit(value: Any) -> bool:
        return isinstance(value, str) and value in hits

    def is_about(row: Any) -> bool:
        if not isinstance(row, dict):
            return any(map(is_hit, row)) if isinstance(row, list) else is_hit(row)
        users = {str(row.get(name)).strip(BLANKS) for name in USER_COLUMNS}
        review = str(row.get("review_id")).strip(BLANKS)
        return not users.isdisjoint(wanted.users) or review in wanted.reviews or any(map(is_hit, row.values()))

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without(v) for key, v in value.items()}
        if isinstance(value, list):
            return [without(v) for v in value if not is_about(v)]
        return GONE if is_hit(value) else value

    return without(tree)


def _strings(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _strings(value)


def _csv_rows(file: _File) -> list[list[str]]:
    return list(csv.reader(io.StringIO(file.text, newline=""), delimiter="\t" if file.kind == "tsv" else ","))


def _csv(file: _File, wanted: Wanted, hits: set[str]) -> bytes:
    head, *rows = _csv_rows(file) or [[]]
    names = [cell.strip("\ufeff ") for cell in head]
    kept = pruned([dict(zip(names, row, strict=False)) | {"": row} for row in rows], wanted, hits)
    if len(kept) == len(rows):
        return file.data
    out = io.StringIO(newline="")
    write = csv.writer(out, delimiter="\t" if file.kind == "tsv" else ",", lineterminator="\n")
    write.writerows([head, *(row[""] for row in kept)])
    return out.getvalue().encode()
