"""Checks tokenizer files of untrusted models: no endless regular expressions, no explosive growth, no outside files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shopbatch.core.errors import UserError
from shopbatch.core.inside import relative_name
from shopbatch.models.errors import ModelError
from shopbatch.models.regexes import Unbounded, check

_STEPS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_MOST_NODES = 20_000  # in all steps together; a step that adds special tokens has about 20
_MOST_REGEXES = 32
_MOST_GROWTH = 256  # maximum factor by which all replacements together can lengthen a text
_HARMLESS = ("special_tokens_map_file",)  # transformers stores it and never reads it


def check_tokenizer(tree: Any, what: str) -> None:
    """Refuse a `tokenizer.json` with steps that may run forever or exhaust the memory.

    Args:
        tree: The content of the file.
        what: Name of the file in an error message.

    Raises:
        ModelError: It is not a tokenizer; or it has a regular expression that may run forever, more than 32 regular
            expressions, more than 20,000 parts, or replacements that can lengthen a text more than 256 times.
    """
    if not isinstance(tree, Mapping) or not isinstance(tree.get("model"), Mapping):
        raise ModelError(f"{what} cannot be read: it is not a tokenizer")
    regexes, growth = 0, 1
    for number, node in enumerate(_nodes([tree.get(step) for step in _STEPS])):
        if number > _MOST_NODES:
            raise ModelError(f"{what} has more than {_MOST_NODES:,} parts in its steps: not what a tokenizer needs")
        if not isinstance(node, Mapping):
            continue
        if isinstance(pattern := node.get("Regex"), str):
            regexes += 1
            _check_regex(pattern, regexes, what)
        if isinstance(added := node.get("content", node.get("prepend")), str):
            growth *= max(1, len(added))
            if growth > _MOST_GROWTH:
                raise ModelError(f"{what} lengthens every text {growth:,} times: not what a tokenizer needs")


def check_tokenizer_config(tree: Mapping[str, Any], what: str) -> None:
    """Refuse a `tokenizer_config.json` that could make transformers read a file outside the model folder.

    Args:
        tree: The content of the file.
        what: Name of the file in an error message.

    Raises:
        ModelError: It names a file outside the folder, or has `init_inputs`, which could name one.
    """
    for key, value in tree.items():
        if key.endswith(("_file", "_files")) and key not in _HARMLESS:
            for name in value if isinstance(value, list) else [value]:
                if name is not None:
                    try:
                        relative_name(name, f"{what}: {key}")
                    except UserError as error:
                        raise ModelError(str(error)) from None
    if tree.get("init_inputs"):
        raise ModelError(f"{what}: init_inputs can name files outside the model; remove this key")


def _check_regex(pattern: str, number: int, what: str) -> None:
    """Raise ModelError if a regular expression may run forever, or if the file has more than 32 of them.

    Args:
        pattern: The expression.
        number: Its number in the file, from 1.
        what: Name of the file in the error message.
    """
    try:
        check(pattern)
    except Unbounded as error:
        shown = pattern if len(pattern) < 60 else f"{pattern[:60]} ..."
        raise ModelError(f"{what}: the regular expression {shown!r} is refused: {error}") from None
    if number > _MOST_REGEXES:
        raise ModelError(f"{what} has more than {_MOST_REGEXES} regular expressions: not what a tokenizer needs")


def _nodes(tree: Any) -> Iterator[Any]:
    """Yield a JSON tree and all values nested in it."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
