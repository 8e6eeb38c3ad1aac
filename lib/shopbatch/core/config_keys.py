"""Every key of a configuration class with its type, default and meaning, for `--help`, documentation and tests."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "min_length": "length >=", "max_length": "length <="}
_MISSING = object()  # the default of a key that has to be given


class Key(NamedTuple):
    """One key of a configuration.

    path: the key as an override names it (`engine.batch`). A key of the items of a list reads `rules.banned[].word`.
    type: the values that are allowed, as text. A key that only groups others has the type `block`.
    default: the default as YAML; None if the key has to be given, "" if it is a block, whose keys have defaults.
    meaning: the field's docstring as one line; "" if it has none.
    only_for: which choice of a block has the key (`engine.kind: openvino, torch`); "" if all have it.
    """

    path: str
    type: str
    default: str | None
    meaning: str
    only_for: str = ""


def describe(cls: type[BaseModel]) -> list[Key]:
    """List every key of a configuration class, also those of the blocks inside it, in the order of the source.

    A block with several variants (a discriminated union) lists the keys of all of them. A key that the variants
    share appears once if its type, default and meaning are the same in each.
    """
    return list(_keys(cls, None, ""))


def as_yaml(value: Any) -> str:
    """Return a value as one line of YAML, the form in which an override expects it."""
    text = yaml.safe_dump(to_jsonable_python(value), default_flow_style=True, allow_unicode=True, width=2**20)
    return text.removesuffix("...\n").strip()


def _keys(cls: type[BaseModel], defaults: BaseModel | None, prefix: str) -> Iterator[Key]:
    """The keys of one class. defaults: an instance whose values replace the defaults of the class."""
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
    return _MISSING if field.is_required() else field.get_default(call_default_factory=True, validated_data={})


def _merged(prefix: str, variants: Mapping[type[BaseModel], list[Key]], default: Any) -> Iterator[Key]:
    """The keys of a block's variants, equal ones once; a key that not all variants have names those that do."""
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
    """The value of `kind` that selects a variant, or its class name if it has no such key."""
    field = variant.model_fields.get("kind")
    values = get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()
    return str(values[0]) if values else variant.__name__


def _blocks(annotation: Any) -> tuple[list[type[BaseModel]], bool]:
    """The configuration classes in a type, and whether they are the items of a list or mapping."""
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
    bounds = [
        f"{sign} {getattr(item, name)}"
        for item in metadata
        for name, sign in _BOUNDS.items()
        if getattr(item, name, None) is not None
    ]
    return f"{text}, {', '.join(bounds)}" if bounds else text


def _type_text(annotation: Any) -> str:
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
