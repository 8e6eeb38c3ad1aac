"""Typed, strict configuration: `conf/base/<job>.yaml`, laid over by `conf/<env>/` and by overrides.

Called by `job.main`. Imports nothing heavy, so that a typo is found before Ray, Spark or torch is loaded.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from shopbatch.core.errors import UserError
from shopbatch.core.privacy import redact_config


class Strict(BaseModel):
    """Base of every configuration: frozen, and an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Spark(Strict):
    """Where Spark runs. master: None: on this machine. memory: of that one's JVM. conf: any spark.* setting."""

    master: str | None = None
    memory: str = "4g"
    conf: dict[str, str] = {}


class Platform(Strict):
    """Where a job runs (`conf/<env>/platform.yaml`). Nothing here can change a result.

    warehouse: folder or object-store URI that holds the tables.
    ray_address: None starts a local Ray; "auto" or ray://... attaches to a cluster.
    jobs_address: http://HOST:PORT of a cluster's Jobs API, for `shopbatch submit`. driver_cpus: CPUs reserved on the
    cluster for the driver of a submitted job; a Spark that runs beside it needs them. allow_skew: run submitted jobs
    also where the cluster's libraries are not those of the lock file.
    cpus: CPUs given to a local Ray (None: all). object_store_mb: memory of a local Ray's object store.
    """

    warehouse: str = ".warehouse"
    ray_address: str | None = None
    jobs_address: str | None = None
    driver_cpus: float = 0.0
    allow_skew: bool = False
    cpus: int | None = None
    object_store_mb: int = 1024
    spark: Spark = Spark()


class JobConfig(Strict):
    """What every job's configuration has."""

    platform: Platform = Platform()


C = TypeVar("C", bound=JobConfig)


def root() -> Path:
    """The folder that holds `jobs/` and `conf/`: SHOPBATCH_HOME, else the current folder, else this checkout."""
    if home := os.environ.get("SHOPBATCH_HOME"):
        return Path(home)
    here = Path.cwd()
    return here if (here / "conf").is_dir() and (here / "jobs").is_dir() else Path(__file__).resolve().parents[3]


def load(cls: type[C], job: str, env: str, overrides: list[str], overlay: str | None = None) -> C:
    """The resolved configuration of a job.

    overlay: a YAML file that is laid over conf/base and conf/<env>.
    overrides: `key.path=value`, the value in YAML. SHOPBATCH_WAREHOUSE overrides platform.warehouse.
    Raises UserError in one line: unknown environment, unreadable YAML, unknown key, wrong type.
    """
    conf = root() / "conf"
    if not conf.is_dir():
        raise UserError(f"no folder {conf}; SHOPBATCH_HOME is to be the folder that holds conf/ and jobs/")
    if not (conf / env).is_dir():
        known = sorted(p.name for p in conf.iterdir() if p.is_dir() and p.name != "base")
        raise UserError(f"no environment {env!r} in {conf}; there are: {', '.join(known)}")
    tree = _read(conf / "base" / f"{job}.yaml")
    tree = _merge(tree, {"platform": _read(conf / env / "platform.yaml")})
    tree = _merge(tree, _read(conf / env / f"{job}.yaml"))
    if warehouse := os.environ.get("SHOPBATCH_WAREHOUSE"):
        tree = _merge(tree, {"platform": {"warehouse": warehouse}})
    if overlay is not None:
        if not Path(overlay).is_file():
            raise UserError(f"--with {overlay}: no such file")
        tree = _merge(tree, _read(Path(overlay)))
    for item in overrides:
        tree = _merge(tree, override(item))
    return validate(cls, tree)


def platform(env: str) -> Platform:
    """Where an environment runs: `conf/<env>/platform.yaml`, for commands that are no job."""
    return load(JobConfig, "", env, []).platform


def validate(cls: type[C], tree: dict[str, Any]) -> C:
    """`tree` as a `cls`. Raises UserError naming the first key that is wrong and what would be right."""
    try:
        return cls.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = _nearest(str(first["loc"][-1]), _known_keys(cls))
            raise UserError(f"config: unknown key {where!r}{near}") from None
        got = redact_config({str(first["loc"][-1] if first["loc"] else ""): first.get("input")})
        raise UserError(f"config: {where}: {first['msg']} (got {next(iter(got.values()))!r})") from None


def read_text(path: str) -> str:
    """A text that the configuration names, blanks at its ends cut off; a relative path begins at `root()`.

    Raises UserError if it is not there, empty, or not UTF-8.
    """
    file = root() / Path(path).expanduser()
    try:
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read as text ({getattr(error, 'strerror', None) or error})") from None
    if not text:
        raise UserError(f"{file}: it is empty")
    return text


def _known_keys(cls: type[BaseModel]) -> set[str]:
    """All field names of a configuration and of the configurations inside it."""
    names: set[str] = set()
    todo: list[Any] = [cls]
    while todo:
        kind = todo.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= set(kind.model_fields)
            todo += [field.annotation for field in kind.model_fields.values()]
        else:
            todo += getattr(kind, "__args__", ())
    return names


def _nearest(key: str, known: set[str]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(sorted(known))}"


def _read(path: Path) -> dict[str, Any]:
    """A YAML mapping; a file that is not there is empty (overlays are sparse)."""
    if not path.exists():
        return {}
    try:
        tree = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: not valid YAML: {_broken(error)}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UserError(f"{path}: expected keys and values, found {type(tree).__name__}")
    return tree


def _broken(error: Exception) -> str:
    """What is wrong and on which line, without the text itself: it may be a secret.

    ValueError: a day that no month has, or bytes that are no UTF-8.
    """
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    what = str(problem or "") if isinstance(error, yaml.YAMLError) else " ".join(str(error).split())
    return what + (f", line {mark.line + 1}" if mark is not None else "")


def override(item: str) -> dict[str, Any]:
    """`key.path=value`, the value in YAML, as a tree. UserError if it is none."""
    key, equals, text = item.partition("=")
    if not equals or not key:
        raise UserError(f"override {item!r}: expected key.path=value")
    try:
        value: Any = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"override {key}=...: the value is not valid YAML ({_broken(error)})") from None
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`; a block whose `kind` changes is replaced, since its other keys mean other things."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = value
        if isinstance(value, dict) and isinstance(old, dict) and value.get("kind", old.get("kind")) == old.get("kind"):
            merged[key] = _merge(old, value)
    return merged
