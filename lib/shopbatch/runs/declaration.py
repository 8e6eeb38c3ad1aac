"""What a job is, and which jobs there are."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from shopbatch.core import config
from shopbatch.core.config import JobConfig
from shopbatch.core.errors import UserError
from shopbatch.core.nearest import hint


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        name: The stem of its file in jobs/, of its configuration and of its reports.
        config: The type of its configuration.
        run: run(config, store, report) does the work, inside the session.
        session: The session that it runs in. Late Ray starts when something is to be computed or the source is large,
            so that a run with nothing to do ends without it; besides `run_inference`, only code behind `start_ray` may
            use Ray then.
        estimate: estimate(config, store) says what a run would compute and cost, for a dry run; None if it cannot. An
            empty answer is not shown.
        estimate_in_session: Whether the estimate needs the session; if not, a dry run starts none. Where Ray starts
            late, the estimate starts it with `start_ray`.
        check: check(config, store) raises UserError, before a session is started, for what a run would refuse; None if
            only the run itself can tell.
        specs: specs(config, store, report) returns the inference jobs (`inference.spec.Spec`) that it is made of, for
            `shopbatch try`; None if it is none.
        text: The source column that a bare text of `shopbatch try` stands for; "" if the job takes no bare texts.
        rows: rows(config, store, rows) makes rows of the source from bare texts (`{"text": ...}`) and from rows of the
            first table that the job needs, for `shopbatch try`, where a run makes the source of that table. None if
            the source is that table, or if nothing can make it.
        alone: Whether one of equal runs at the same time works and the others wait for it. An inference job needs no
            such order: its runs share the work by recipe.
        makes: Names of the models that it publishes.
        next: The command that a person would call after it, without `shopbatch`: "show review_sentiment".
    """

    name: str
    config: type[JobConfig]
    run: Callable[[Any, Any, Any], None]
    session: Literal["ray", "late ray", "spark"] = "ray"
    estimate: Callable[[Any, Any], dict[str, Any]] | None = None
    estimate_in_session: bool = True
    check: Callable[[Any, Any], None] | None = None
    specs: Callable[[Any, Any, Any], list[Any]] | None = None
    text: str = ""
    rows: Callable[[Any, Any, Any], list[dict[str, Any]]] | None = None
    alone: bool = False
    makes: tuple[str, ...] = ()
    next: str = ""

    @property
    def system(self) -> Literal["ray", "spark"]:
        """What its session is one of, whenever it starts."""
        return "spark" if self.session == "spark" else "ray"


def later(path: str) -> Callable[..., Any]:
    """Return a function that imports `module:function` when it is first called, so that job files stay light."""

    def call(*arguments: Any) -> Any:
        module, _, name = path.partition(":")
        return getattr(importlib.import_module(module), name)(*arguments)

    return call


@dataclass(frozen=True)
class Keyed:
    """The run key and the number of the attempt, for a run that was submitted to a cluster."""

    key: str
    attempt: int


def names() -> list[str]:
    """List the jobs: the stems of the files in jobs/.

    Raises:
        UserError: There is no such folder.
    """
    if not (conf := config.root() / "conf").is_dir():
        raise UserError(f"no folder {conf}; set SHOPBATCH_HOME to the project folder that holds it")
    return sorted(p.stem for p in folder().glob("*.py"))


def folder() -> Path:
    """Return the folder of the jobs: the project's, or the packaged one if the project has none."""
    return config.project_file("jobs")


def find(name: str) -> Job:
    """Load the job of that name.

    Raises:
        UserError: There is no such job; the message has the nearest name.
    """
    if name not in names():
        raise UserError(f"no job {name!r}; {hint(name, names())}")
    job = _module(folder() / f"{name}.py").JOB
    if not isinstance(job, Job):
        raise TypeError(f"jobs/{name}.py: JOB is not a Job")
    return job


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"shopbatch_job_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
