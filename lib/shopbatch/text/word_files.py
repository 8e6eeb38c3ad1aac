"""Loads word lists: YAML files beside the code that uses them, validated by pydantic models.

The functions that use the lists cache them (`functools.lru_cache`), so a process reads each file at most once, and only
if it needs it.
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
    """Base class of the models of word files: an unknown key, or a number in place of a word, is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Words = TypeVar("Words", bound=WordFile)


@dataclass(frozen=True)
class Collection(Generic[Words]):
    """A folder of word files in the same format that come with the package, such as review taxonomies.

    A shop uses one of them by its name, or a file of its own by its path.

    Attributes:
        model: The format of the files.
        package: Dotted name of the package that contains the folder.
        folder: Name of the folder.
        kind: Word for such a file in error messages, such as "taxonomy".
    """

    model: type[Words]
    package: str
    folder: str
    kind: str

    def shipped(self) -> tuple[str, ...]:
        """Return the names of the shipped files, sorted, without ".yaml"."""
        folder = resources.files(self.package).joinpath(self.folder)
        return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))

    def find(self, reference: str) -> tuple[str, Words]:
        """Load a shipped file by name, or a user's file by path.

        Args:
            reference: Name of a shipped file, or path of a YAML file in the same format.

        Returns:
            The name (for a path: its stem), and the content.

        Raises:
            UserError: No shipped file has that name, or the user's file is missing or has another format.
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
    """Return the content of a shipped file, read once per process."""
    return read_words(collection.model, collection.package, f"{collection.folder}/{name}.yaml")


def read_words(model: type[Words], package: str, file: str) -> Words:
    """Read and validate a YAML file of a package.

    Args:
        model: The expected format of the file.
        package: Dotted name of the package that contains the file.
        file: Path of the file inside the package.

    Raises:
        pydantic.ValidationError: The file does not fit the model, which is an error of this project and not the user's.
    """
    text = resources.files(package).joinpath(file).read_text("utf-8")
    return model.model_validate(yaml.load(text, _LOADER))  # noqa: S506 (both loaders are safe)
