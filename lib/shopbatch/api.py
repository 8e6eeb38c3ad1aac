"""The Python interface: run a job, read a table, score a few rows. The command line calls the same functions.

For example:

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
    """Run a job in this process, as `shopbatch run JOB key=value ...` does, and return its report.

    If this process already has a Ray or Spark session, the job uses that session and leaves it open.

    Args:
        job: Name of the job, such as "score_reviews".
        env: Name of the environment: a folder in conf/.
        show: Whether to show the progress on standard error.
        keys: Overrides of the job's settings, such as `limit=500`. A block is a mapping: `engine={"kind": "openvino"}`.

    Returns:
        The report of a run that ended well; `report.outcome` is "published", "nothing to do", "superseded" or
        "incomplete".

    Raises:
        UserError: The job, a key or the data is wrong; nothing was written.
        GateRefused: A gate refused the result; nothing was published.
        Stopped: The run was stopped; the same call resumes it.
    """
    from shopbatch.runs.command import Call
    from shopbatch.runs.job import run as run_job

    declared = find(job)
    settings = config.load(declared.config, job, env, _overrides(keys))
    return run_job(declared, settings, Call(env, quiet=not show))


def table(name: str, *, env: str = "local", version: int | None = None) -> TableView:
    """Open a table of the warehouse for reading, pinned at one version.

    Args:
        name: Name of the table, such as "review_sentiment".
        env: Name of the environment: a folder in conf/, whose platform.yaml says where the warehouse is.
        version: The version to read; None for the newest.

    Returns:
        A view with methods that read the table into Arrow, Polars, Ray or Spark. Nothing is read yet.

    Raises:
        UserError: There is no such table or version.
    """
    from shopbatch.warehouse.store import Store

    return TableView(Store(config.platform(env).warehouse).snapshot(name, version))


def score(
    rows: Sequence[str | Mapping[str, Any]], job: str = "score_reviews", *, env: str = "local", **keys: Any
) -> list[dict[str, Any]]:
    """Compute the results of a few rows in this process: the results that a run of the job would publish for them.

    Nothing is published. Use it to try a job out or to score single texts from a program.

    Args:
        rows: Texts, or rows of the job's source table as mappings.
        job: A job that computes row by row, such as score_reviews or describe_products.
        env: Name of the environment: a folder in conf/.
        keys: Overrides of the job's settings, as in `run`.

    Returns:
        One result per row, in order; a job that writes several languages returns all rows of the first language, then
        all rows of the next. A result holds the published columns, or `rejected` with the reason.

    Raises:
        UserError: The job does not compute row by row, or a row, a key or the model is wrong.
    """
    return [result for _, result in score_with_rows(rows, find(job), env, keys)]


def score_with_rows(
    rows: Sequence[str | Mapping[str, Any]], job: Job, env: str, keys: Mapping[str, Any], table: str = ""
) -> list[tuple[Mapping[str, Any], dict[str, Any]]]:
    """Compute a few rows as `score` does, and return each result together with its source row.

    Used by `shopbatch try`.

    Args:
        rows: Texts, or rows of the job's source table as mappings.
        job: The job.
        env: Name of the environment: a folder in conf/.
        keys: Overrides of the job's settings, as in `run`.
        table: Name of the table for which a file was read into `rows`; "" if `rows` come from no file. Rows of another
            table than the job's source are refused.

    Returns:
        Pairs of (source row, result).

    Raises:
        UserError: The job does not compute row by row, or a row, a key or the model is wrong.
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
    """One version of a table, readable as Arrow, Polars, a Ray Dataset or a Spark DataFrame. `table` returns it.

    Attributes:
        snapshot: The pinned version of the table.
    """

    snapshot: Snapshot

    @property
    def version(self) -> int:
        """The number of the version of the table."""
        return self.snapshot.version

    def arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the table into memory as an Arrow table; `columns` of None means all columns."""
        return self.snapshot.read(columns)

    def polars(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Read the table into memory as a Polars DataFrame; `columns` of None means all columns."""
        import polars as pl

        frame = pl.from_arrow(self.arrow(columns))
        assert isinstance(frame, pl.DataFrame)
        return frame

    def ray(self, columns: Sequence[str] | None = None) -> ray.data.Dataset:
        """Return the table as a Ray Dataset, which Ray tasks read; `columns` of None means all columns.

        A Ray session must be running.
        """
        return self.snapshot.dataset(columns)

    def spark(self, spark: SparkSession) -> DataFrame:
        """Return the table, with all its columns, as a DataFrame of the given Spark session."""
        from shopbatch.warehouse.spark_bridge import read

        return read(spark, self.snapshot, self.snapshot.schema.names)


def _overrides(keys: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Turn keyword arguments into overrides of a command line: {"engine": {"kind": "fake"}} -> ["engine.kind=fake"]."""
    items: list[str] = []
    for name, value in keys.items():
        if isinstance(value, Mapping) and value:
            items += _overrides(value, f"{prefix}{name}.")
        else:
            items.append(f"{prefix}{name}={config.as_yaml(value)}")
    return items
