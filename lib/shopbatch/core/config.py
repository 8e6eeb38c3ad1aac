"""Loads and checks the settings of jobs: `conf/base/<job>.yaml`, overridden by `conf/<env>/` and the command line.

A shop's own project folder needs to contain only the files in which it differs. All other files come from the packaged
project, which is installed with shopbatch.

This module imports nothing heavy, so that a mistake in a setting is reported before Ray, Spark or torch is loaded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shopbatch.core.config_keys import Key as Key
from shopbatch.core.config_keys import as_yaml as as_yaml
from shopbatch.core.config_keys import describe as describe
from shopbatch.core.config_mistakes import mistake
from shopbatch.core.errors import UserError, one_line
from shopbatch.core.locations import folder_or_uri
from shopbatch.core.nearest import hint
from shopbatch.core.yaml_values import parse_yaml, read_bounded


class Strict(BaseModel):
    """Base class of every configuration: values cannot be changed after loading, and an unknown key is an error.

    The docstring below a field explains the key to users: `describe`, `--help` and the documentation show it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Spark(Strict):
    """Settings that say where Spark runs (the block `platform.spark`)."""

    master: str | None = None
    """Address of the Spark cluster, such as spark://HOST:7077. Null starts Spark inside the process of the run."""
    memory: str = "4g"
    """Heap of Spark's Java virtual machine if Spark runs on this machine, such as 4g or 512m."""
    conf: dict[str, str] = {}
    """Any further spark.* settings. They take precedence over those that shopbatch sets."""


class Platform(Strict):
    """Settings that say where a job runs (`conf/<env>/platform.yaml`). None of them can change a result."""

    warehouse: str = ".warehouse"
    """Folder or object-store URI that holds the tables, the models and the reports."""
    ray_address: str | None = None
    """Address of a running Ray cluster: auto or ray://HOST:PORT. Null starts a local Ray for the run."""
    jobs_address: str | None = None
    """Address of a cluster's Jobs API, http://HOST:PORT, to which `shopbatch submit` sends jobs."""
    driver_cpus: float = 0.0
    """CPUs that the cluster reserves for the driver of a submitted job. Set it for Spark jobs, which compute in their
    driver."""
    allow_skew: bool = False
    """Whether to run submitted jobs even if the versions of the cluster's libraries differ from the lock file."""
    cpus: int | None = None
    """CPUs that a local Ray or Spark may use. Null means all CPUs of this machine."""
    object_store_mb: int = 1024
    """Memory of a local Ray's object store, in MiB."""
    watchdog_seconds: float = Field(default=40.0, gt=0)
    """Seconds without a finished row or step after which a run looks for the cause, such as a full disk or a lost node.
    The log and the report state the cause. Raise it if single batches take longer than that."""
    spark: Spark = Spark()
    """Where Spark runs. Only jobs that use Spark read this block."""

    _settle = field_validator("warehouse")(folder_or_uri)


class JobConfig(Strict):
    """Base class of every job's configuration: the settings that all jobs have."""

    platform: Platform = Platform()
    """Where the job runs. Nothing in this block changes a result."""
    wait: bool | Annotated[float, Field(ge=0)] = True
    """Whether to wait while another run does the same work, and then use its result. A number: wait for at most so many
    seconds. false: do not wait, but end at once with exit code 4."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that must exist before a run starts."""
        return ()

    def optional_tables(self) -> tuple[str, ...]:
        """Return the names of the tables that a run reads if they exist. The run also works without them."""
        return ()

    def required_models(self) -> dict[str, str]:
        """Return the models that a run loads: {configuration key: the model that it names}.

        A model is named by `name@version`, a package or a folder: {"head": "sentiment@live"}.
        """
        return {}


C = TypeVar("C", bound=JobConfig)
_ENVIRONMENT = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LONGEST_TEXT = 4 * 2**20  # bytes of a text that the configuration names, such as a prompt


def root() -> Path:
    """Return the project folder, which holds `conf/` and possibly `jobs/`.

    It is the first of these that applies:

    - the folder that the variable SHOPBATCH_HOME names, if it is set;
    - the current folder, if it has both `conf/` and `jobs/`, or a file `conf/<env>/platform.yaml`;
    - the packaged project (see `packaged`).
    """
    if home := os.environ.get("SHOPBATCH_HOME"):
        return Path(home)
    here = Path.cwd()
    whole = (here / "conf").is_dir() and (here / "jobs").is_dir()
    return here if whole or any(here.glob("conf/*/platform.yaml")) else packaged()


