"""Typed, strict configuration: `conf/base/<job>.yaml`, overridden by `conf/<env>/` and by the command line.

A shop's own project folder needs only the files in which it differs: what it lacks comes from the project that the
package brings along.

Imports nothing heavy, so a typo is reported before Ray, Spark or torch is loaded.
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
    """Base of every configuration: values cannot be changed after loading, and an unknown key is an error.

    The docstring under a field is its meaning, which `describe`, `--help` and the documentation show.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Spark(Strict):
    """Where Spark runs."""

    master: str | None = None
    """Address of Spark's cluster, such as spark://HOST:7077. Null starts Spark inside this process."""
    memory: str = "4g"
    """Heap of the Java virtual machine of a Spark on this machine, such as 4g or 512m."""
    conf: dict[str, str] = {}
    """Any further spark.* settings. They take precedence over the settings of the project."""


class Platform(Strict):
    """Where a job runs (`conf/<env>/platform.yaml`). Nothing here can change a result."""

    warehouse: str = ".warehouse"
    """Folder or object-store URI that holds the tables, the models and the reports."""
    ray_address: str | None = None
    """Address of a running Ray cluster: auto or ray://HOST:PORT. Null starts a local Ray for the run."""
    jobs_address: str | None = None
    """Address of a cluster's Jobs API, http://HOST:PORT. `shopbatch submit` sends jobs there."""
    driver_cpus: float = 0.0
    """CPUs that the cluster reserves for the driver of a submitted job. A Spark job computes in its driver."""
    allow_skew: bool = False
    """Run submitted jobs even if the cluster's libraries differ from the lock file."""
    cpus: int | None = None
    """CPUs that a local Ray or Spark may use. Null means all of this machine."""
    object_store_mb: int = 1024
    """Memory of a local Ray's object store, in MiB."""
    watchdog_seconds: float = Field(default=40.0, gt=0)
    """A stage of rows or steps that makes no progress for so many seconds is looked into; log and report say why."""
    spark: Spark = Spark()
    """Where Spark runs, for the jobs that use Spark."""

    _settle = field_validator("warehouse")(folder_or_uri)


class JobConfig(Strict):
    """Base of every job's configuration."""

    platform: Platform = Platform()
    """Where the job runs. Nothing in this block changes a result."""
    wait: bool | Annotated[float, Field(ge=0)] = True
    """Whether to wait while another run does the same work; its result is then used, and nothing is computed twice. A
    number: for at most so many seconds. false: end at once with exit code 4."""

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables that must exist before a run starts."""
        return ()

    def optional_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads if they exist."""
        return ()

    def required_models(self) -> dict[str, str]:
        """Return the models that a run loads: configuration key -> name@version, name of a package, or folder."""
        return {}


C = TypeVar("C", bound=JobConfig)
_ENVIRONMENT = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LONGEST_TEXT = 4 * 2**20  # bytes of a text that the configuration names, such as a prompt


def root() -> Path:
    """Return the project folder, which holds `conf/` and maybe `jobs/`.

    It is SHOPBATCH_HOME if that is set, else the current folder if it has both or a `conf/<env>/platform.yaml`, else
    the project that the package brings along.
    """
    if home := os.environ.get("SHOPBATCH_HOME"):
        return Path(home)
    here = Path.cwd()
    whole = (here / "conf").is_dir() and (here / "jobs").is_dir()
    return here if whole or any(here.glob("conf/*/platform.yaml")) else packaged()


def packaged() -> Path:
    """Return the project that the package brings along: this checkout, or a copy inside the installed package."""
    package = Path(__file__).resolve().parents[1]
    inside, checkout = package / "_project", package.parents[1]
    return inside if inside.is_dir() else checkout


def project_file(path: str | Path) -> Path:
    """Return a file or folder of the project; the packaged one if the project folder has none of that name."""
    own = root() / Path(os.path.expanduser(path))
    return own if own.exists() or not (packaged() / path).exists() else packaged() / path


def load(cls: type[C], job: str, env: str, overrides: list[str], overlay: str | None = None) -> C:
    """Load the resolved configuration of a job.

    Later sources take precedence: the packaged `conf/base/<job>.yaml` and `conf/<env>/<job>.yaml`, then the project's
    own `conf/base/<job>.yaml`, `conf/<env>/platform.yaml` and `conf/<env>/<job>.yaml`, the variable
    SHOPBATCH_WAREHOUSE (for `platform.warehouse`), the overlay, the overrides.

    Args:
        cls: The job's configuration class.
        job: The job's name; "" for the platform alone.
        env: Name of a folder in conf/.
        overrides: Items `key.path=value`, each value in YAML.
        overlay: A YAML file that takes precedence over conf/.

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
    """Yield the trees that a configuration is merged from, each with its name; later ones take precedence.

    Raises UserError as `load` does.
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
    """Load where an environment runs (`conf/<env>/platform.yaml`), for commands that run no job."""
    return load(JobConfig, "", env, []).platform


def warehouse(env: str, overrides: Sequence[str] = ()) -> tuple[str, str]:
    """Return the warehouse of an environment, and what names it: an override, SHOPBATCH_WAREHOUSE, or a file."""
    stated = [item for item in overrides if item.startswith("platform.warehouse=")]
    path = load(JobConfig, "", env, stated).platform.warehouse
    if stated:
        return path, "platform.warehouse=..."
    if os.environ.get("SHOPBATCH_WAREHOUSE"):
        return path, "SHOPBATCH_WAREHOUSE"
    file = root() / "conf" / env / "platform.yaml"
    return path, str(file) if "warehouse" in _read(file) else "the default"


def overlay_file(path: str) -> Path:
    """Return the file that `--with` names: as the path says, or else that file of the packaged project."""
    own = Path(path)
    return own if own.is_file() or not (packaged() / path).is_file() else packaged() / path


def validate(cls: type[C], tree: dict[str, Any]) -> C:
    """Turn a tree of keys and values into a configuration.

    Raises:
        UserError: A key or value is wrong; the message names the first one and what would be right.
    """
    try:
        return cls.model_validate(tree)
    except ValidationError as error:
        raise UserError(mistake(cls, error)) from None


def read_text(path: str) -> str:
    """Read a text file that the configuration names, without blanks at both ends.

    Args:
        path: A relative path starts at the project folder, see `project_file`.

    Raises:
        UserError: The file is missing, empty, or not UTF-8.
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
    """Read a YAML mapping. A missing file counts as empty: an environment overrides only what it needs to."""
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
    """Return what is wrong and on which line, without quoting the text, which may be a secret.

    A ValueError comes from a date that does not exist or from bytes that are not UTF-8.
    """
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    what = str(problem or "") if isinstance(error, yaml.YAMLError) else one_line(error)
    return what + (f", line {mark.line + 1}" if mark is not None else "")


def override(item: str) -> dict[str, Any]:
    """Parse `key.path=value`, the value in YAML, into a tree.

    Raises:
        UserError: The item is not of that form.
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
    """Merge two trees; `over` takes precedence.

    A block whose `kind` changes is replaced as a whole, since the keys of another kind are different ones.
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = value
        if isinstance(value, dict) and isinstance(old, dict) and value.get("kind", old.get("kind")) == old.get("kind"):
            merged[key] = merge(old, value)
    return merged
