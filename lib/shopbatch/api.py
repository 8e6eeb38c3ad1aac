"""shopbatch from Python: run a job, read a table, compute a few rows. The command line calls the same functions.

import shopbatch as sb

report = sb.run("score_reviews", limit=500)
sb.table("review_sentiment").polars()
sb.score(["Runs small, but the fabric is lovely."])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shopbatch.core import config
from shopbatch.core.errors import UserError
from shopbatch.runs.declaration import Job, find
from shopbatch.runs.report import Report

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    import ray.data
    from pyspark.sql import DataFrame, SparkSession

    from shopbatch.warehouse.snapshot import Snapshot


def run(job: str, *, env: str = "local", show: bool = False, **keys: Any) -> Report:
    """Run a job in this process, as `shopbatch run JOB key=value ...` does.

    A Ray or Spark session that this process has already is used and stays open.

    Args:
        job: Its name.
        env: Name of a folder in conf/.
        show: Whether progress is shown on standard error.
        keys: Keys of the job's configuration: `limit=500`, and a mapping for a block: `engine={"kind": "openvino"}`.

    Returns:
        The report of a run that ended well; `report.outcome` is published, nothing to do, superseded or incomplete.

    Raises:
        UserError: The job, a key or the data is wrong; nothing was written.
        GateRefused: A check refused the result; nothing was published.
        Stopped: The run was stopped; the same call goes on from there.
    """
    from shopbatch.runs.command import Call
    from shopbatch.runs.job import run as run_job

    declared = find(job)
    settings = config.load(declared.config, job, env, _overrides(keys))
    return run_job(declared, settings, Call(env, quiet=not show))


def table(name: str, *, env: str = "local", version: int | None = None) -> TableView:
    """Open a table of the warehouse, pinned at a version.

    Args:
        name: Its name.
        env: Name of a folder in conf/, which says where the warehouse is.
        version: The version to read; None for the newest.

    Raises:
        UserError: There is no such table or version.
    """
    from shopbatch.warehouse.store import Store

    return TableView(Store(config.platform(env).warehouse).snapshot(name, version))


def score(
    rows: Sequence[str | Mapping[str, Any]], job: str = "score_reviews", *, env: str = "local", **keys: Any
) -> list[dict[str, Any]]:
    """Compute a few rows in this process, without a table: what a run would publish for them.

    Args:
        rows: Texts, or rows of the job's source table.
        job: A job that computes row by row: score_reviews, describe_products.
        env: Name of a folder in conf/.
        keys: Keys of the job's configuration, as in `run`.

    Returns:
        One result per row, in order (per row and language, if the job has several): the published columns, or
        `rejected` with the reason.

    Raises:
        UserError: The job does not compute row by row, or a row, a key or the model is wrong.
    """
    return [result for _, result in score_with_rows(rows, find(job), env, keys)]


def score_with_rows(
    rows: Sequence[str | Mapping[str, Any]], job: Job, env: str, keys: Mapping[str, Any], table: str = ""
) -> list[tuple[Mapping[str, Any], dict[str, Any]]]:
    """Compute a few rows as `score` does, and return each result behind the source row that it is of.

    Args:
        rows, env, keys: As of `score`.
        job: The job.
        table: The table that the rows are of, if a file was read for it; refused if the job's source is another one.

    Raises:
        UserError: As `score`.
    """
    from shopbatch.inference.preview import preview
    from shopbatch.warehouse.store import Store

    if job.specs is None:
        raise UserError(f"job {job.name!r} does not compute row by row; run it: shopbatch run {job.name}")
    if not job.text and any(isinstance(row, str) for row in rows):
        raise UserError(f"job {job.name!r} takes no bare texts; give rows: shopbatch try {job.name} --file FILE")
    settings = config.load(job.config, job.name, env, _overrides(keys))
    store = Store(settings.platform.warehouse)
    whole: Sequence[Mapping[str, Any]] = [{job.text: row} if isinstance(row, str) else row for row in rows]
    specs = job.specs(settings, store, Report(job.name))
    if job.rows is not None:
        whole = job.rows(settings, store, whole)
    elif table and whole and not set(whole[0]) <= set(specs[0].source.names):
        raise UserError(
            f"job {job.name!r} reads {specs[0].source.name}, which a run makes of several tables, and not rows of a "
            f"file; load your files and run it: shopbatch run {job.name}"
        )
    return [pair for spec in specs for pair in zip(whole, preview(spec, whole), strict=True)]


@dataclass(frozen=True)
class TableView:
    """One version of a table, to be read with the library of one's choice.

    Attributes:
        snapshot: The pinned version.
    """

    snapshot: Snapshot

    @property
    def version(self) -> int:
        """The version of the table."""
        return self.snapshot.version

    def arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read it into an Arrow table; `columns` of None means all."""
        return self.snapshot.read(columns)

    def polars(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Read it into a Polars frame."""
        import polars as pl

        frame = pl.from_arrow(self.arrow(columns))
        assert isinstance(frame, pl.DataFrame)
        return frame

    def ray(self, columns: Sequence[str] | None = None) -> ray.data.Dataset:
        """Read it as a Ray Dataset, in tasks; a Ray session must run."""
        return self.snapshot.dataset(columns)

    def spark(self, spark: SparkSession) -> DataFrame:
        """Read it as a Spark frame of this session."""
        from shopbatch.warehouse.spark_bridge import read

        return read(spark, self.snapshot, self.snapshot.schema.names)


def _overrides(keys: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Keys as the overrides of a command line: {"engine": {"kind": "fake"}} -> ["engine.kind=fake"]."""
    items: list[str] = []
    for name, value in keys.items():
        if isinstance(value, Mapping) and value:
            items += _overrides(value, f"{prefix}{name}.")
        else:
            items.append(f"{prefix}{name}={config.as_yaml(value)}")
    return items
