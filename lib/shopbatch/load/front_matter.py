"""The front matter of a policy's file: what it says, and one clear line where it says it wrongly.

The file begins with a line `---`, then come YAML and another line `---`. Every value is read as the words that stand
there, so that `4.90` stays `4.90` and the market `NO` is no Boolean.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, ValidationError

from shopbatch.core.errors import UserError, one_line
from shopbatch.core.nearest import hint
from shopbatch.load import words
from shopbatch.text.word_files import WordFile

BOM = "\ufeff"
_FENCED = re.compile(r"---[ \t]*(?:\r\n|\n|\r)(.*?)^(?:---|\.\.\.)[ \t]*(?:\r\n|\n|\r|\Z)", re.S | re.M)
_NAME = re.compile(r"\w[\w.:/-]{0,99}")
_ROLE = re.compile(r"[a-z][a-z0-9_]{0,49}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NOTHING = ("", "~", "null")
_LONGEST = 50_000  # characters of front matter


class _Loader(yaml.BaseLoader):
    """Makes text, lists and mappings and nothing else.

    Refuses a key that stands twice, of which YAML would keep the last, and references, by which a few lines can stand
    for billions of values. The loader in C would overflow the stack on brackets that are nested very deeply, and end
    the process.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # type: ignore[no-untyped-call]
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "references (*name) are not read", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((key for place, key in enumerate(keys) if key in keys[:place]), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"{twice!r} stands there twice", node.start_mark)
        return dict(super().construct_mapping(node, deep=deep))  # type: ignore[no-untyped-call]


def _name(value: Any) -> Any:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"{_shown(value)} is no name: letters, digits and _ - . : / without blanks")
    return value


def _names(value: Any) -> Any:
    return [_name(item) for item in (value if isinstance(value, list) else [value])]


def _language(value: Any) -> Any:
    code = words.language(value) if isinstance(value, str) else None
    if code is None:
        raise ValueError(f"{_shown(value)} is no language: write its ISO 639-1 code, such as en or zh")
    return code


def _day(value: Any) -> Any:
    try:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise ValueError
        return dt.date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{_shown(value)} is no date: write YYYY-MM-DD") from None


def _role(value: Any) -> Any:
    if not isinstance(value, str) or not _ROLE.fullmatch(value):
        raise ValueError(f"{_shown(value)} is no role: small letters, digits and _, such as return_days")
    return value


def _stated(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


def _some_words(value: Any) -> Any:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("write the words of the text, such as 30 days")
    return value.strip()


def _shown(value: Any) -> str:
    return repr(value if isinstance(value, str) else "a list or mapping")[:80]


Name = Annotated[str, BeforeValidator(_name)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Day = Annotated[dt.date, BeforeValidator(_day)]


class StatedValue(WordFile):
    """Which words of the text are a value. occurrence: which of several equal places is meant, from 1 on."""

    text: Annotated[str, BeforeValidator(_some_words)]
    occurrence: Annotated[int, Field(ge=1)] | None = None


Values = dict[Annotated[str, BeforeValidator(_role)], Annotated[StatedValue, BeforeValidator(_stated)]]


class SectionMatter(WordFile):
    """What the front matter says of one section. Without intents the section has those of the file."""

    intents: Names | None = None
    values: Values = Field(default_factory=dict)


class FrontMatter(WordFile):
    """All that the front matter may say; docs/your-data.md explains the keys."""

    id: Name
    language: Annotated[str, BeforeValidator(_language)]
    market: Name | None = None
    intents: Names | None = None
    valid_from: Day | None = None
    valid_to: Day | None = None
    values: Values = Field(default_factory=dict)
    sections: dict[str, SectionMatter] = Field(default_factory=dict)


def has_front_matter(text: str) -> bool:
    """Return whether a file begins as one with front matter does; it may begin with a byte-order mark."""
    return text.startswith("---", len(BOM) if text.startswith(BOM) else 0)


def parse(text: str) -> tuple[FrontMatter, int]:
    """Parse the front matter of a file.

    Args:
        text: The whole file; it may begin with a byte-order mark.

    Returns:
        What it says, and where the rest of the file begins, in characters.

    Raises:
        UserError: There is none, or it is wrong. The message does not name the file.
    """
    begin = len(BOM) if text.startswith(BOM) else 0
    fenced = _FENCED.match(text, begin)
    if fenced is None:
        raise UserError("no front matter: the file must begin with a line ---, what it is about, and a line ---")
    if len(fenced[1]) > _LONGEST:
        raise UserError(f"the front matter is longer than {_LONGEST:,} characters")
    try:
        said = yaml.load(fenced[1], _Loader)  # noqa: S506 (makes text, lists and mappings)
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"the front matter is no YAML: {_yaml_fault(error)}") from None
    if not isinstance(said, dict):
        raise UserError("the front matter holds no keys: write `id: ...`, `language: ...` and `intents: [...]`")
    try:
        matter = FrontMatter.model_validate(_without_nothing(said))
    except ValidationError as error:
        raise UserError(_fault(error)) from None
    if matter.valid_from and matter.valid_to and matter.valid_to < matter.valid_from:
        raise UserError(f"valid_to {matter.valid_to} is before valid_from {matter.valid_from}")
    return matter, fenced.end()


def _without_nothing(said: Mapping[Any, Any]) -> dict[Any, Any]:
    """Leave out the keys that have no value, at every level."""
    kept = {key: value for key, value in said.items() if not (isinstance(value, str) and value in _NOTHING)}
    return {key: _without_nothing(value) if isinstance(value, dict) else value for key, value in kept.items()}


def _yaml_fault(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 2}: {one_line(error.problem or error.context)}"
    return one_line(error, 200) if isinstance(error, yaml.YAMLError) else "it is nested too deeply"


def _fault(error: ValidationError) -> str:
    """Say the first fault in one line: where it is, and what is wrong."""
    first = error.errors(include_url=False)[0]
    *outer, last = where = [str(part) for part in first["loc"] if part != "[key]"]
    place = f"{' > '.join(where)}: "
    if first["type"] == "extra_forbidden":
        known = _keys_at(outer)
        return f"unknown key {last!r}{' in ' + ' > '.join(outer) if outer else ''}: {hint(last, known)}"
    if first["type"] == "missing":
        return f"{place}is missing"
    if first["type"] == "value_error":
        return place + one_line(first["ctx"]["error"], 300)
    return place + one_line(first["msg"], 200)


def _keys_at(outer: list[str]) -> list[str]:
    model: type[WordFile] = FrontMatter
    if outer and "values" in outer:
        model = StatedValue
    elif outer:
        model = SectionMatter
    return list(model.model_fields)
