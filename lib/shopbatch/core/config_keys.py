"""Lists every key of a configuration class with type, default and meaning, for `--help`, documentation and tests."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "min_length": "length >=", "max_length": "length <="}
_MISSING = object()  # stands for the default of a key that the user must set


class Key(NamedTuple):
    """One key of a configuration class, as `--help` and the documentation show it.

    Attributes:
        path: The key as an override names it (`engine.batch`). A key of the items of a list reads
            `rules.banned[].word`.
        type: The allowed values as text ("int, >= 1"). A key that only groups other keys has the type `block`.
        default: The default as YAML; None if the user must give a value; "" for a block, whose keys have the defaults.
        meaning: The field's docstring as one line; "" if it has none.
        only_for: The variants of a block that have this key (`engine.kind: openvino, torch`); "" if all have it.
    """

    path: str
    type: str
    default: str | None
    meaning: str
    only_for: str = ""


def describe(cls: type[BaseModel]) -> list[Key]:
    """List every key of a configuration class, including the keys of nested blocks, in the order of the source.

    For a block with several variants (a discriminated union, such as `engine` with its kinds) the keys of all variants
    are listed. A key that variants share appears once if its type, default and meaning are the same in each.
    """
    return list(_keys(cls, None, ""))


def as_yaml(value: Any) -> str:
    """Return a value as one line of YAML, the form that an override expects ({"a": [1, 2]} -> "{a: [1, 2]}")."""
    text = yaml.safe_dump(to_jsonable_python(value), default_flow_style=True, allow_unicode=True, width=2**20)
    return text.removesuffix("...\n").strip()


def _keys(cls: type[BaseModel], defaults: BaseModel | None, prefix: str) -> Iterator[Key]:
    """Yield the keys of one configuration class and of its nested blocks.

    Args:
        cls: The configuration class.
        defaults: An instance whose values replace the defaults of the class; None to use those of the class.
        prefix: Start of the paths, such as "engine."; "" at the top.
    """
    for name, field in cls.model_fields.items():
        path = prefix + name
        default = _default(field) if defaults is None else getattr(defaults, name)
        meaning = " ".join((field.description or "").split())
        blocks, is_list = _blocks(field.annotation)
        is_block = isinstance(default, BaseModel)
        default_text = "" if is_block else None if default is _MISSING else as_yaml(default)
        type_text = "block" if is_block else _with_bounds(_type_text(field.annotation), field.metadata)
        yield Key(path, type_text, default_text, meaning)
        inside = f"{path}[]." if is_list else f"{path}."
        keys = {block: list(_keys(block, default if isinstance(default, block) else None, inside)) for block in blocks}
        if len(keys) == 1:
            yield from keys[blocks[0]]
        elif keys:
            yield from _merged(inside, keys, default)


def _default(field: FieldInfo) -> Any:
    """Return the default of a field, or _MISSING if the user must give a value."""
    return _MISSING if field.is_required() else field.get_default(call_default_factory=True, validated_data={})


def _merged(prefix: str, variants: Mapping[type[BaseModel], list[Key]], default: Any) -> Iterator[Key]:
    """Yield the keys of a block that has several variants; a key that is equal in several variants is yielded once.

    If only some variants have a key, its `only_for` names them.

    Args:
        prefix: Start of the paths, such as "engine.".
        variants: The keys of each variant's class.
        default: The default of the block, whose class gives the default of `kind`.
    """
    kinds = {variant: _kind(variant) for variant in variants}
    choice = f"{prefix}kind"
    meanings = {kinds[v]: key.meaning for v, keys in variants.items() for key in keys if key.path == choice}
    if len(set(meanings.values())) > 1:
        meanings = {"": " ".join(f"{kind}: {meaning}" for kind, meaning in meanings.items())}
    kind_key = Key(choice, " | ".join(kinds.values()), kinds.get(type(default)), next(iter(meanings.values()), ""))
    owners: dict[Key, list[str]] = {}
    for variant, keys in variants.items():
        for key in keys:
            shared = key if key.path != choice else kind_key
            owners.setdefault(shared, []).append(kinds[variant])
    for key, owning in owners.items():
        condition = "" if len(owning) == len(kinds) else f"{choice}: {', '.join(owning)}"
        yield key._replace(only_for="; ".join(filter(None, (condition, key.only_for))))


def _kind(variant: type[BaseModel]) -> str:
    """Return the value of `kind` that selects a variant of a block, or the class name if it has no such key."""
    field = variant.model_fields.get("kind")
    values = get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()
    return str(values[0]) if values else variant.__name__


def _blocks(annotation: Any) -> tuple[list[type[BaseModel]], bool]:
    """Return the configuration classes inside a type, and whether they are the items of a list or mapping.

    `EngineA | EngineB` -> ([EngineA, EngineB], False); `tuple[Rule, ...]` -> ([Rule], True); `int` -> ([], False).
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation], False
    blocks: list[type[BaseModel]] = []
    is_list = get_origin(annotation) in (list, tuple, dict)
    for part in get_args(annotation):
        inner, inner_is_list = _blocks(part)
        blocks += inner
        is_list |= inner_is_list
    return blocks, is_list and bool(blocks)


def _with_bounds(text: str, metadata: Any) -> str:
    """Append the bounds of a field to the text of its type: "int" -> "int, >= 1"."""
    bounds = [
        f"{sign} {getattr(item, name)}"
        for item in metadata
        for name, sign in _BOUNDS.items()
        if getattr(item, name, None) is not None
    ]
    return f"{text}, {', '.join(bounds)}" if bounds else text


def _type_text(annotation: Any) -> str:
    """Describe a type annotation in words for users: `dict[str, int]` -> "mapping of str to int"."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        metadata = [m for item in parts[1:] for m in (item.metadata if isinstance(item, FieldInfo) else [item])]
        return _with_bounds(_type_text(parts[0]), metadata)
    if origin is Literal:
        return " | ".join(str(part) for part in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type_text(part) for part in parts))
    if origin is dict:
        return f"mapping of {_type_text(parts[0])} to {_type_text(parts[1])}"
    if origin in (list, tuple, set, frozenset):
        return f"list of {' and '.join(_type_text(part) for part in parts if part is not Ellipsis)}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "block"
    return "null" if annotation is type(None) else str(getattr(annotation, "__name__", annotation))
