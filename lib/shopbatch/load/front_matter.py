"""Parses the front matter of a policy's Markdown file, and reports the first fault in one clear line.

Front matter is YAML at the beginning of the file, between two lines `---`. Every value is read as text, so that `4.90`
stays `4.90` and the market `NO` does not become a Boolean.
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
    """A YAML loader that makes only text, lists and mappings, for files that may be hostile.

    It refuses a key that occurs twice in a mapping, of which YAML would keep the last, and references (`*name`), by
    which a few lines can expand to billions of values. It is pure Python, because the loader in C would overflow the
    stack on very deeply nested brackets and end the process.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse references (`*name`); all other nodes are composed as usual."""
        if self.check_event(yaml.AliasEvent):  # type: ignore[no-untyped-call]
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "references (*name) are not read", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that occurs twice in a mapping; all other mappings are made as usual."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((key for place, key in enumerate(keys) if key in keys[:place]), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"{twice!r} stands there twice", node.start_mark)
        return dict(super().construct_mapping(node, deep=deep))  # type: ignore[no-untyped-call]


def _name(value: Any) -> Any:
    """Validate an id, intent or market: return the value if it is a name. ValueError if not."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"{_shown(value)} is no name: letters, digits and _ - . : / without blanks")
    return value


def _names(value: Any) -> Any:
    """Validate intents: return one name, or a list of names, as a list. ValueError if one is no name."""
    return [_name(item) for item in (value if isinstance(value, list) else [value])]


def _language(value: Any) -> Any:
    """Validate a language: return its ISO 639-1 code ("German" -> "de"). ValueError if it is unknown."""
    code = words.language(value) if isinstance(value, str) else None
    if code is None:
        raise ValueError(f"{_shown(value)} is no language: write its ISO 639-1 code, such as en or zh")
    return code


def _day(value: Any) -> Any:
    """Parse a date YYYY-MM-DD. ValueError for any other text."""
    try:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise ValueError
        return dt.date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{_shown(value)} is no date: write YYYY-MM-DD") from None


def _role(value: Any) -> Any:
    """Validate the name of a role, such as return_days: return it as it is. ValueError if it has another form."""
    if not isinstance(value, str) or not _ROLE.fullmatch(value):
        raise ValueError(f"{_shown(value)} is no role: small letters, digits and _, such as return_days")
    return value


def _stated(value: Any) -> Any:
    """Convert a passage without further keys, `return_days: 30 days`, into its long form `{text: 30 days}`."""
    return {"text": value} if isinstance(value, str) else value


def _some_words(value: Any) -> Any:
    """Validate a passage, such as "30 days": return it trimmed. ValueError if it is blank."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("write the words of the text, such as 30 days")
    return value.strip()


def _shown(value: Any) -> str:
    """Return a value as an error message shows it, at most 80 characters."""
    return repr(value if isinstance(value, str) else "a list or mapping")[:80]


Name = Annotated[str, BeforeValidator(_name)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Day = Annotated[dt.date, BeforeValidator(_day)]


class StatedValue(WordFile):
    """A passage of a policy's text that states a fact, such as "30 days" for the time to return goods.

    Attributes:
        text: The passage, such as "30 days".
        occurrence: Which occurrence of the passage in the text is meant, from 1; None: it must occur exactly once.
    """

    text: Annotated[str, BeforeValidator(_some_words)]
    occurrence: Annotated[int, Field(ge=1)] | None = None


Values = dict[Annotated[str, BeforeValidator(_role)], Annotated[StatedValue, BeforeValidator(_stated)]]


class SectionMatter(WordFile):
    """The front matter's entry for one section of the file.

    Attributes:
        intents: The intents (kinds of customers' questions) that the section answers; None: those of the file.
        values: Role, such as `return_days` -> the passage of this section that states its value.
    """

    intents: Names | None = None
    values: Values = Field(default_factory=dict)


class FrontMatter(WordFile):
    """The parsed front matter of one policy file; docs/your-data.md explains the keys.

    Attributes:
        id: The policy's id.
        language: ISO 639-1 code of the language.
        market: The market in which the policy is valid; None: all markets.
        intents: The intents (kinds of customers' questions) of all sections that state none; None: every section must
            state its own.
        valid_from: First day on which the policy is valid; None: no limit.
        valid_to: Last day on which the policy is valid; None: no limit.
        values: Role, such as `return_days` -> the passage that states its value, anywhere in the file.
        sections: Heading -> the entry for the section under it.
    """

    id: Name
    language: Annotated[str, BeforeValidator(_language)]
    market: Name | None = None
    intents: Names | None = None
    valid_from: Day | None = None
    valid_to: Day | None = None
    values: Values = Field(default_factory=dict)
    sections: dict[str, SectionMatter] = Field(default_factory=dict)


def has_front_matter(text: str) -> bool:
    """Return True if a file's text begins with `---`, after a byte-order mark if there is one."""
    return text.startswith("---", len(BOM) if text.startswith(BOM) else 0)


def parse(text: str) -> tuple[FrontMatter, int]:
    """Parse the front matter of a file.

    Args:
        text: The whole file; it may begin with a byte-order mark.

    Returns:
        The front matter, and the position in characters at which the rest of the file begins.

    Raises:
        UserError: The front matter is missing or wrong. The message does not name the file.
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
    """Return a mapping without the keys that have no value (empty, `~` or `null`), at every level."""
    kept = {key: value for key, value in said.items() if not (isinstance(value, str) and value in _NOTHING)}
    return {key: _without_nothing(value) if isinstance(value, dict) else value for key, value in kept.items()}


def _yaml_fault(error: Exception) -> str:
    """Return one line that says why the YAML cannot be parsed, with the line number in the file if it is known."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 2}: {one_line(error.problem or error.context)}"
    return one_line(error, 200) if isinstance(error, yaml.YAMLError) else "it is nested too deeply"


def _fault(error: ValidationError) -> str:
    """Return one line that names the first invalid key of the front matter and what is wrong with it."""
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
    """Return the keys that are allowed at a place in the front matter.

    Args:
        outer: The keys that lead to the place; [] for the top level.
    """
    model: type[WordFile] = FrontMatter
    if outer and "values" in outer:
        model = StatedValue
    elif outer:
        model = SectionMatter
    return list(model.model_fields)
