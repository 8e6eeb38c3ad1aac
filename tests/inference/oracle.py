"""What a run has to publish, worked out row by row in plain Python, and the comparison with what it did publish.

It shares with the machinery only the fake engine and its head, asked for one text at a time.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import polars as pl
import pyarrow as pa

from shopbatch.capabilities.sentiment.head import LABELS, SentimentHead
from shopbatch.engines.configs import FakeConfig
from shopbatch.engines.encoders.fake_encoder import FakeEncoder
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import Report
from shopbatch.text.language import guess_language
from shopbatch.warehouse.store import Store
from tests.inference.toy import MEMO, REJECTS, SINK, Row

Content = tuple[str | None, str | None]
NEVER = datetime.min.replace(tzinfo=UTC)
INFRA = ("crash", "time_out", "engine_error")


@dataclass
class Expected:
    """published: rows by key. rejects: how often each (key, reason, attempt, content hash, file, row)."""

    published: dict[str, Row] = field(default_factory=dict)
    rejects: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    contents: set[Content] = field(default_factory=set)  # distinct, of the rows that can be scored
    read: int = 0

    @property
    def reasons(self) -> dict[str, int]:
        return dict(Counter(reason for (_, reason, *_), n in self.rejects.items() for _ in range(n)))


def expect(*tables: Sequence[Row], failing: Mapping[str, tuple[str, int]] | None = None) -> Expected:
    """What is published of these files' rows. failing: (reason, attempt) by a word in the text of the rows hit."""
    rows = [(file, number, row) for file, table in enumerate(tables) for number, row in enumerate(table)]
    winner: dict[str, int] = {}
    for i, (_, _, row) in enumerate(rows):
        key = _text(row.get("review_id"))
        if key is not None and (key not in winner or _moment(row) >= _moment(rows[winner[key]][2])):
            winner[key] = i
    want = Expected(read=len(rows))
    for i, (file, number, row) in enumerate(rows):
        key, content = _text(row.get("review_id")), (row.get("title"), row.get("text"))
        reason, attempt = _cause(row, key is not None and winner[key] != i), 0
        if reason is None:
            want.contents.add(content)
            word = next((w for w in failing or {} if w in f"{content[0] or ''} {content[1]}"), None)
            reason, attempt = (failing or {})[word] if word else (None, 0)
            if any(_text(row.get(c)) != row.get(c) for c in ("product_id", "language")):
                reason, attempt = "invalid_utf8", 1
        if reason is None:
            want.published[key] = _published(row)
        else:
            want.rejects[key, reason, attempt, content_hash(*content), file, number] += 1
    return want


def _text(value: str | bytes | None) -> str | None:
    """The value, or None where it is bytes that are no text."""
    return value if isinstance(value, str) else None


def _moment(row: Row) -> datetime:
    return row.get("created_at") or NEVER


def _cause(row: Row, beaten: bool) -> str | None:
    if _text(row.get("review_id")) is None:
        return "no_key"
    if beaten:
        return "duplicate_key"
    if any(isinstance(row.get(c), bytes) for c in ("title", "text")):
        return "invalid_utf8"
    if not (row.get("text") or "").strip(f"{string.whitespace}\0\u3000\xa0\u2003\u200b\ufeff"):
        return "empty"
    if max(len((row.get(c) or "").encode()) for c in ("title", "text")) > 100_000:
        return "too_long"
    return None


def content_hash(*values: str | bytes | None) -> str:
    raw = [v.encode() if isinstance(v, str) else v for v in values]
    framed = [b"%d:%s" % (-1 if v is None else len(v), v or b"") for v in raw]
    return hashlib.blake2b(b":".join(framed), digest_size=16).hexdigest()


@cache
def score(text: str, script: str | None) -> tuple[float, ...]:
    vectors = FakeEncoder(FakeConfig()).encode(pa.array([text])).vectors
    return tuple(float(p) for p in SentimentHead.fake().probabilities(vectors, pa.array([script], pa.string()))[0])


@cache
def guess(text: str) -> str | None:
    return guess_language(pa.array([text])).to_pylist()[0]


def _published(row: Row) -> Row:
    text = row["text"] if row.get("title") is None else f"{row['title']}. {row['text']}"
    han = len(re.findall("[\u4e00-\u9fff]", text)) / len(text)
    script = "ja" if re.search("[\u3041-\u30fe]", text) else "zh" if han >= 0.15 else None
    p = score(text, script)
    return {
        "review_id": row["review_id"],
        "product_id": row.get("product_id"),
        "language": row.get("language") or script or guess(text) or "und",
        "label": LABELS[p.index(max(p))],
        "p": p,
        "content_hash": content_hash(row.get("title"), row["text"]),
    }


def check(store: Store, spec: Spec, want: Expected, files: Sequence[str] | None = None) -> None:
    """Assert that the tables there say what was expected. files: paths of the source's files, in order."""
    same_rows(pl.read_delta(store.uri(SINK)).to_dicts(), want.published, spec.recipe)
    rejects = pl.read_delta(store.uri(REJECTS))
    paths = list(files or (f.path for f in store.snapshot(spec.source.name).files))
    got = Counter(
        (r["review_id"], r["reason"], r["attempt"], r["content_hash"], paths.index(r["source_file"]), r["source_row"])
        for r in rejects.to_dicts()
    )
    assert got == want.rejects
    assert {(r, k) for r, k in rejects.select("reason", "kind").iter_rows()} == {
        (r, "infra" if r in INFRA else "row") for r in want.reasons
    }


def same_rows(published: Sequence[Row], want: Mapping[str, Row], recipe: str) -> None:
    """Assert that the published rows are these, each once."""
    assert sorted(r["review_id"] for r in published) == sorted(want)
    for row in published:
        expected = want[row["review_id"]]
        assert {k: row[k] for k in expected if k != "p"} == {k: v for k, v in expected.items() if k != "p"}
        off = [abs(row[f"p_{label}"] - p) for label, p in zip(LABELS, expected["p"], strict=True)]
        assert max(off) < 1e-6, (row, expected)
        assert row["recipe"] == recipe and row["run_id"] and row["scored_at"]


def check_report(report: Report, want: Expected, computed: int) -> None:
    """Assert that the report tells of a complete run with these rows."""
    rows = report.rows
    assert (rows.read, rows.distinct, rows.computed) == (want.read, len(want.contents), computed)
    assert rows.reused == len(want.contents) - computed
    assert (rows.published, rows.rejected, rows.pending) == (len(want.published), sum(want.rejects.values()), 0)
    assert rows.balanced and report.rejects == want.reasons


def memo_hashes(store: Store, spec: Spec) -> list[str]:
    """Content hashes of the memo's visible rows of this recipe, as 32 hex digits; once for each row."""
    rows = pl.read_delta(store.uri(MEMO)).filter(pl.col("recipe") == spec.recipe)
    return [f"{h % 2**64:016x}{lo % 2**64:016x}" for h, lo in rows.select("hash_hi", "hash_lo").iter_rows()]
