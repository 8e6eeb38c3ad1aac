"""The project: secrets where none may be, whether a job's configuration loads, and what it needs of the warehouse.

Called by `command.py`. Loads the job's file, as `shopbatch run` would, and runs nothing of it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake.exceptions import DeltaError

from shopbatch.cluster import bundle
from shopbatch.core import config
from shopbatch.core.config import JobConfig
from shopbatch.core.errors import UserError
from shopbatch.core.privacy import redact_text
from shopbatch.doctor.findings import Finding, brief, error
from shopbatch.runs import job
from shopbatch.runs.job import Job

_MODELS = ("model", "encoder", "base")  # keys under which jobs name models
_REFERENCE = re.compile(r"([a-z][a-z0-9_-]*)@(\w+)")
_LARGEST = 2**20  # bytes of a file that is searched for secrets
_EXPOSED = "whoever sees the repository, a dashboard or a list of processes has it"
_INSTEAD = "name a variable of the nodes' environment instead, and change the secret"


@dataclass(frozen=True)
class Settled:
    """What is asked about, as far as it loads. job, settings: None where no job is named or it does not load."""

    platform: config.Platform | None
    job: Job | None
    settings: JobConfig | None
    findings: tuple[Finding, ...] = ()

    @property
    def sessions(self) -> tuple[str, ...]:
        """The sessions that a run may start: the job's, or both where no job is named."""
        return ("ray", "spark") if self.job is None else (self.job.session,)


def settle(name: str | None, env: str, overrides: Sequence[str]) -> Settled:
    """The job and the configuration of the command line. What of it does not load is a finding."""
    why, found = "the run ends before it begins (exit 2)", None
    if name is not None:
        try:
            found = job.find(name)
        except UserError as mistake:
            return _unsettled(None, env, overrides, [error("conf", str(mistake), why, "`shopbatch jobs` lists them")])
        except (ImportError, SyntaxError, TypeError, AttributeError) as problem:
            do = f"mend jobs/{name}.py, or install what it imports"
            what = f"jobs/{name}.py does not load ({brief(problem)})"
            return _unsettled(None, env, overrides, [error("conf", what, why, do)])
    kind, stem = (JobConfig, "") if found is None else (found.config, found.name)
    try:
        settings = config.load(kind, stem, env, list(overrides))
    except (UserError, OSError) as mistake:
        what = _plain(str(mistake))
        do = "correct conf/ or the command line; `shopbatch run JOB --dry-run` shows what comes of them"
        return _unsettled(found, env, overrides, [error("conf", what, why, do)])
    return Settled(settings.platform, found, None if found is None else settings)


def _plain(mistake: str) -> str:
    """What is wrong with a configuration, without the value or the line that is: it may be a secret."""
    file, broken, why = mistake.partition(": not valid YAML: ")
    if broken:
        line = re.search(r"line (\d+)", why)
        return f"{file}: not valid YAML{f', line {line[1]}' if line else ''}"
    return mistake.removeprefix("config: ").partition(" (got ")[0]


def _unsettled(found: Job | None, env: str, overrides: Sequence[str], findings: Sequence[Finding]) -> Settled:
    """Where a job's configuration does not load, that of the platform may."""
    try:
        where = config.load(JobConfig, "", env, [item for item in overrides if item.startswith("platform.")])
    except (UserError, OSError):
        return Settled(None, found, None, tuple(findings))
    return Settled(where.platform, found, None, tuple(findings))


def judge_files(root: Path) -> list[Finding]:
    """Secrets in the files of the project that travel to a cluster: one finding a file."""
    found = []
    for folder in ("conf", "jobs"):
        for path in sorted((root / folder).rglob("*")):
            if not path.is_file() or "__pycache__" in path.parts:
                continue
            try:
                bundle.refuse_secrets(path, path.read_bytes() if path.stat().st_size <= _LARGEST else b"")
            except UserError as secret:
                found.append(error("secrets", str(secret).partition(";")[0], _EXPOSED, _INSTEAD))
            except OSError as problem:
                what = f"{path} cannot be read ({brief(problem)})"
                found.append(error("secrets", what, "nobody can say whether a secret is in it", "mend its rights"))
    return found


def names_secret(override: str) -> bool:
    """Whether `key.path=value` holds a secret; one that cannot be read is told as a mistake of the configuration."""
    try:
        return bundle.override_holds_secret(override)
    except UserError:
        return redact_text(override) != override


