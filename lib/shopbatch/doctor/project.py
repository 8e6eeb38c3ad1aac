"""Checks the project: misplaced secrets, whether a job's configuration loads, and the tables and models it needs.

Loads the job's file as `shopbatch run` would, but does not run the job.
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

_LARGEST = 2**20  # a larger file (bytes) is not searched for secrets
_EXPOSED = "whoever sees the repository, a dashboard or the list of processes can read it"
_INSTEAD = "name a variable of the nodes' environment instead, and change the secret"


@dataclass(frozen=True)
class Settled:
    """What the command line asks about, as far as it loads.

    platform, job, settings: None if they do not load; job and settings also if no job is named.
    """

    platform: config.Platform | None
    job: Job | None
    settings: JobConfig | None
    findings: tuple[Finding, ...] = ()

    @property
    def sessions(self) -> tuple[str, ...]:
        """The sessions that a run may start: the job's, or both if no job is named."""
        return ("ray", "spark") if self.job is None else (self.job.system,)


def settle(name: str | None, env: str, overrides: Sequence[str]) -> Settled:
    """Load the job and the configuration of the command line. What does not load becomes a finding.

    Args:
        name: The job; None looks at the environment alone.
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
    """Return what is wrong with a configuration, without the wrong value or line, which may be a secret."""
    file, is_syntax, why = mistake.partition(": not valid YAML: ")
    if is_syntax:
        line = re.search(r"line (\d+)", why)
        return f"{file}: not valid YAML{f', line {line[1]}' if line else ''}"
    return mistake.removeprefix("config: ").partition(" (got ")[0]


def _unsettled(named: Job | None, env: str, overrides: Sequence[str], findings: Sequence[Finding]) -> Settled:
    """The result if a job or its configuration does not load; the platform's configuration may still load."""
    try:
        loaded = config.load(JobConfig, "", env, [item for item in overrides if item.startswith("platform.")])
    except (UserError, OSError):
        return Settled(None, named, None, tuple(findings))
    return Settled(loaded.platform, named, None, tuple(findings))


def judge_files(root: Path) -> list[Finding]:
    """Find secrets in the files of the project that are sent to a cluster, with one finding per file."""
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
    """Return whether an override `key.path=value` holds a secret. A malformed one is reported by another check."""
    try:
        return bundle.override_holds_secret(override)
    except UserError:
        return redact_text(override) != override


def judge_overrides(overrides: Sequence[str]) -> list[Finding]:
    """Find secrets on the command line. The findings name their keys."""
    return [
        error("secrets", f"{item.partition('=')[0]}=... on the command line is a secret", _EXPOSED, _INSTEAD)
        for item in overrides
        if names_secret(item)
    ]


def judge_warehouse_uri(root: str) -> list[Finding]:
    """Find a secret in the warehouse's URI, which reports and submissions show."""
    if redact_text(root) == root:
        return []
    do = "use the variables of the storage libraries (AWS_SECRET_ACCESS_KEY, ...), and change the secret"
    return [error("secrets", f"platform.warehouse ({redact_text(root)}) holds a secret", _EXPOSED, do)]


def judge_needs(root: str, asked: Settled) -> list[Finding]:
    """Check that the models and tables that the job requires are in the warehouse at `root`, and what they hold.

    If no job is named, only who buys there is checked.
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
    """Findings for models that are not registered and for folders that do not exist; weights are not read."""
    from shopbatch.models.presence import why_missing
    from shopbatch.runs.needs import makes_model

    why, findings = "the run stops before it starts (exit 2)", []
    for key, reference in settings.required_models().items():
        missing = why_missing(f"{root}/_models", reference, whole=True) or _no_folder(reference)
        if missing:
            findings.append(error("model", f"{key}={reference}: {missing}", why, makes_model(reference)))
    return findings


def _no_folder(reference: str) -> str | None:
    """Why a reference to a folder is wrong, None if it is not; names of packages and of a hub are not checked."""
    if reference.startswith((".", "/", "~")) and not Path(os.path.expanduser(reference)).is_dir():
        return "no such folder"
    return None


def _check(root: str, asked: Settled) -> list[Finding]:
    """What the job itself refuses before it starts, such as a list that cannot be read. Its tables are there."""
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
    """Findings for tables that do not exist or have no valid name."""
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
