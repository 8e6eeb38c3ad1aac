"""Checks the project: misplaced secrets, whether a job's configuration loads, and the tables and models it needs.

It loads the job's file as `shopbatch run` would, but does not run the job.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from deltalake.exceptions import DeltaError

from shopbatch.cluster import bundle
from shopbatch.core import config
from shopbatch.core.config import JobConfig
from shopbatch.core.errors import UserError
from shopbatch.core.privacy import redact_text
from shopbatch.doctor.findings import Finding, brief, error
from shopbatch.doctor.guests import TABLE, judge_guests
from shopbatch.doctor.policies import judge_policies
from shopbatch.runs import job
from shopbatch.runs.job import Job

_LARGEST = 2**20  # larger files (bytes) are not searched for secrets
_EXPOSED = "whoever sees the repository, a dashboard or the list of processes can read it"
_INSTEAD = "name a variable of the nodes' environment instead, and change the secret"


@dataclass(frozen=True)
class Settled:
    """The job and configuration that a command line asks about, as far as they can be loaded.

    Attributes:
        platform: Settings of the platform; None if they do not load.
        job: The job; None if it does not load or none is named.
        settings: Configuration of the job; None if it does not load or no job is named.
        findings: The problems met while loading.
    """

    platform: config.Platform | None
    job: Job | None
    settings: JobConfig | None
    findings: tuple[Finding, ...] = ()

    @property
    def sessions(self) -> tuple[str, ...]:
        """The sessions that a run may start: that of the job (("ray",) or ("spark",)); without a job, both."""
        return ("ray", "spark") if self.job is None else (self.job.system,)


def settle(name: str | None, env: str, overrides: Sequence[str]) -> Settled:
    """Load the job and the configuration of a command line; what does not load becomes a finding instead of an error.

    Args:
        name: Name of the job; None loads the settings of the platform alone.
        env: Name of the environment.
        overrides: `key.path=value` items.
    """
    why, named = "the run stops before it starts (exit 2)", None
    if name is not None:
        try:
            named = job.find(name)
        except UserError as mistake:
            return _unsettled(None, env, overrides, [error("conf", str(mistake), why, "`shopbatch jobs` lists them")])
        except (ImportError, SyntaxError, TypeError, AttributeError) as problem:
            do = f"correct jobs/{name}.py, or install what it imports"
            what = f"jobs/{name}.py does not load ({brief(problem)})"
            return _unsettled(None, env, overrides, [error("conf", what, why, do)])
    kind, stem = (JobConfig, "") if named is None else (named.config, named.name)
    try:
        settings = config.load(kind, stem, env, list(overrides))
    except (UserError, OSError) as mistake:
        what = without_values(str(mistake))
        do = "correct conf/ or the command line; `shopbatch run JOB --dry-run` prints the result"
        return _unsettled(named, env, overrides, [error("conf", what, why, do)])
    return Settled(settings.platform, named, None if named is None else settings)


def without_values(mistake: str) -> str:
    """Return the message of a configuration error without the wrong value or YAML line, which may be a secret."""
    file, is_syntax, why = mistake.partition(": not valid YAML: ")
    if is_syntax:
        line = re.search(r"line (\d+)", why)
        return f"{file}: not valid YAML{f', line {line[1]}' if line else ''}"
    return mistake.removeprefix("config: ").partition(" (got ")[0]


def _unsettled(named: Job | None, env: str, overrides: Sequence[str], findings: Sequence[Finding]) -> Settled:
    """Return the result for a job or configuration that does not load.

    The settings of the platform are then loaded alone; if they do not load either, `Settled.platform` is None.

    Args:
        named: The job; None if it does not load or none is named.
        env: Name of the environment.
        overrides: `key.path=value` items, of which only those of `platform.` are used.
        findings: The problems met while loading.
    """
    try:
        loaded = config.load(JobConfig, "", env, [item for item in overrides if item.startswith("platform.")])
    except (UserError, OSError):
        return Settled(None, named, None, tuple(findings))
    return Settled(loaded.platform, named, None, tuple(findings))


def judge_files(root: Path) -> list[Finding]:
    """Return an error finding for each file in `conf/` and `jobs/` that holds a secret.

    These files are sent to a cluster. A file that cannot be read is an error as well. Files above 1 MiB are not
    searched.

    Args:
        root: Folder of the project.
    """
    findings = []
    for folder in ("conf", "jobs"):
        for path in sorted((root / folder).rglob("*")):
            if not path.is_file() or "__pycache__" in path.parts:
                continue
            try:
                bundle.refuse_secrets(path, path.read_bytes() if path.stat().st_size <= _LARGEST else b"")
            except UserError as secret:
                findings.append(error("secrets", str(secret).partition(";")[0], _EXPOSED, _INSTEAD))
            except OSError as problem:
                what = f"{path} cannot be read ({brief(problem)})"
                findings.append(error("secrets", what, "it could not be searched for secrets", "allow reading it"))
    return findings


def names_secret(override: str) -> bool:
    """Return True if an override `key.path=value` holds a secret.

    A malformed override is judged by its text alone; that it is malformed is reported by another check.
    """
    try:
        return bundle.override_holds_secret(override)
    except UserError:
        return redact_text(override) != override


def judge_overrides(overrides: Sequence[str]) -> list[Finding]:
    """Return an error finding for each override of the command line that is a secret; it names only the key."""
    return [
        error("secrets", f"{item.partition('=')[0]}=... on the command line is a secret", _EXPOSED, _INSTEAD)
        for item in overrides
        if names_secret(item)
    ]


def judge_warehouse_uri(root: str) -> list[Finding]:
    """Return an error finding if the warehouse's URI holds a secret, because reports and submissions show the URI."""
    if redact_text(root) == root:
        return []
    do = "use the variables of the storage libraries (AWS_SECRET_ACCESS_KEY, ...), and change the secret"
    return [error("secrets", f"platform.warehouse ({redact_text(root)}) holds a secret", _EXPOSED, do)]


