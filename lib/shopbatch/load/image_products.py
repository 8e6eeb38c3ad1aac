"""Finds the products that a picture file belongs to, by a list of the user, by the table `products`, or by its name."""

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
    """Finds the products of a picture file; `load_images` writes a row for each of them.

    If the user gives a list of files and products, only the list is used. Otherwise the first of these that exists is
    taken:

    - the products whose `image_path` is this file, or whose `image_path` or `image_url` ends with its name;
    - the product whose id is the file's name without its suffix;
    - the product whose id is this name without a number at its end (`B17_2.jpg` -> B17);
    - the product whose id is the name of the folder that the file is in.

    Without a table `products`, the file's name without its suffix is taken for the product's id.

    Attributes:
        listed: File -> ids of its products, from the user's list; None if there is no list.
        stated: Path or name of a file -> ids of its products, from the columns `image_path` and `image_url` of
            `products`.
        products: The ids of all products; empty if there is no table `products`.
    """

    listed: Mapping[str, tuple[str, ...]] | None = None
    stated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    products: frozenset[str] = frozenset()

    @classmethod
    def of(cls, store: Store, mapping: str | None, folder: Path) -> Owners:
        """Read the user's list of files and products; without a list, read the table `products`.

        Args:
            store: The warehouse.
            mapping: The user's CSV file with the columns `file` and `product_id`; None if there is none.
            folder: The folder of pictures. Paths in the list are relative to it, or begin with it as the user wrote it.

        Raises:
            UserError: The list cannot be read.
        """
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
        """Return the ids of the products of a file; () if it belongs to no product.

        Args:
            name: The file's path in the folder, with slashes.
        """
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
    """Return the keys of `Owners.stated` for one value: the file's name and, for `image_path`, the whole path.

    Args:
        path: The value of the column.
        column: `image_path` or `image_url`.
    """
    if column == "image_url":
        path = unquote(urlsplit(path).path)
    name = PurePosixPath(path.replace("\\", "/")).name
    whole = path.replace("\\", "/").removeprefix("./")
    return {name for name in (name, whole if column == "image_path" else "") if name}


def _listed(path: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (file, product id) for each row of the user's list. UserError if it cannot be read."""
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
    """Group pairs of (file, product id) into file -> sorted product ids."""
    out: dict[str, dict[str, None]] = {}
    for key, product in pairs:
        out.setdefault(key, {})[product] = None
    return {key: tuple(sorted(products)) for key, products in out.items()}
