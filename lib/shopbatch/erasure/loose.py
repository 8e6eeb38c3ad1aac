"""Erases persons from the files of a warehouse outside its tables: reports, kept candidates, pages, exports, logs.

- JSON, CSV, TSV and Parquet files lose the rows that name or quote a person; logs and other text files lose the lines.
- The page of a report is rendered again from the report. Any other page is deleted, because the command that wrote it
  can write it again.
- Drafts of killed processes and damaged files that were set aside are deleted: nobody reads them, and their content
  cannot be judged.
- Files of other kinds stay. If a person is in one, `scanner` names it.
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
_DRAFT = re.compile(r"^\..+\.[0-9a-f]{32}$")  # name of a file that is not completely written yet
_DAMAGED = re.compile(r"(^|/)_damaged/|\.damaged-")
_JSON, _TABLES, _PAGES, _LINES = ("json", "jsonl", "ndjson"), ("csv", "tsv"), ("html", "htm"), ("txt", "log", "md")
_AT_ONCE = 64 << 20  # in bytes; files of so much content are searched together


def loose_files(store: Store) -> list[str]:
    """Return the files of a warehouse outside its tables, models and erasure records, as relative paths, sorted.

    Drafts of killed processes and damaged files are included wherever they lie.
    """
    fs, base = files.filesystem(store.root)
    tables = tuple(f"{name}/" for name in store.names())
    infos = files.entries(fs, base, recursive=True)
    paths = sorted(i.path[len(base) :].lstrip("/") for i in infos if i.type == pafs.FileType.File)
    return [p for p in paths if is_refuse(p) or not p.startswith((*_APART, *tables))]


def is_refuse(path: str) -> bool:
    """Return True if a file is the draft of a killed process, or a damaged file that was set aside."""
    return bool(_DAMAGED.search(path) or _DRAFT.match(path.rpartition("/")[2]))


@dataclass(frozen=True)
class _File:
    """A file outside the tables.

    Attributes:
        path: Path relative to the warehouse.
        data: Content.
        text: Content as text; "" if it is Parquet or not UTF-8.
    """

    path: str
    data: bytes
    text: str

    @property
    def kind(self) -> str:
        """Suffix of the file's name in lower case, without the dot: "json", "csv", ..."""
        return self.path.lower().rpartition(".")[2]


def affected(store: Store, wanted: Wanted) -> Iterator[tuple[str, bytes | None]]:
    """Yield (path, new content) of each file outside the tables that an erasure must change; None: delete the file.

    Nothing is written here: `erase` does so, and `foretell` only counts.
    """
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
    """Return the content of a file."""
    fs, full = files.filesystem(f"{store.root}/{path}")
    with fs.open_input_stream(full) as stream:
        return bytes(stream.read())


def _changed(store: Store, listed: list[_File], wanted: Wanted) -> Iterator[tuple[str, bytes | None]]:
    """Yield (path, new content) of those of the `listed` files that the erasure changes; None: delete the file.

    The texts of all files are searched at once, which is faster than file by file.
    """
    texts = pa.array(sorted({text for file in listed for text in _texts(store, file)}), pa.string())
    hits = set(texts.filter(wanted.mentioned(texts)).to_pylist())
    for file in listed:
        new = _cleaned(store, file, wanted, hits)
        if new != file.data:
            yield file.path, new


def _texts(store: Store, file: _File) -> Iterator[str]:
    """Yield the texts of a file that are searched for ids and quotations."""
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
    """Return a file's content without the persons in it.

    Args:
        store: The warehouse.
        file: The file.
        wanted: Whom to erase.
        hits: Texts that name or quote a person.

    Returns:
        The new content; the same bytes if nobody is in the file; None if it is to be deleted.
    """
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
    """Return the report (JSON) from which a page was rendered; None if the file is not the page of a report."""
    folder, _, name = file.path.rpartition("/")
    fs, report = files.filesystem(f"{store.root}/{folder}/report.json")
    if name != "report.html" or fs.get_file_info(report).type != pafs.FileType.File:
        return None
    return json.loads(_read(store, f"{folder}/report.json"))