def judge_needs(root: str, asked: Settled) -> list[Finding]:
    """Check that the models and tables that the job requires are in the warehouse, and that their content is plausible.

    If the configuration of the job was not loaded, or no job is named, only the user ids in `transactions` are checked
    (`judge_guests`).

    Args:
        root: The warehouse's folder or URI.
        asked: The job with its configuration.
    """
    try:
        if asked.settings is None:
            return judge_guests(root)
        guests = judge_guests(root) if TABLE in asked.settings.required_tables() else []
        needs = [*_models(root, asked.settings), *(_tables(root, asked.settings) or _check(root, asked))]
        return [*needs, *guests, *judge_policies(root, asked.settings)]
    except (OSError, DeltaError, pa.ArrowException) as problem:
        what = f"{root}: its models and tables cannot be listed ({brief(problem)})"
        return [error("warehouse", what, "the job needs them", "allow list and get on the warehouse")]


def _models(root: str, settings: JobConfig) -> list[Finding]:
    """Return error findings for required models that are not registered, and for model folders that do not exist.

    The weights of the models are not read.
    """
    from shopbatch.models.presence import why_missing
    from shopbatch.runs.needs import makes_model

    why, findings = "the run stops before it starts (exit 2)", []
    for key, reference in settings.required_models().items():
        missing = why_missing(f"{root}/_models", reference, whole=True) or _no_folder(reference)
        if missing:
            findings.append(error("model", f"{key}={reference}: {missing}", why, makes_model(reference)))
    return findings


def _no_folder(reference: str) -> str | None:
    """Return "no such folder" if a model reference is a path to a missing folder, else None.

    References to packages and to models of a hub are not checked.
    """
    if reference.startswith((".", "/", "~")) and not Path(os.path.expanduser(reference)).is_dir():
        return "no such folder"
    return None


def _check(root: str, asked: Settled) -> list[Finding]:
    """Return an error finding if the job's own check refuses its configuration (such as a list that cannot be read).

    It is called only when the required tables exist.
    """
    from shopbatch.warehouse.store import Store

    if asked.job is None or asked.job.check is None:
        return []
    try:
        asked.job.check(asked.settings, Store(root))
    except UserError as mistake:
        do = "correct conf/ or the command line"
        return [error("job", str(mistake), "the run stops before it starts (exit 2)", do)]
    return []


def _tables(root: str, settings: JobConfig) -> list[Finding]:
    """Return error findings for required tables that do not exist or have an invalid name."""
    from shopbatch.runs.needs import fills_table
    from shopbatch.warehouse.store import Store

    store, findings = Store(root), []
    for name in settings.required_tables():
        why, do = "the job has nothing to read (exit 2)", fills_table(name)
        try:
            if not store.exists(name):
                findings.append(error("source", f"no table {name} in {store.root}", why, do))
        except UserError as mistake:
            findings.append(error("source", str(mistake), "the run stops before it starts (exit 2)", "name a table"))
    return findings
