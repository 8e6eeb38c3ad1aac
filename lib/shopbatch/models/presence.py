"""Checks whether the registry has the model of a reference, without reading the model's weights.

`shopbatch doctor` and the check before a run use it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pyarrow.fs as pafs

from shopbatch.models.errors import ModelError
from shopbatch.models.folder import MANIFEST
from shopbatch.models.registry_files import DIGITS, NoLiveModel, keys, live_version
from shopbatch.warehouse import files

_REFERENCE = re.compile(r"([a-z][a-z0-9_-]*)@(\w+)")


def name_of(reference: str) -> str:
    """Return the model name of a reference `name@version`; "" for a folder, a package or a model of the hub."""
    named = _REFERENCE.fullmatch(reference)
    return named[1] if named and not Path(os.path.expanduser(reference)).is_dir() else ""


def why_missing(root: str, reference: str, *, whole: bool = False) -> str | None:
    """Return why a model is not in the registry, as a sentence; None if it is there.

    Args:
        root: The registry's folder or URI.
        reference: `name@live` or `name@digest`. For any other reference the result is None.
        whole: Whether a damaged or half-written version counts as missing as well. Otherwise it does not, because a run
            may repair it.
    """
    name = name_of(reference)
    if not name:
        return None
    version = reference.partition("@")[2]
    if version == "live":
        try:
            version = live_version(root, name)
        except NoLiveModel as missing:
            return str(missing)
        except ModelError as trouble:
            return str(trouble) if whole else None
    matching = [key for key in keys(root, name) if key.startswith(version[:DIGITS])]
    if whole:
        fs, path = files.filesystem(f"{root}/{name}")
        matching = [k for k in matching if fs.get_file_info(f"{path}/{k}/{MANIFEST}").type == pafs.FileType.File]
    return None if matching else f"no such version in {root}/{name}"
