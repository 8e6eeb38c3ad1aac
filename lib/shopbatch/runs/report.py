"""The report of a run: `<warehouse>/_runs/<job>/<run_id>/report.json`, `report.html`, and a line on standard output.

The job fills the report and `runs.job` saves it. This module is light to import: pyarrow, Jinja and matplotlib are
loaded when a report is saved. In everything that it writes, personal data is masked and secrets are hidden (see
`core.privacy`).
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from shopbatch.core import display
from shopbatch.core.errors import bounded
from shopbatch.core.privacy import clean, mask, mask_tree, redact_config, redact_text
from shopbatch.runs.json_values import json_value
from shopbatch.warehouse.gates import Gate

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

Outcome = Literal[
    "running", "lost", "published", "nothing to do", "refused", "stopped", "superseded", "incomplete", "failed"
]
FigureKind = Literal["bars", "calibration", "confusion", "curves", "histograms", "intervals", "lines", "table"]


@dataclass
class Rows:
    """Counts of a run's source rows by what happened to them; None where a job does not count.

    read = published + rejected + pending.

    Attributes:
        read: Rows read from the source.
        distinct: Different contents among the rows read (content: the columns from which a result is computed).
        reused: Contents whose result came from the memo (results of earlier runs).
        computed: Contents whose result this run computed.
        rejected: Rows without a result, for a stated reason.
        pending: Rows whose result is not computed yet.
        published: Rows published; if nothing was published (refused, incomplete), the rows that were held back.
        kept: Published rows that still show the live table's result, because their new result is pending.
    """

    read: int | None = None
    distinct: int | None = None
    reused: int | None = None
    computed: int | None = None
    rejected: int | None = None
    pending: int | None = None
    published: int | None = None
    kept: int | None = None

    @property
    def balanced(self) -> bool | None:
        """Whether read = published + rejected + pending; None if one of the four counts is None.

        A run whose rows do not balance fails, because rows were lost or counted twice.
        """
        if self.read is None or self.published is None or self.rejected is None or self.pending is None:
            return None
        return self.read == self.published + self.rejected + self.pending


@dataclass
class Stage:
    """Time and rows of one stage of a run.

    Attributes:
        seconds: Wall-clock seconds.
        rows: Rows that the stage processed; None if it does not count rows.
    """

    seconds: float = 0.0
    rows: int | None = None


@dataclass
class EngineUse:
    """How much a run used its engine.

    Attributes:
        kind: The engine's kind in the configuration, such as "openvino".
        calls: Number of calls.
        tokens_in: Tokens sent to the engine.
        tokens_out: Tokens that it returned.
    """

    kind: str
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True)
class Figure:
    """A chart or table that a job adds to report.html, below the figures that every report has.

    The form of `data` depends on `kind`:

    - bars: {"groups": [name], "series": {name: [number per group]}}, one stacked bar per group.
    - calibration: {"confidence": [n], "accuracy": [n], "count": [n], "ece": number}, one value per bin.
    - confusion: {"labels": [n], "matrix": [n][n] of counts}, rows are the true labels.
    - histograms: {"panels": {name: {"low": number, "high": number, "counts": [number per bin]}}}, one small chart per
      name, with bins of equal width from low to high.
    - curves: {"series": {name: [[x], [y]]}, "labels": [x axis, y axis]}, shares y between 0 and 1 over numbers x above
      0, on a logarithmic axis. The last series is drawn as the result.
    - intervals: {"panels": {name: {name: [number, low, high]}}}, one line per number. The last number of a panel is
      drawn as the result.
    - lines: {"series": {name: [[x], [y]]}, "labels": [x axis, y axis]}, numbers over numbers. The last series is drawn
      as the result. If x has values below and above 0, a vertical line marks 0.
    - table: {"columns": [name], "rows": [[cell]]}; personal data in cells is masked as in all text.

    Attributes:
        kind: The kind of chart, or "table".
        title: Title above the figure.
        data: The numbers, see above.
        caption: Text below the figure; "" for none.
    """

    kind: FigureKind
    title: str
    data: dict[str, Any]
    caption: str = ""


def run_folder(warehouse: str, job: str, run_id: str) -> str:
    """Return the path or URI of a run's folder, `<warehouse>/_runs/<job>/<run_id>`."""
    return f"{warehouse.rstrip('/')}/_runs/{job}/{run_id}"


def new_run_id() -> str:
    """Return a new run id such as 20261122T005312Z-9f31c0: a valid folder name that sorts by time to the second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:6]}"


def _now() -> str:
    """Return the current time in UTC as ISO text, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass
