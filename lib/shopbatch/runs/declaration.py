"""Declares what a job is (`Job`), and finds the jobs of the project: the files in jobs/."""

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
    """The declaration of one job: its name, its configuration class and its functions. Each file in jobs/ defines one.

    Attributes:
        name: The job's name: the stem of its file in jobs/, of its YAML file in conf/ and of its report folder.
        config: The class of its configuration.
        run: run(config, store, report) does the work, inside the session.
        session: The session in which it runs. "late ray" starts Ray only when there is something to compute or the
            source is large, so that a run with nothing to do ends without it. In a late session, only `run_inference`
            and code that runs after `start_ray` may use Ray.
        estimate: estimate(config, store) returns what a run would compute and cost, for a dry run; None if the job has
            no estimate. An empty result is not printed.
        estimate_in_session: Whether the estimate needs the session; if not, a dry run starts none. In a late session,
            the estimate itself starts Ray with `start_ray`.
        check: check(config, store) raises UserError, before a session is started, for inputs that a run would refuse.
            None if nothing can be checked before the run.
        specs: specs(config, store, report) returns the inference jobs (`inference.spec.Spec`) of which the job
            consists, for `shopbatch try`; None if the job does not compute row by row.
        text: The source column that gets the text of `shopbatch try JOB "TEXT"`; "" if the job takes no texts.
        rows: rows(config, store, rows) makes source rows for `shopbatch try`, if a run first makes its source from the
            first required table. It gets rows of that table, or texts as `{"text": ...}`. None if the source is that
            table itself, or if source rows cannot be made in this way.
        alone: Whether only one of several equal runs (same configuration and warehouse) works at a time, while the
            others wait for it. Inference jobs do not need this: their runs share the work by recipe.
        makes: Names of the models that the job publishes.
        next: The command that a person would call after a run, without `shopbatch`: "show review_sentiment".
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
        """The system of the job's session, "ray" or "spark"; a late Ray session counts as "ray"."""
        return "spark" if self.session == "spark" else "ray"


def later(path: str) -> Callable[..., Any]:
    """Return a function that imports `module:function` when it is called, so that job files import nothing heavy."""

    def call(*arguments: Any) -> Any:
        module, _, name = path.partition(":")
        return getattr(importlib.import_module(module), name)(*arguments)

    return call


@dataclass(frozen=True)
class Keyed:
    """Identifies a run that was submitted to a cluster.

    Attributes:
        key: The run key, such as score_reviews-20261122-0123456789ab.
        attempt: Number of the attempt at this run key, from 1.
    """

    key: str
    attempt: int


def names() -> list[str]:
    """List the names of all jobs: the stems of the files in jobs/, sorted.

    Raises:
        UserError: The project folder has no folder conf/.
    """
    if not (conf := config.root() / "conf").is_dir():
        raise UserError(f"no folder {conf}; set SHOPBATCH_HOME to the project folder that holds it")
    return sorted(p.stem for p in folder().glob("*.py"))


def folder() -> Path:
    """Return the folder jobs/ of the project, or of the packaged project if the project has none."""
    return config.project_file("jobs")


def find(name: str) -> Job:
    """Load the job of that name from its file in jobs/.

    Raises:
        UserError: There is no such job; the message suggests the most similar name.
        TypeError: The file's JOB is not a `Job`.
    """
    if name not in names():
        raise UserError(f"no job {name!r}; {hint(name, names())}")
    job = _module(folder() / f"{name}.py").JOB
    if not isinstance(job, Job):
        raise TypeError(f"jobs/{name}.py: JOB is not a Job")
    return job


def _module(path: Path) -> ModuleType:
    """Execute a file as a Python module and return it."""
    spec = importlib.util.spec_from_file_location(f"shopbatch_job_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
