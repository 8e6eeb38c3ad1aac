"""Words that are data: YAML files beside the code that reads them, checked when they are loaded.

A reader keeps what it has loaded (`functools.lru_cache`), so a process reads each file at most once, and only if it
needs the words.
"""

from __future__ import annotations

from importlib import resources
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C loader is ten times as fast; wheels have it


class WordFile(BaseModel):
    """Base of what a word file holds: an unknown key, or a number where a word should be, is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Words = TypeVar("Words", bound=WordFile)


def read_words(model: type[Words], package: str, file: str) -> Words:
    """Read a YAML file of a package.

    Args:
        model: What the file must hold.
        package: Dotted name of the package that the file lies in.
        file: Path of the file inside the package.

    Raises:
        pydantic.ValidationError: The file does not fit the model, which is an error of this project and not the user's.
    """
    text = resources.files(package).joinpath(file).read_text("utf-8")
    return model.model_validate(yaml.load(text, _LOADER))  # noqa: S506 (both loaders are safe)
