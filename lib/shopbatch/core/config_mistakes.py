"""Explains what is wrong with a configuration in one line that also says what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from pydantic import BaseModel, ValidationError

from shopbatch.core.config_keys import as_yaml, describe
from shopbatch.core.privacy import redact_config

_MOST = 3  # number of keys that a hint names at most
_PART = 4  # least length of a name that is searched for inside the known keys
_EXPECTED = {  # beginning of pydantic's error type -> what would be right
    ("int_",): "a whole number",
    ("float_",): "a number",
    ("bool_",): "true or false",
    ("string_",): "a text",
}
_WORDS = {"Input should be": "must be", "Tuple should have": "must have", "Field required": "a key is missing"}
_LISTS = ("tuple_type", "list_type", "set_type", "frozen_set_type")
_BLOCKS = ("model_type", "model_attributes_type", "dict_type", "dataclass_type")


def mistake(cls: type[BaseModel], error: ValidationError) -> str:
    """Describe the first mistake in a configuration as one line for the user.

    Args:
        cls: The class of the configuration.
        error: The error that its validation raised.

    Returns:
        One line, such as `config: limit: expected a whole number (got 'many')`. Only the part behind ` (got ` repeats
        the user's value, with secrets hidden.
    """
    errors = error.errors()
    first = errors[0]
    known = keys_of(key.path for key in describe(cls))
    where = _path(first["loc"], known)
    if first["type"] == "missing" and (misspelt := _beside(first, errors)):
        unknown = _path(misspelt["loc"], known)
        return f"config: {where!r} is missing, and {unknown!r} is an unknown key; {hint(unknown, known)}"
    if first["type"] == "extra_forbidden":
        return f"config: unknown key {where!r}; {hint(where, known)}"
    if first["type"] == "union_tag_invalid":  # an unknown kind of a block
        kinds, tag = first["ctx"]["expected_tags"], first["ctx"]["tag"]
        return f"config: {where}.{first['ctx']['discriminator'].strip(chr(39))}: expected {kinds} (got {tag!r})"
    said, write = _explained(first, where, known)
    got = redact_config({where.rpartition(".")[2]: first.get("input")})
    value = next(iter(got.values()))
    return f"config: {where}: {said} (got {value!r}{write(value) if write else ''})"


def _beside(missing: Mapping[str, Any], errors: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the error about an unknown key beside a missing one, since it is often a misspelling of the missing key.

    Args:
        missing: Pydantic's error about the missing key.
        errors: All errors of the validation.

    Returns:
        Pydantic's error about the first unknown key in the same block; None if that block has no unknown key.
    """
    block = missing["loc"][:-1]
    return next((e for e in errors if e["type"] == "extra_forbidden" and e["loc"][:-1] == block), None)


def keys_of(paths: Iterable[str]) -> list[str]:
    """List all keys and the blocks that contain them, in the form that an override uses, as input of `hint`.

    ["gates.rows", "rules[].word"] -> ["gates", "gates.rows", "rules", "rules.word"]
    """
    known: dict[str, None] = {}
    for path in paths:
        parts = path.replace("[]", "").split(".")
        known |= dict.fromkeys(".".join(parts[: n + 1]) for n in range(len(parts)))
    return list(known)


def hint(name: str, known: Sequence[str]) -> str:
    """Return a hint for an unknown key: "did you mean 'gates.rows'?", or how to list the keys if no key is similar.

    Args:
        name: The unknown key.
        known: All keys, as `keys_of` returns them.
    """
    block, _, leaf = name.rpartition(".")
    ends = [key for key in known if key.rpartition(".")[2] == leaf]
    near = {key: _likeness(leaf, key.rpartition(".")[2]) for key in known}
    beside = [key for key in known if key.rpartition(".")[0] == block and near[key] >= 0.6]
    part_of = {key for key in known if len(leaf) >= _PART and leaf in key.rpartition(".")[2]}
    anywhere = [key for key in known if near[key] >= 0.75 or key in part_of]
    best = max(beside, key=near.__getitem__, default="")
    meant = ends or ([best] if best else sorted(anywhere, key=lambda key: -near[key]))
    if not meant:
        return "`shopbatch config JOB` lists the keys"
    named = [repr(key) for key in meant[:_MOST]]
    return f"did you mean {' or '.join([', '.join(named[:-1]), named[-1]]) if named[1:] else named[0]}?"


def _likeness(one: str, other: str) -> float:
    """Return how similar two names are, from 0 to 1."""
    return SequenceMatcher(None, one, other).ratio()


def _path(loc: Sequence[int | str], known: Sequence[str]) -> str:
    """Return the path of a key, in the form that an override uses, from the `loc` of an error of pydantic.

    Pydantic's `loc` also contains the kind of a block; it is left out: ("engine", "openvino", "batch") ->
    "engine.batch".

    Args:
        loc: The keys and list indices that lead to the key.
        known: All keys, as `keys_of` returns them.
    """
    path = ""
    for number, part in enumerate(loc):
        longer = f"{path}.{part}" if path else str(part)
        if isinstance(part, str) and (longer in known or number == len(loc) - 1):
            path = longer
    return path


def _explained(first: Mapping[str, Any], where: str, known: Sequence[str]) -> tuple[str, Any]:
    """Explain one of pydantic's errors.

    Args:
        first: The error.
        where: Path of the wrong key.
        known: All keys, as `keys_of` returns them.

    Returns:
        A pair. First, what would be right, such as "expected a list". Second, a function that returns advice for the
        wrong value, such as "; write a=[x]", or "" for none. It is None for kinds of errors without advice.
    """
    kind, context = str(first["type"]), first.get("ctx", {})
    if kind in _LISTS:
        return "expected a list", lambda v: f"; write {where}={as_yaml([v])}" if isinstance(v, str | Mapping) else ""
    if kind in _BLOCKS:
        inside = [key for key in known if key.startswith(f"{where}.")]
        kinds = f"; write {where}.kind=..." if f"{where}.kind" in inside else ""
        return f"expected keys and values{': ' + ', '.join(inside[:_MOST]) if inside else ''}", lambda _: kinds
    if kind == "literal_error":
        return f"expected {context['expected']}", None
    for begins, expected in _EXPECTED.items():
        if kind.startswith(begins) and kind.endswith(("_type", "_parsing", "_from_float")):
            return f"expected {expected}", None
    text = str(first["msg"]).removeprefix("Value error, ")
    for words, instead in _WORDS.items():
        text = text.replace(words, instead, 1)
    return text, None