def _parquet(old: bytes, wanted: Wanted) -> bytes:
    """Return a Parquet file without the rows about a person; unchanged if there are none or it cannot be read."""
    try:
        rows = pq.read_table(pa.BufferReader(old))
    except (pa.ArrowInvalid, OSError):
        return old
    chosen = wanted.rows(person_by_names(rows.schema), rows)
    if not pc.any(chosen).as_py():
        return old
    return bytes(to_parquet(rows.filter(pc.invert(chosen))))


def person_by_names(schema: pa.Schema) -> Person:
    """Return which columns of an unknown Parquet file name or quote a person.

    Ids and hashes are recognised by the names of the columns; every other text column may quote a person.
    """
    names = set(schema.names)
    user, other, *_ = [*(name for name in USER_COLUMNS if name in names), "", ""]
    quoted = tuple(f.name for f in schema if _is_text(f.type) and f.name not in (user, other, "review_id"))
    if names >= {"ids", "trained", "lengths"}:  # training blocks whose table a killed run did not create
        return Person(trained=True)
    words = ("hash_hi", "hash_lo") if names >= {"hash_hi", "hash_lo"} else ()  # results of a memo
    hashes = ("content_hash",) if "content_hash" in names else words
    return Person(user=user, other_user=other, review="review_id", quoted=quoted, hashes=hashes)


def _is_text(kind: pa.DataType) -> bool:
    """Return True if a column holds texts or lists of texts."""
    return bool(pa.types.is_string(kind) or (pa.types.is_list(kind) and pa.types.is_string(kind.value_type)))


def _trees(file: _File) -> list[Any]:
    """Return the values of a JSON file (one) or of a JSON-lines file (one per line); [] if it is not valid JSON."""
    try:
        if file.kind == "json":
            return [json.loads(file.text)]
        return [json.loads(line) for line in file.text.splitlines() if line.strip()]
    except ValueError:
        return []


def _json(file: _File, wanted: Wanted, hits: set[str]) -> bytes:
    """Return a JSON or JSON-lines file without the rows about a person; unchanged if there are none."""
    trees = _trees(file)
    # each line of a JSON-lines file is a row; in a JSON file only rows inside the value are removed
    left = [pruned(tree, wanted, hits) for tree in trees] if file.kind == "json" else pruned(trees, wanted, hits)
    if left == trees:
        return file.data
    indent = 1 if file.path.endswith("report.json") else None
    return "".join(f"{json.dumps(tree, ensure_ascii=False, indent=indent)}\n" for tree in left).encode()


def pruned(tree: Any, wanted: Wanted, hits: set[str]) -> Any:
    """Return a JSON tree without the rows about a person; other texts that name one are replaced by "[erased]".

    A row is an element of a list: an object with an erased user_id or review_id, or one that holds a text of `hits`.

    Args:
        tree: JSON types.
        wanted: Whom to erase.
        hits: Texts of the tree that name or quote a person.
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
    """Yield all string values of a JSON tree, without the keys of its objects."""
    if isinstance(tree, str):
        yield tree
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _strings(value)


def _csv_rows(file: _File) -> list[list[str]]:
    """Parse a CSV or TSV file into its rows."""
    return list(csv.reader(io.StringIO(file.text, newline=""), delimiter="\t" if file.kind == "tsv" else ","))


def _csv(file: _File, wanted: Wanted, hits: set[str]) -> bytes:
    """Return a CSV or TSV file without the rows about a person; unchanged if there are none."""
    head, *rows = _csv_rows(file) or [[]]
    names = [cell.strip("\ufeff ") for cell in head]
    kept = pruned([dict(zip(names, row, strict=False)) | {"": row} for row in rows], wanted, hits)
    if len(kept) == len(rows):
        return file.data
    out = io.StringIO(newline="")
    write = csv.writer(out, delimiter="\t" if file.kind == "tsv" else ",", lineterminator="\n")
    write.writerows([head, *(row[""] for row in kept)])
    return out.getvalue().encode()
