"""Words that are data: YAML files beside the code that reads them, checked when they are loaded.

A reader keeps what it has loaded (`functools.lru_cache`), so a process reads each file at most once, and only if it
needs the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from shopbatch.core.errors import UserError

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C loader is ten times as fast; wheels have it


class WordFile(BaseModel):
    """Base of what a word file holds: an unknown key, or a number where a word should be, is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Words = TypeVar("Words", bound=WordFile)


@dataclass(frozen=True)
class Collection(Generic[Words]):
    """Word files of one form that ship, and which a shop may replace by a file of its own.

    Attributes:
        model: What a file must hold.
        package: Dotted name of the package that their folder lies in.
        folder: The folder.
        kind: What one of them is called in messages.
    """

    model: type[Words]
    package: str
    folder: str
    kind: str

    def shipped(self) -> tuple[str, ...]:
        """The names of those that ship."""
        folder = resources.files(self.package).joinpath(self.folder)
        return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))

    def find(self, reference: str) -> tuple[str, Words]:
        """Find one.

        Args:
            reference: The name of one that ships, or the path of a YAML file of that form.

        Returns:
            Its name (of a file: the stem), and what it holds.

        Raises:
            UserError: There is none of that name, or the file is not one.
        """
        if reference in self.shipped():
            return reference, _shipped(self, reference)
        path = Path(reference)
        if path.suffix not in (".yaml", ".yml") or not path.is_file():
            names = ", ".join(self.shipped())
            raise UserError(f"{self.kind} {reference[:100]!r}: name one of {names}, or a YAML file of that form")
        try:
            return path.stem, self.model.model_validate(yaml.safe_load(path.read_text("utf-8")))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"{self.kind} {path.name}: it is not YAML ({type(error).__name__})") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = "".join(f"{part}." for part in first["loc"])[:-1]
            raise UserError(f"{self.kind} {path.name}: {f'{where}: ' if where else ''}{first['msg']}") from None


@lru_cache(maxsize=32)
def _shipped(collection: Collection[Words], name: str) -> Words:
    return read_words(collection.model, collection.package, f"{collection.folder}/{name}.yaml")


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
