"""Every key of a job's configuration with its value now and where that comes from, for `shopbatch config`."""

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
    """A key of a configuration as it stands.

    key: the key with its type, default and meaning.
    value: its value as YAML, secrets hidden; None if it does not apply, see `key.only_for`.
    source: which layer set it: a file, SHOPBATCH_WAREHOUSE, the command line, or the default.
    """

    key: Key
    value: str | None
    source: str


def settings(
    cls: type[JobConfig], job: str, env: str, overrides: Sequence[str] = (), overlay: str | None = None
) -> list[Setting]:
    """List every key of a job's configuration, in the order of its declaration.

    Args: as `config.load`, which also says what is raised.
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
    listed.sort(key=lambda each: each.key.path.partition(".")[0] == "platform")  # the same in every job: at the end
    return listed


def select(listed: Sequence[Setting], name: str) -> list[Setting]:
    """Select a key by its path or the unique end of it, or all keys of a block. UserError if there is none."""
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
    """The value at a path; _MISSING if there is none, as for keys of items of a list and of another kind."""
    for part in path.split("."):
        if not isinstance(tree, Mapping) or part not in tree:
            return _MISSING
        tree = tree[part]
    return tree


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _sources(job: str, env: str, overrides: Sequence[str], overlay: str | None) -> dict[str, str]:
    """Which layer set each value that is not a default. A block that a layer replaced as a whole is that layer's."""
    tree: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, layer in config.layers(job, env, overrides, overlay):
        tree = config.merge(tree, layer)
        sources |= dict.fromkeys((path for path, _ in _leaves(layer)), name)
        there = {path for path, _ in _leaves(tree)}
        sources = {path: source for path, source in sources.items() if path in there}
    return sources


def _source(path: str, sources: Mapping[str, str]) -> str:
    """The layer of a key; that of a mapping's entries if the value is a mapping."""
    inside = [source for key, source in sources.items() if key.startswith(f"{path}.")]
    return sources.get(path) or (inside[-1] if inside else DEFAULT)
