"""Ways in which a small file is damaged: by a crash of the machine, by a program, or by a person."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "thing").write_text("x")


def _random(file: Path) -> None:
    file.write_bytes(random.Random(7).randbytes(max(file.stat().st_size, 64)))


def _wrong_types(file: Path) -> None:
    tree = json.loads(file.read_bytes().splitlines()[0] if b"\n{" in file.read_bytes() else file.read_bytes())
    file.write_text(json.dumps({key: [["x"]] for key in tree}))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "nul": lambda file: file.write_bytes(b"\0" * file.stat().st_size),
    "random": _random,
    "list": lambda file: file.write_bytes(b"[1, 2]"),
    "null": lambda file: file.write_bytes(b"null"),
    "number": lambda file: file.write_bytes(b"3"),
    "no keys": lambda file: file.write_bytes(b"{}"),
    "wrong types": _wrong_types,
    "folder": _folder,
}
LOST: dict[str, Callable[[Path], object]] = {"lost": lambda file: file.unlink()}


def copy(folder: str, target: Path) -> Path:
    """A copy of a folder that a test may damage."""
    return Path(shutil.copytree(folder, target))
