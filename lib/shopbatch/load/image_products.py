"""Which products the picture in a file shows."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from shopbatch.core.errors import UserError, one_line
from shopbatch.tables.products import PRODUCTS
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Store

_FILE, _PRODUCT = ("file", "product_id")
_NUMBERED = re.compile(r"^(.+?)[_ -]+\d{1,3}$")
_MOST_LINE = 2**20


@dataclass(frozen=True)
class Owners:
    """The products of files.

    A list of files and products decides, where the user names one. Otherwise it is the product whose `image_path` is
    this file, or whose `image_path` or `image_url` ends with its name; then the product whose id is the file's name,
    without its ending and, if there is no such product, without a number at its end (`B17_2.jpg`); then the product
    whose id is the name of the folder that it is in. Without a catalogue the name of the file is taken for a product.

    Attributes:
        listed: Products by file, of the user's list; None: there is none.
        stated: Products by file or its name, of the catalogue's own columns.
        products: The ids of all products; empty: there is no catalogue.
    """

    listed: Mapping[str, tuple[str, ...]] | None = None
    stated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    products: frozenset[str] = frozenset()

    @classmethod
    def of(cls, store: Store, mapping: str | None, folder: Path) -> Owners:
        """Read the user's list, or the catalogue. UserError if the list cannot be read."""
        if mapping is not None:
            return cls(_collected(_listed(Path(mapping), folder)))
        catalogue = store.find(PRODUCTS.name)
        if catalogue is None:
            return cls()
        pairs: list[tuple[str, str]] = []
        products: set[str] = set()
        names = [n for n in ("product_id", "image_path", "image_url") if n in catalogue.schema.names]
        for file in catalogue.files:
            rows = files.read(file.uri, catalogue.select(names), file.partition)
            ids = rows["product_id"].to_pylist()
            products.update(ids)
            for name in names[1:]:
                paths = zip(rows[name].to_pylist(), ids, strict=True)
                pairs += [(key, product) for path, product in paths if path for key in _keys(path, name)]
        return cls(None, _collected(pairs), frozenset(products))

    def of_file(self, name: str) -> tuple[str, ...]:
        """Return the products of a file, by its path in the folder; none if it is nobody's."""
        path = PurePosixPath(name)
        if self.listed is not None:
            return self.listed.get(name, ())
        for key in (name, path.name):
            if key in self.stated:
                return self.stated[key]
        numbered = _NUMBERED.match(path.stem)
        candidates = [path.stem, *([numbered[1]] if numbered else []), path.parent.name]
        if not self.products:
            return (candidates[0],)
        return next(((c,) for c in candidates if c in self.products), ())


def _keys(path: str, column: str) -> set[str]:
    """The names under which a file may be looked for that a column of the catalogue states."""
    if column == "image_url":
        path = unquote(urlsplit(path).path)
    name = PurePosixPath(path.replace("\\", "/")).name
    whole = path.replace("\\", "/").removeprefix("./")
    return {name for name in (name, whole if column == "image_path" else "") if name}


def _listed(path: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield file and product of each row of a user's list."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            if not {_FILE, _PRODUCT} <= set(rows.fieldnames or ()):
                raise UserError(f"{path}: expected the columns {_FILE} and {_PRODUCT}, separated by commas")
            for row in rows:
                file, product = (row[_FILE] or "").strip(), (row[_PRODUCT] or "").strip()
                if file and product:
                    yield Path(file).as_posix().removeprefix(f"{folder.as_posix()}/"), product
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a list of pictures: {one_line(error, 100)}") from None


def _collected(pairs: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    out: dict[str, dict[str, None]] = {}
    for key, product in pairs:
        out.setdefault(key, {})[product] = None
    return {key: tuple(sorted(products)) for key, products in out.items()}
