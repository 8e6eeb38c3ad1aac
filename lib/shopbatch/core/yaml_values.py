"""Reads YAML that a user wrote, but only plain values, so that a small text cannot become a huge or endless tree.

Anchors, aliases and tags are refused. So are texts that are nested deeper, or numbers that are greater, than any
configuration needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from shopbatch.core.errors import UserError

_MOST_BYTES = 2**18  # size of a settings file; parsing it takes some seconds
_DEEPEST = 50
_MOST_DIGITS = 18  # digits of a whole number, which then fits into 64 bits


class NotPlain(yaml.MarkedYAMLError):
    """The text is valid YAML that shopbatch refuses: an anchor, alias or tag, a huge number, or too deep nesting."""


class _Loader(yaml.SafeLoader):
    """A YAML loader that refuses anchors, aliases, tags, huge whole numbers and deep nesting."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node, and refuse it if it is an alias, has an anchor or a tag, or is nested too deeply."""
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
        """Construct a whole number, and refuse one with more than _MOST_DIGITS digits."""
        if len(node.value) <= _MOST_DIGITS + 8 and abs(number := super().construct_yaml_int(node)) < 10**_MOST_DIGITS:
            return number
        problem = f"a whole number of more than {_MOST_DIGITS} digits"
        raise NotPlain(problem=problem, problem_mark=node.start_mark)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def parse_yaml(text: str) -> Any:
    """Parse a YAML text into dicts, lists and plain values; None for an empty text.

    Raises:
        yaml.YAMLError: The text is not YAML, or is refused as `NotPlain`.
        ValueError: A date in the text does not exist.
    """
    return yaml.load(text, _Loader)  # noqa: S506  # a safe loader, and stricter than SafeLoader


def read_bounded(path: Path, most: int = _MOST_BYTES) -> str:
    """Read a UTF-8 text file that may have at most `most` bytes.

    Raises:
        UserError: The file is larger.
        OSError, UnicodeDecodeError: The file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise UserError(f"{path}: larger than {most:,} bytes; expected a small text file")
    return data.decode("utf-8")