def packaged() -> Path:
    """Return the folder of the packaged project, which holds the `conf/` and `jobs/` that are installed with shopbatch.

    In a source checkout it is the top folder of the checkout, otherwise a copy inside the installed package.
    """
    package = Path(__file__).resolve().parents[1]
    inside, checkout = package / "_project", package.parents[1]
    return inside if inside.is_dir() else checkout


def project_file(path: str | Path) -> Path:
    """Return a file or folder of the project, or the packaged one if the project folder has none of that name.

    Args:
        path: Path relative to the project folder, such as `conf/prompts/describe.en.md`; `~` and absolute paths work
            too.
    """
    own = root() / Path(os.path.expanduser(path))
    return own if own.exists() or not (packaged() / path).exists() else packaged() / path


def load(cls: type[C], job: str, env: str, overrides: list[str], overlay: str | None = None) -> C:
    """Load and check the configuration of a job from files, environment and overrides.

    Later sources take precedence over earlier ones:

    - `conf/base/<job>.yaml` and `conf/<env>/<job>.yaml` of the packaged project;
    - the project's own `conf/base/<job>.yaml`, `conf/<env>/platform.yaml` and `conf/<env>/<job>.yaml`;
    - the variable SHOPBATCH_WAREHOUSE (for `platform.warehouse`);
    - the overlay file;
    - the overrides.

    Args:
        cls: The job's configuration class.
        job: The job's name; "" to load only the platform.
        env: Name of the environment: a folder in conf/.
        overrides: Items `key.path=value`, each value in YAML.
        overlay: Path of a YAML file that takes precedence over conf/ (option `--with`); None for no such file.

    Returns:
        An instance of `cls`.

    Raises:
        UserError: An environment or key is unknown, a file is not readable as YAML, or a value has a wrong type.
    """
    tree: dict[str, Any] = {}
    for _, layer in layers(job, env, overrides, overlay):
        tree = merge(tree, layer)
    return validate(cls, tree)


