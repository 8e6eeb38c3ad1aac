"""A shop's smallest inference job for tests of the machinery: fake engine, two tables, no model."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from shopbatch.capabilities.sentiment.stage import SentimentStage
from shopbatch.engines.configs import FakeConfig
from shopbatch.inference.config import InferenceConfig
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import Report, new_run_id
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store

SINK, REJECTS, MEMO = REVIEW_SENTIMENT.name, REVIEW_SENTIMENT_REJECTS.name, "score_reviews_memo"
Row = dict[str, Any]


WORDS = ("good", "broken", "late", "soft", "loud", "cheap", "again", "never", "很好", "坏了", "最高です", "naïve", "😀")


def shop(rows: int = 240, files: int = 3, seed: int = 1) -> list[list[Row]]:
    """Reviews as they come, in files: repeated texts, missing titles, nothing to score, keys that come twice."""
    draw = random.Random(seed)
    texts = [f"{k} " + " ".join(draw.choices(WORDS, k=draw.randint(1, 6))) for k in range(rows // 2)]
    tables: list[list[Row]] = [[] for _ in range(files)]
    for i in range(rows):
        title = draw.choice([None, None, "", "Nice", "So so"])
        empty = draw.choice([None, "", "  \n"]) if draw.random() < 0.05 else draw.choice(texts)
        key = f"r{draw.randrange(i)}" if i and draw.random() < 0.08 else f"r{i}"
        when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=draw.randint(0, 9))
        row = {"review_id": key, "product_id": f"p{i % 7}", "title": title, "text": empty}
        row |= {"language": draw.choice(["en", "en", None]), "created_at": draw.choice([when, when, None])}
        tables[i * files // rows].append(row)
    return tables


def reviews(rows: Iterable[Row]) -> pa.Table:
    """The rows as the source has them. A value that is bytes stands where text should, whatever it holds."""
    listed = list(rows)
    columns = {c.name: _column([r.get(c.name) for r in listed], c.type) for c in REVIEWS.columns}
    return pa.table(columns, REVIEWS.schema())


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if not any(isinstance(v, bytes) for v in values):
        return pa.array(values, kind)
    raw = pa.array([v.encode() if isinstance(v, str) else v for v in values], pa.binary())
    return pa.Array.from_buffers(kind, len(raw), raw.buffers(), raw.null_count)


def spec(model: str = "m1", **engine: Any) -> Spec:
    stage = SentimentStage(FakeConfig(**engine), "", "", {"head": model})
    return Spec("score_reviews", REVIEWS, stage, REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS)


def put(store: Store, *tables: pa.Table | Sequence[Row], group: int = 65_536) -> int:
    """Replace the source: a file a table, `group` rows a row group. Nulls are not checked. The version."""
    run, schema = new_run_id(), pa.schema([f.with_nullable(True) for f in REVIEWS.file_schema()])
    written = []
    for number, rows in enumerate(tables):
        table = rows if isinstance(rows, pa.Table) else reviews(rows)
        path, loose = f"{run}/part-{number:05d}.parquet", table.cast(schema)
        files.write(f"{store.uri(REVIEWS.name)}/{path}", loose, group)
        written.append(files.describe(store.uri(REVIEWS.name), path, loose.schema))
    return store.commit(REVIEWS, written, "replace", run)


def run(store: Store, job: Spec, **config: Any) -> Report:
    from shopbatch.inference.run import run_inference

    report = Report(job=job.job)
    attempt(store, job, report, run_inference, **config)
    return report


def attempt(store: Store, job: Spec, report: Report, entry_point: Any, **config: Any) -> None:
    """As `run`, with a report of the caller's: it is filled also where the run raises."""
    entry_point(job, InferenceConfig(**{"workers": 2, "gates": {"reject_share": 1.0}, **config}), store, report)


def warehouse(folder: Path) -> Store:
    return Store(str(folder / "warehouse"))


def versions(store: Store) -> dict[str, int]:
    """Version of every table there is."""
    return {name: store.snapshot(name).version for name in store.names()}


def memo(store: Store) -> pl.DataFrame:
    """The memo's visible rows, read by another reader than the one under test."""
    return pl.read_delta(store.uri(MEMO))


def written(store: Store, table: str) -> set[str]:
    """Every data file that lies in a table's folder, visible or not."""
    root = Path(store.root) / table
    return {str(p.relative_to(root)) for p in root.rglob("*.parquet") if "_delta_log" not in p.parts}


def orphans(store: Store, table: str) -> set[str]:
    """Data files that no version of the table ever had."""
    visible: set[str] = set()
    if store.exists(table):
        for version in range(store.snapshot(table).version + 1):
            visible |= set(store.snapshot(table, version).by_path)
    return written(store, table) - visible
