"""Reads the YAML that a user writes: plain values only, so that a small text cannot become a large or an endless tree.

Anchors, aliases and tags are refused, and so is what is nested deeper, longer or greater than a configuration can be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from shopbatch.core.errors import UserError

_MOST_BYTES = 2**18  # of a file of settings; a parser in Python takes some seconds for it
_DEEPEST = 50
_MOST_DIGITS = 18  # of a whole number: it then fits into 64 bits


class NotPlain(yaml.MarkedYAMLError):
    """It is YAML that is not read: anchors, aliases, tags, a number or a depth beyond the bounds."""


class _Loader(yaml.SafeLoader):
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise NotPlain(problem="anchors and aliases are not read", problem_mark=event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise NotPlain(problem="tags are not read", problem_mark=event.start_mark)
        self.depth += 1
        if self.depth > _DEEPEST:
            raise NotPlain(problem=f"nested deeper than {_DEEPEST}", problem_mark=event.start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_yaml_int(self, node: Any) -> int:
        if len(node.value) <= _MOST_DIGITS + 8 and abs(number := super().construct_yaml_int(node)) < 10**_MOST_DIGITS:
            return number
        problem = f"a whole number of more than {_MOST_DIGITS} digits"
        raise NotPlain(problem=problem, problem_mark=node.start_mark)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def parse_yaml(text: str) -> Any:
    """Parse a text.

    Raises:
        yaml.YAMLError: It is not YAML, or not a plain value.
        ValueError: A date in it does not exist.
    """
    return yaml.load(text, _Loader)  # noqa: S506  # a safe loader, and stricter than SafeLoader


def read_bounded(path: Path, most: int = _MOST_BYTES) -> str:
    """Read a text file of at most so many bytes.

    Raises:
        UserError: It is too large.
        OSError, UnicodeDecodeError: It cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise UserError(f"{path}: larger than {most:,} bytes; expected a small text file")
    return data.decode("utf-8")