def layers(
    job: str, env: str, overrides: Sequence[str], overlay: str | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the sources from which a configuration is merged; later ones take precedence (see `load` for the order).

    Args:
        job: The job's name; "" for the platform alone.
        env: Name of the environment: a folder in conf/.
        overrides: Items `key.path=value`, each value in YAML.
        overlay: Path of a YAML file that takes precedence over conf/; None for no such file.

    Yields:
        The name of the source, such as `conf/local/platform.yaml` or "command line", and its nested mapping of keys and
        values ({} if the file does not exist).

    Raises:
        UserError: The environment is unknown, a file is missing or not readable as YAML, or an override is malformed.
    """
    conf = root() / "conf"
    if not conf.is_dir():
        raise UserError(f"no folder {conf}; set SHOPBATCH_HOME to the folder that holds conf/ and jobs/")
    if not _ENVIRONMENT.fullmatch(env) or not (conf / env).is_dir():
        known = sorted(p.name for p in conf.iterdir() if p.is_dir() and p.name != "base")
        makes = f"; a file conf/{env}/platform.yaml makes it" if _ENVIRONMENT.fullmatch(env) else ""
        raise UserError(f"no environment {env!r} in {conf}; {hint(env, known)}{makes}")
    shipped = packaged() / "conf"
    if shipped.is_dir() and not conf.samefile(shipped):
        for folder in ("base", env):
            yield f"packaged conf/{folder}/{job}.yaml", _read(shipped / folder / f"{job}.yaml")
    yield f"conf/base/{job}.yaml", _read(conf / "base" / f"{job}.yaml")
    yield f"conf/{env}/platform.yaml", {"platform": _read(conf / env / "platform.yaml")}
    yield f"conf/{env}/{job}.yaml", _read(conf / env / f"{job}.yaml")
    if warehouse := os.environ.get("SHOPBATCH_WAREHOUSE"):
        yield "SHOPBATCH_WAREHOUSE", {"platform": {"warehouse": warehouse}}
    if overlay is not None:
        file = overlay_file(overlay)
        if not file.is_file():
            raise UserError(f"--with {overlay}: no such file")
        yield overlay, _read(file)
    for item in overrides:
        yield "command line", override(item)


def platform(env: str) -> Platform:
    """Load the platform settings of an environment (`conf/<env>/platform.yaml`), for commands that run no job."""
    return load(JobConfig, "", env, []).platform


def warehouse(env: str, overrides: Sequence[str] = ()) -> tuple[str, str]:
    """Return the warehouse of an environment, and the name of the source that set it.

    Args:
        env: Name of the environment: a folder in conf/.
        overrides: Items `key.path=value`; all but `platform.warehouse=...` are ignored.

    Returns:
        The folder or URI of the warehouse, and its source: "platform.warehouse=...", "SHOPBATCH_WAREHOUSE", the path of
        platform.yaml, or "the default".
    """
    stated = [item for item in overrides if item.startswith("platform.warehouse=")]
    path = load(JobConfig, "", env, stated).platform.warehouse
    if stated:
        return path, "platform.warehouse=..."
    if os.environ.get("SHOPBATCH_WAREHOUSE"):
        return path, "SHOPBATCH_WAREHOUSE"
    file = root() / "conf" / env / "platform.yaml"
    return path, str(file) if "warehouse" in _read(file) else "the default"


def overlay_file(path: str) -> Path:
    """Return the YAML file that the option `--with` names: that path, or else the same path in the packaged project."""
    own = Path(path)
    return own if own.is_file() or not (packaged() / path).is_file() else packaged() / path


def validate(cls: type[C], tree: dict[str, Any]) -> C:
    """Turn a nested mapping of keys and values into a configuration of the class `cls`.

    Raises:
        UserError: A key or value is wrong; the message names the first wrong one and what would be right.
    """
    try:
        return cls.model_validate(tree)
    except ValidationError as error:
        raise UserError(mistake(cls, error)) from None


def read_text(path: str) -> str:
    """Read a text file that the configuration names, such as a prompt, without white space at both ends.

    Args:
        path: A relative path starts at the project folder, see `project_file`.

    Raises:
        UserError: The file is missing, empty, larger than 4 MiB, or not UTF-8.
    """
    file = project_file(path)
    try:
        text = read_bounded(file, _LONGEST_TEXT).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read as text ({getattr(error, 'strerror', None) or error})") from None
    if not text:
        raise UserError(f"{file}: the file is empty")
    return text


def _read(path: Path) -> dict[str, Any]:
    """Read a YAML file into a mapping; {} if the file is missing, since an environment need not override anything."""
    if not path.exists():
        return {}
    try:
        tree = parse_yaml(read_bounded(path))
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: not valid YAML: {_yaml_problem(error)}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UserError(f"{path}: expected keys and values, found {type(tree).__name__}")
    return tree


def _yaml_problem(error: Exception) -> str:
    """Return what is wrong with a YAML text and on which line, without quoting the text, which may be a secret.

    Args:
        error: A YAMLError, or a ValueError, which comes from a date that does not exist or from bytes that are not
            UTF-8.
    """
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    what = str(problem or "") if isinstance(error, yaml.YAMLError) else one_line(error)
    return what + (f", line {mark.line + 1}" if mark is not None else "")


def override(item: str) -> dict[str, Any]:
    """Parse an override `key.path=value`, whose value is YAML, into a nested mapping ("a.b=1" -> {"a": {"b": 1}}).

    Raises:
        UserError: The item has not the form `key.path=value`, or its value is not YAML.
    """
    key, equals, text = item.partition("=")
    if not equals or not key:
        raise UserError(f"override {item!r}: expected key.path=value")
    try:
        value: Any = parse_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"override {key}=...: the value is not valid YAML ({_yaml_problem(error)})") from None
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge two nested mappings of settings into a new one, in which `over` takes precedence over `base`.

    If `over` changes the `kind` of a block, such as `engine.kind`, its block replaces the old one as a whole, because
    blocks of different kinds have different keys.
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = value
        if isinstance(value, dict) and isinstance(old, dict) and value.get("kind", old.get("kind")) == old.get("kind"):
            merged[key] = merge(old, value)
    return merged
