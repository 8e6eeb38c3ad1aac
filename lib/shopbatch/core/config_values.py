"""Lists every key of a job's configuration with its current value and its source, for `shopbatch config`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from shopbatch.core import config
from shopbatch.core.config import JobConfig, Key
from shopbatch.core.config_mistakes import hint, keys_of
from shopbatch.core.errors import UserError
from shopbatch.core.privacy import redact_config

DEFAULT = "default"


class Setting(NamedTuple):
    """One key of a job's configuration with its current value.

    Attributes:
        key: The key with its type, default and meaning.
        value: Its value as YAML, with secrets hidden; None if the key does not apply, see `Key.only_for`.
        source: The layer that set the value: a file, SHOPBATCH_WAREHOUSE, "command line" or "default"; "" without a
            value.
    """

    key: Key
    value: str | None
    source: str


def settings(
    cls: type[JobConfig], job: str, env: str, overrides: Sequence[str] = (), overlay: str | None = None
) -> list[Setting]:
    """List the current value and the source of every key of a job's configuration.

    Args:
        cls: The job's configuration class.
        job: The job's name.
        env: Name of the environment: a folder in conf/.
        overrides: Items `key.path=value`, each value in YAML.
        overlay: Path of a YAML file that takes precedence over conf/; None for no such file.

    Returns:
        The settings in the order of their declaration, those of `platform` last. Blocks are left out.

    Raises:
        UserError: The configuration is wrong, as in `config.load`.
    """
    resolved = config.load(cls, job, env, list(overrides), overlay).model_dump(mode="json")
    shown = redact_config(resolved)
    sources = _sources(job, env, overrides, overlay)
    listed = []
    for key in config.describe(cls):
        if key.type == "block":
            continue
        value = _at(shown, key.path)
        text = None if value is _MISSING else config.as_yaml(value)
        listed.append(Setting(key, text, "" if text is None else _source(key.path, sources)))
    listed.sort(key=lambda each: each.key.path.partition(".")[0] == "platform")  # keys that all jobs share come last
    return listed


def select(listed: Sequence[Setting], name: str) -> list[Setting]:
    """Return the settings that a name means: one key, or all keys of a block. For `shopbatch config JOB NAME`.

    Args:
        listed: All settings, as `settings` returns them.
        name: The path of a key or block (`gates`, `engine.batch`), or the end of a path if it is unique (`batch`).

    Raises:
        UserError: No key has this name, or several paths end with it.
    """
    chosen = [each for each in listed if each.key.path == name or each.key.path.startswith((f"{name}.", f"{name}[]"))]
    if chosen:
        return chosen
    ends = [each for each in listed if each.key.path.endswith(f".{name}")]
    if len(ends) == 1:
        return ends
    if ends:
        raise UserError(f"{name!r} is the end of several keys: {', '.join(each.key.path for each in ends)}")
    raise UserError(f"no key {name!r}; {hint(name, keys_of(each.key.path for each in listed))}")


_MISSING = object()


def _at(tree: Any, path: str) -> Any:
    """Return the value at a path such as `engine.batch` in nested mappings.

    Returns:
        The value; _MISSING if the path does not exist. That is so for keys inside a list's items
        (`rules.banned[].word`) and for keys of a variant that is not chosen.
    """
    for part in path.split("."):
        if not isinstance(tree, Mapping) or part not in tree:
            return _MISSING
        tree = tree[part]
    return tree


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, value) for every value in a nested mapping: {"a": {"b": 1}} -> ("a.b", 1)."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _sources(job: str, env: str, overrides: Sequence[str], overlay: str | None) -> dict[str, str]:
    """Return {path: name of the layer that set the value}, such as {"limit": "command line"}.

    Values that no layer sets (defaults) are missing. If a layer replaces a whole block, the values that earlier layers
    set in this block are dropped.
    """
    tree: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, layer in config.layers(job, env, overrides, overlay):
        tree = config.merge(tree, layer)
        sources |= dict.fromkeys((path for path, _ in _leaves(layer)), name)
        there = {path for path, _ in _leaves(tree)}
        sources = {path: source for path, source in sources.items() if path in there}
    return sources


def _source(path: str, sources: Mapping[str, str]) -> str:
    """Return the name of the layer that set a key, or DEFAULT if none did.

    For a key whose value is a mapping, it is the layer that set the mapping's last entry.

    Args:
        path: The path of the key.
        sources: The layer by path, as `_sources` returns it.
    """
    inside = [source for key, source in sources.items() if key.startswith(f"{path}.")]
    return sources.get(path) or (inside[-1] if inside else DEFAULT)