def judge_overrides(overrides: Sequence[str]) -> list[Finding]:
    """Secrets on the command line, named by their key."""
    return [
        error("secrets", f"{item.partition('=')[0]}=... on the command line is a secret", _EXPOSED, _INSTEAD)
        for item in overrides
        if names_secret(item)
    ]


def judge_warehouse_uri(root: str) -> list[Finding]:
    """A secret in the warehouse's URI, which reports and submissions show."""
    if redact_text(root) == root:
        return []
    do = "give it to the libraries as they ask for it (AWS_SECRET_ACCESS_KEY, ...), and change the secret"
    return [error("secrets", f"platform.warehouse ({redact_text(root)}) holds a secret", _EXPOSED, do)]


def judge_needs(root: str, asked: Settled) -> list[Finding]:
    """Models and the source table that the job names, looked for in the warehouse at `root`."""
    if asked.job is None or asked.settings is None:
        return []
    try:
        return [*_models(root, asked.settings), *_source(root, asked.job, asked.settings)]
    except (OSError, DeltaError, pa.ArrowException) as problem:
        what = f"{root}: models and tables cannot be looked up ({brief(problem)})"
        return [error("warehouse", what, "the job needs them", "allow list and get on the warehouse")]


def _models(root: str, settings: JobConfig) -> list[Finding]:
    """Whether models named as name@live or name@digest are registered, and folders are there; weights are not read."""
    from shopbatch.engines.configs import WITHOUT_MODEL

    kind = getattr(getattr(settings, "engine", None), "kind", None)
    found = []
    for key in _MODELS:
        reference = getattr(settings, key, None)
        unused = (key == "model" and kind in WITHOUT_MODEL) or (
            key == "base" and getattr(settings, "init", "base") == "scratch"
        )
        if not isinstance(reference, str) or unused:
            continue
        named = _REFERENCE.fullmatch(reference)
        missing = _unregistered(f"{root}/_models", *named.groups()) if named else _no_folder(reference)
        if missing:
            why, do = (
                "the job ends before it begins (exit 2)",
                "train it or name another; `shopbatch models` lists them",
            )
            found.append(error("model", f"{key}={reference}: {missing}", why, do))
    return found


def _unregistered(root: str, name: str, version: str) -> str | None:
    """Why a registered model cannot be had, None where its manifest, which is written last, is there."""
    from shopbatch.models.folder import MANIFEST
    from shopbatch.models.registry import DIGITS, LIVE
    from shopbatch.warehouse import files

    fs, path = files.filesystem(f"{root}/{name}")
    listed = fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))
    keys = [info.base_name for info in listed if info.type == pafs.FileType.Directory]
    if not keys:
        return f"no such model in {root}"
    if version == "live":
        try:
            with fs.open_input_stream(f"{path}/{LIVE}") as stream:
                version = str(json.loads(stream.read())["digest"])
        except FileNotFoundError:
            return f"none is live in {root}"
        except (ValueError, KeyError, TypeError):
            return f"{LIVE} cannot be read in {root}/{name}"
    mine = [key for key in keys if key.startswith(version[:DIGITS])]
    whole = [key for key in mine if fs.get_file_info(f"{path}/{key}/{MANIFEST}").type == pafs.FileType.File]
    return None if whole else f"no such version in {root}/{name}"


def _no_folder(reference: str) -> str | None:
    """Why a folder is none; names of packages and of the model hub are not looked up."""
    if reference.startswith((".", "/", "~")) and not Path(reference).expanduser().is_dir():
        return "no such folder"
    return None


def _source(root: str, found: Job, settings: JobConfig) -> list[Finding]:
    """Whether the table that a job reads is there: `source.table`, else the first word of its file."""
    from shopbatch.tables import TABLES
    from shopbatch.warehouse.store import Store

    name = getattr(getattr(settings, "source", None), "table", None)
    if not isinstance(name, str):
        text = (config.root() / "jobs" / f"{found.name}.py").read_text("utf-8")
        name = next(iter((ast.get_docstring(ast.parse(text)) or "").split()), "")  # "source -> stage -> sink"
        if name not in TABLES:
            return []
    store = Store(root)
    try:
        if store.exists(name):
            return []
    except UserError as mistake:
        return [error("source", str(mistake), "the job ends before it begins (exit 2)", "name a table")]
    why, do = "the job has nothing to read (exit 2)", f"shopbatch load {name} FILE, or shopbatch sample"
    return [error("source", f"no table {name} in {store.root}", why, do)]
