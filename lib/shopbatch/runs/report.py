"""What a run leaves: `<warehouse>/_runs/<job>/<run_id>/report.json`, `report.html`, and one line on standard output.

Filled by the job, saved by `job.main`. Light to import: pyarrow, Jinja and matplotlib are loaded when it is saved.
Customers' text is masked and secrets are hidden in everything that leaves this module (see `privacy.py`).
"""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from shopbatch.core.privacy import mask, mask_tree, redact_config, redact_text
from shopbatch.warehouse.gates import Gate

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

Outcome = Literal["published", "nothing to do", "refused", "stopped", "superseded", "incomplete", "failed"]
FigureKind = Literal["bars", "calibration", "confusion", "histograms", "table"]


@dataclass
class Rows:
    """Rows of the source and what became of them; None where a job does not count it.

    read = published + rejected + pending. `distinct` are different contents among `read`; `reused` and `computed`
    count contents (from the memo; by this run). `kept` of the published are taken over from the live table, their
    new result being pending. Where nothing was published (refused, incomplete), `published` are the rows held back.
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
        """Whether read = published + rejected + pending; None unless all four are known."""
        if self.read is None or self.published is None or self.rejected is None or self.pending is None:
            return None
        return self.read == self.published + self.rejected + self.pending


@dataclass
class Stage:
    """One stage of a run: seconds of wall-clock time, and the rows that went through it (None: not rows)."""

    seconds: float = 0.0
    rows: int | None = None


@dataclass
class EngineUse:
    """What was asked of the engine: its kind in conf, calls, and tokens sent and received."""

    kind: str
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True)
class Figure:
    """A figure of a job's own, drawn after the common ones. `data` by kind:

    bars: {"groups": [name], "series": {name: [number per group]}}, stacked, a group a bar.
    calibration: {"confidence": [n], "accuracy": [n], "count": [n], "ece": number}, a value per bin, 0 to 1.
    confusion: {"labels": [n], "matrix": [n][n] of counts}, rows are the truth.
    histograms: {"panels": {name: {"low": number, "high": number, "counts": [number per bin]}}}, bins of equal width
    from low to high, a small chart a name.
    table: {"columns": [name], "rows": [[cell]]}; cells are masked like all text.
    """

    kind: FigureKind
    title: str
    data: dict[str, Any]
    caption: str = ""


def new_run_id() -> str:
    """A name for a run that sorts by time and may be a folder of a table: 20261122T005312Z-9f31c0."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:6]}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass
class Report:
    """The account of one run. A report that nobody finishes says that the run failed.

    config: the resolved configuration. run_key, attempt: what a submitted run was asked for under.
    tables: {table: {"read" or "written": version}}. models: {name: digest}.
    rejects: {reason: rows}. metrics: nested, numbers only (it is not masked). samples: rows to look at.
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
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def __post_init__(self) -> None:
        for name in (self.job, self.run_id):
            if not re.fullmatch(r"[\w-]+", name):
                raise ValueError(f"{name!r} cannot name a folder: letters, digits, - and _ only")

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Times a stage, also when it raises; a stage entered again adds up. Set `.rows` of what it yields."""
        total = self.stages.setdefault(name, Stage())
        this, start = Stage(), self.clock()
        try:
            yield this
        finally:
            total.seconds += self.clock() - start
            if this.rows is not None:
                total.rows = (total.rows or 0) + this.rows

    def finish(self, outcome: Outcome, exit_code: int, message: str = "") -> None:
        """How the run ended, and when (now)."""
        self.outcome, self.exit_code, self.message, self.ended_at = outcome, exit_code, message, _now()

    def to_dict(self) -> dict[str, Any]:
        """The whole report as JSON values (no NaN, no NumPy scalars), masked and redacted."""
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
            "tables": self.tables,
            "models": self.models,
            "recipe": self.recipe,
            "rows": {name: count for name, count in asdict(self.rows).items() if count is not None},
            "rejects": self.rejects,
            "seconds": {name: round(stage.seconds, 3) for name, stage in self.stages.items()},
            "rows_per_second": {name: round((s.rows or 0) / s.seconds, 1) for name, s in timed.items()},
            "engine": self.engine,
            "gates": self.gates,
            "metrics": self.metrics,
            "config": redact_config(plain(self.config)),
            "figures": mask_tree(plain(self.figures)),
            "samples": mask_tree(plain(self.samples)),
        }
        return {key: plain(value) for key, value in tree.items()}

    def line(self) -> str:
        """The report as one line of JSON in ASCII, without figures and samples: logs get no customer's text."""
        tree = {key: value for key, value in self.to_dict().items() if key not in ("figures", "samples")}
        return json.dumps(tree, allow_nan=False, separators=(",", ":"))

    def folder(self, warehouse: str | Path) -> str:
        """Where `save` puts the report: a path, or the URI of one, without secrets and options."""
        base = str(warehouse).partition("?")[0] if "://" in str(warehouse) else str(warehouse)
        return redact_text(f"{base.rstrip('/')}/_runs/{self.job}/{self.run_id}")

    def save(self, warehouse: str | Path, filesystem: FileSystem | None = None) -> str:
        """Writes report.json, then report.html; each appears whole or not at all. Returns their folder.

        warehouse: a folder or an object store's URI; with `filesystem`, a path in that. Raises OSError.
        """
        from shopbatch.runs.page import render

        tree, base = self.to_dict(), str(warehouse)
        if filesystem is None and "://" in base:
            from shopbatch.warehouse.files import filesystem as of

            filesystem, base = of(base)
        folder = f"{base.rstrip('/')}/_runs/{self.job}/{self.run_id}"
        text = json.dumps(tree, allow_nan=False, ensure_ascii=False, indent=1) + "\n"
        _write(f"{folder}/report.json", text, filesystem)
        _write(f"{folder}/report.html", render(tree), filesystem)
        return self.folder(warehouse)


def plain(value: Any) -> Any:
    """`value` as what JSON holds. NaN and infinities are null; NumPy and pyarrow values are Python's; sets are sorted.

    Anything unknown becomes its `str`: a run that published must not fail because of a word in its report.
    """
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode()  # a lone surrogate cannot be written to a file
    if isinstance(value, int | float):
        number = int(value) if isinstance(value, int) else float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [plain(item) for item in value]
        return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    return _plain_object(value)


def _plain_object(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    for convert in ("model_dump", "tolist", "as_py"):  # pydantic, NumPy, pyarrow: none of them imported here
        if callable(method := getattr(value, convert, None)) and not isinstance(value, type):
            return plain(method())
    return plain(str(value))


def _write(where: str, text: str, filesystem: FileSystem | None) -> None:
    """Writes a file so that a reader sees all of it or nothing."""
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
            draft.replace(final)
        finally:
            draft.unlink(missing_ok=True)
        return
    if filesystem.type_name not in ("s3", "gcs", "abfs"):  # those have no folders to make
        filesystem.create_dir(where.rpartition("/")[0], recursive=True)
    with filesystem.open_output_stream(where) as stream:  # an object store shows an object when it is closed
        stream.write(text.encode())