class Report:
    """The report of one run, which the job fills. Until `finish` is called, its outcome is `failed`.

    Attributes:
        job: The job's name.
        run_id: The run's id, such as 20261122T005312Z-9f31c0.
        env: Name of the environment.
        config: The resolved configuration.
        outcome: How the run ended, such as "published".
        exit_code: The exit code of the process, see `outcomes`.
        message: One line that explains the outcome; "" if it needs no explanation.
        run_key: The run key of a submitted run; None for a run that was not submitted.
        attempt: Number of the attempt at the run key.
        host: Name of the machine that ran it.
        pid: Id of the process that ran it.
        command: The command that runs it again.
        next_command: The command that a person would call next.
        highlights: The few most telling numbers, as text by name.
        log_tail: The last lines of the log if the run failed; only the very last one if it ended early otherwise.
        started_at: Time in UTC, ISO format.
        ended_at: Time in UTC, ISO format; None until `finish` is called.
        tables: {table: {"read" or "written": version}}.
        models: {name: digest} of the models used.
        recipe: Digest of everything that can change a result, except the rows themselves; None if the job has none.
        rows: Counts of the source rows.
        rejects: {reason: rows}.
        stages: {name: time and rows of the stage}.
        engine: How much the engine was used; None for a job without engine.
        gates: Results of the gates (checks before publishing).
        metrics: Numbers in nested dicts, such as the model's quality by language. Any text in them is saved unmasked.
        figures: Charts and tables for the page.
        samples: A few rows for a person to look at.
        unit: Plural noun for the things that are published (users, reviews).
        links: {title: name of a file beside the report}.
        diagnosis: Lines that state why a stage made no progress, and what was done about it.
        clock: Returns the time in seconds, for the stages.
    """

    job: str
    run_id: str = field(default_factory=new_run_id)
    env: str = "local"
    config: Mapping[str, Any] = field(default_factory=dict)
    outcome: Outcome = "failed"
    exit_code: int = 1
    message: str = ""
    run_key: str | None = None
    attempt: int | None = None
    host: str | None = None
    pid: int | None = None
    command: str = ""
    next_command: str = ""
    highlights: dict[str, str] = field(default_factory=dict)
    log_tail: list[str] = field(default_factory=list)
    started_at: str = field(default_factory=_now)
    ended_at: str | None = None
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    recipe: str | None = None
    rows: Rows = field(default_factory=Rows)
    rejects: dict[str, int] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    engine: EngineUse | None = None
    gates: list[Gate] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    unit: str = "rows"
    links: dict[str, str] = field(default_factory=dict)
    diagnosis: list[str] = field(default_factory=list)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def __post_init__(self) -> None:
        for name in (self.job, self.run_id):
            if not re.fullmatch(r"[\w-]+", name):
                raise ValueError(f"{name!r} cannot name a folder: letters, digits, - and _ only")

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Measure the time of a stage, also if the block raises an error. Times of stages with the same name are added.

        Yields:
            The stage of this call; set its `rows`.
        """
        total = self.stages.setdefault(name, Stage())
        this, start = Stage(), self.clock()
        display.current().stage_begins(name)
        try:
            yield this
        finally:
            this.seconds = self.clock() - start
            total.seconds += this.seconds
            if this.rows is not None:
                total.rows = (total.rows or 0) + this.rows
            display.current().stage_ends(name, this.seconds, this.rows)

    def finish(self, outcome: Outcome, exit_code: int, message: str = "") -> None:
        """Record how the run ended, with the present time as its end. A long message is cut."""
        self.outcome, self.exit_code, self.message, self.ended_at = outcome, exit_code, bounded(message), _now()

    def to_dict(self) -> dict[str, Any]:
        """Return the whole report as JSON values (no NaN, no NumPy), with personal data masked and secrets hidden."""
        timed = {name: stage for name, stage in self.stages.items() if stage.rows is not None and stage.seconds > 0}
        tree = {
            "job": self.job,
            "run_id": self.run_id,
            "env": self.env,
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "message": mask(redact_text(self.message)),
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            **({} if self.run_key is None else {"run_key": self.run_key, "attempt": self.attempt}),
            **({} if self.host is None else {"host": self.host, "pid": self.pid}),
            "command": clean(self.command),
            "next_command": self.next_command,
            "highlights": self.highlights,
            "tables": self.tables,
            "models": self.models,
            "recipe": self.recipe,
            "links": self.links,
            "unit": self.unit,
            "rows": {name: count for name, count in asdict(self.rows).items() if count is not None},
            "rejects": self.rejects,
            "seconds": {name: round(stage.seconds, 3) for name, stage in self.stages.items()},
            "rows_per_second": {name: round((s.rows or 0) / s.seconds, 1) for name, s in timed.items()},
            "engine": self.engine,
            "gates": self.gates,
            "metrics": self.metrics,
            "config": redact_config(json_value(self.config)),
            "figures": mask_tree(json_value(self.figures)),
            "samples": mask_tree(json_value(self.samples)),
            "diagnosis": self.diagnosis,
            "log_tail": self.log_tail,
        }
        return {key: json_value(value) for key, value in tree.items()}

    def line(self) -> str:
        """Return the report as one line of ASCII JSON, without the parts that may hold customers' text.

        Figures, samples and the end of the log are left out.
        """
        return json_line(self.to_dict())

    def folder(self, warehouse: str | Path) -> str:
        """Return the path or URI of the run's folder for printing.

        Secrets and the options of a URI (`?...`) are left out.

        Args:
            warehouse: The folder or URI of the warehouse.
        """
        base = str(warehouse).partition("?")[0] if "://" in str(warehouse) else str(warehouse)
        return redact_text(run_folder(base, self.job, self.run_id))

    def save(self, warehouse: str | Path, filesystem: FileSystem | None = None) -> str:
        """Write report.json, then report.html. A reader sees each file complete or not at all.

        Args:
            warehouse: A folder or an object-store URI; with `filesystem`, a path in it.
            filesystem: Where to write; None to derive it from `warehouse`.

        Returns:
            The folder of the files, as `folder` returns it.

        Raises:
            OSError: The warehouse cannot be written.
        """
        save_tree(self.to_dict(), warehouse, filesystem)
        return self.folder(warehouse)

    def save_as_running(self, warehouse: str | Path) -> None:
        """Write report.json with the outcome `running`, for a run that has just begun.

        Raises:
            OSError: The warehouse cannot be written.
        """
        save_tree(self.to_dict() | {"outcome": "running", "exit_code": None}, warehouse, page=False)


def json_line(tree: Mapping[str, Any]) -> str:
    """Return a report as one line of ASCII JSON, without figures, samples and log, which hold text of customers.

    Args:
        tree: The report, as `Report.to_dict` returns it.
    """
    kept = {key: value for key, value in tree.items() if key not in ("figures", "samples", "log_tail")}
    return json.dumps(kept, allow_nan=False, separators=(",", ":"))


def save_tree(
    tree: Mapping[str, Any], warehouse: str | Path, filesystem: FileSystem | None = None, page: bool = True
) -> None:
    """Write report.json and report.html of a report.

    Args:
        tree: The report, as `Report.to_dict` returns it.
        warehouse: A folder or an object-store URI; with `filesystem`, a path in it.
        filesystem: Where to write; None to derive it from `warehouse`.
        page: Whether to write report.html, too.

    Raises:
        OSError: The warehouse cannot be written.
    """
    base = str(warehouse)
    if filesystem is None and "://" in base:
        from shopbatch.warehouse import files

        filesystem, base = files.filesystem(base)
    folder = run_folder(base, tree["job"], tree["run_id"])
    text = json.dumps(tree, allow_nan=False, ensure_ascii=False, indent=1) + "\n"
    _write(f"{folder}/report.json", text, filesystem)
    if page:
        from shopbatch.runs.page import render

        _write(f"{folder}/report.html", render(tree), filesystem)


def _write(where: str, text: str, filesystem: FileSystem | None) -> None:
    """Write a text file so that a reader sees all of it or nothing."""
    from pyarrow.fs import LocalFileSystem

    if filesystem is None or isinstance(filesystem, LocalFileSystem):
        final = Path(where)
        final.parent.mkdir(parents=True, exist_ok=True)
        draft = final.with_name(f".{final.name}.{os.getpid()}")
        try:
            with draft.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if final.is_dir():  # a folder in place of the file is moved away
                final.rename(f"{final}.damaged-{uuid4().hex[:6]}")
            draft.replace(final)
        finally:
            draft.unlink(missing_ok=True)
        return
    if filesystem.type_name not in ("s3", "gcs", "abfs"):  # object stores have no folders
        filesystem.create_dir(where.rpartition("/")[0], recursive=True)
    with filesystem.open_output_stream(where) as stream:  # an object appears when its stream is closed
        stream.write(text.encode())
