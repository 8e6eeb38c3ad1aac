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
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from shopbatch.erasure.wanted import Wanted
from shopbatch.runs.page import render
from shopbatch.tables.schema import Person
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store

GONE = "[erased]"
_APART = ("_models/", "_erasures/", "_training/")
_DRAFT = re.compile(r"^\..+\.[0-9a-f]{32}$")  # how a file is called until it is whole
_DAMAGED = re.compile(r"(^|/)_damaged/|\.damaged-")
_LINES = (".txt", ".log", ".md")


def loose_files(store: Store) -> list[str]:
    """List the files that are neither a table's nor a model's, and those that no table will ever show."""
    fs, base = files.filesystem(store.root)
    tables = tuple(f"{name}/" for name in store.names())
    infos = fs.get_file_info(pafs.FileSelector(base, recursive=True, allow_not_found=True))
    paths = sorted(i.path[len(base) :].lstrip("/") for i in infos if i.type == pafs.FileType.File)
    return [p for p in paths if is_refuse(p) or not p.startswith((*_APART, *tables))]


def is_refuse(path: str) -> bool:
    """Whether a file is the draft of a killed process, or a damaged one that was set aside."""
    return bool(_DAMAGED.search(path) or _DRAFT.match(path.rpartition("/")[2]))


def affected(store: Store, wanted: Wanted) -> Iterator[tuple[str, bytes | None]]:
    """Yield each file that must change, with its new content; None: it is deleted."""
    for path in loose_files(store):
        if is_refuse(path):
            yield path, None
            continue
        uri = f"{store.root}/{path}"
        fs, full = files.filesystem(uri)
        with fs.open_input_stream(full) as stream:
            old = stream.read()
        new = _cleaned(store, path, old, wanted)
        if new != old:
            yield path, new


def _cleaned(store: Store, path: str, old: bytes, wanted: Wanted) -> bytes | None:
    """A file's content without the persons; the same bytes if there are none in it, None if it is to be deleted."""
    if old[:4] == b"PAR1":
        return _parquet(old, wanted)
    try:
        text = old.decode("utf-8")
    except UnicodeDecodeError:
        return old
    name = path.rpartition("/")[2].lower()
    if name.endswith(".json"):
        return _json(old, text, wanted, indent=1 if name == "report.json" else None)
    if name.endswith((".jsonl", ".ndjson")):
        return _json_lines(old, text, wanted)
    if name.endswith((".csv", ".tsv")):
        return _csv(old, text, wanted, "\t" if name.endswith(".tsv") else ",")
    if name.endswith((".html", ".htm")):
        return _page(store, path, old, text, wanted)
    if name.endswith(_LINES):
        lines = text.splitlines()
        hits = _hits(lines, wanted)
        return old if not hits else "".join(f"{line}\n" for line in lines if line not in hits).encode()
    return old


def _hits(texts: Iterable[str], wanted: Wanted) -> set[str]:
    """Those of the texts that name or quote a person."""
    column = pa.array(sorted(set(texts)), pa.string())
    return set(column.filter(wanted.mentioned(column)).to_pylist())


def _parquet(old: bytes, wanted: Wanted) -> bytes:
    try:
        rows = pq.read_table(pa.BufferReader(old))
    except (pa.ArrowInvalid, OSError):
        return old
    chosen = wanted.rows(person_by_names(rows.schema), rows)
    if not pc.any(chosen).as_py():
        return old
    out = io.BytesIO()
    pq.write_table(rows.filter(pc.invert(chosen)), out, compression="zstd")
    return out.getvalue()


def person_by_names(schema: pa.Schema) -> Person:
    """Say where a person stands in rows of any origin: by the names of columns, and in all text."""
    quoted = tuple(f.name for f in schema if pa.types.is_string(f.type) and f.name not in ("user_id", "review_id"))
    names = set(schema.names)
    if names >= {"ids", "trained", "lengths"}:  # blocks of a table that a killed run has not made yet
        return Person(trained=True)
    words = ("hash_hi", "hash_lo") if names >= {"hash_hi", "hash_lo"} else ()  # and a memo's results
    hashes = ("content_hash",) if "content_hash" in names else words
    return Person(user="user_id", review="review_id", quoted=quoted, hashes=hashes)


def _json(old: bytes, text: str, wanted: Wanted, indent: int | None = None) -> bytes:
    try:
        tree = json.loads(text)
    except ValueError:
        return old
    new = pruned(tree, wanted)
    if new == tree:
        return old
    return json.dumps(new, ensure_ascii=False, indent=indent, allow_nan=False).encode() + (b"\n" if indent else b"")


def _json_lines(old: bytes, text: str, wanted: Wanted) -> bytes:
    try:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        return old
    kept = pruned(rows, wanted)
    return old if kept == rows else "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in kept).encode()


def pruned(tree: Any, wanted: Wanted) -> Any:
    """Return a tree without the rows that are about a person; whatever else names one is replaced."""
    hits = _hits(_strings(tree), wanted)

    def is_about(row: Any) -> bool:
        if isinstance(row, dict):
            named = (
                str(row.get("user_id")).strip() in wanted.users or str(row.get("review_id")).strip() in wanted.reviews
            )
            return named or any(isinstance(v, str) and v in hits for v in row.values())
        return any(v in hits for v in row if isinstance(v, str)) if isinstance(row, list) else is_hit(row)

    def is_hit(value: Any) -> bool:
        return isinstance(value, str) and value in hits

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


def _csv(old: bytes, text: str, wanted: Wanted, delimiter: str) -> bytes:
    head, *rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)) or [[]]
    names = [cell.strip("\ufeff ") for cell in head]
    named = [dict(zip(names, row, strict=False)) | {"": row} for row in rows]
    left = [row[""] for row in pruned(named, wanted)]
    if left == rows:
        return old
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows([head, *left])
    return out.getvalue().encode()


def _page(store: Store, path: str, old: bytes, text: str, wanted: Wanted) -> bytes | None:
    """A page: that of a report is rendered from the report, which may name a person by less than the page shows."""
    mentioned = bool(_hits([html.unescape(text)], wanted))
    folder, _, name = path.rpartition("/")
    fs, report = files.filesystem(f"{store.root}/{folder}/report.json")
    if name != "report.html" or fs.get_file_info(report).type != pafs.FileType.File:
        return None if mentioned else old
    with fs.open_input_stream(report) as stream:
        tree = json.loads(stream.read())
    left = pruned(tree, wanted)
    return render(left).encode() if mentioned or left != tree else old
