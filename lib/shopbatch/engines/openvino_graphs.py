"""Exports OpenVINO graphs of models, once per model by way of torch, and caches them in folders `openvino-<key>/`.

A graph is derived from the model's files, so the model's digest does not cover it. Instead, `files.json` in the graph's
folder lists the graph's files with their checksums, and the digest of the model. A graph that is damaged or was made
from another model is exported again.

The graph of a model in the registry is stored in the model's folder. The graph of any other folder is stored in this
machine's cache, because the author of such a folder could have put the graph of another model into it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import openvino as ov

from shopbatch.models import folder as folders
from shopbatch.models import json_files
from shopbatch.models.folder import ModelError
from shopbatch.models.listing import listed

_FILES = "files.json"  # the origin of the graph, and the sizes and checksums of its files


@lru_cache(maxsize=1)
def core() -> ov.Core:
    """Return the only OpenVINO `Core` of this process.

    It is never unloaded, because unloading its plugin would free the stack on which signal handlers run
    (signal_stack.py).
    """
    return ov.Core()


def cached_graph(
    folder: Path, exporter: Sequence[int | str], export: Callable[[Path], None], for_machine: bool = False
) -> Path:
    """Return the folder of a model's OpenVINO graph, exported first if it is missing, damaged or of another model.

    Several processes may do this for the same graph at the same time.

    Args:
        folder: The model folder.
        exporter: Versions and options of the exporting code. Other values lead to another graph folder.
        export: Writes the graph into the empty folder that it is given. Its exceptions are passed on.
        for_machine: Whether a new graph is stored in this machine's cache, where all warehouses with this model share
            it, even if the model is in the registry.

    Raises:
        ModelError: The model folder is refused, or changes during the export.
    """
    model = folders.digest(folders.contents(folder, trust=True))
    about = {"model": model, "exporter": [*exporter, ov.__version__]}
    key = hashlib.blake2b(json.dumps(about).encode(), digest_size=6).hexdigest()
    name, places = f"openvino-{key}", [folders.cache() / "openvino"]
    if folder.resolve().parent.parent.name == "_models":
        places.insert(0, folder)
    for place in places:
        if _is_whole(place / name, about):
            return place / name
    # if the model folder is read-only, each machine stores the graph in its own cache
    kept = places[-1:] if for_machine else places
    place = next(place for place in kept if place != folder or os.access(folder, os.W_OK))
    place.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=place, prefix=".openvino-"))
    try:
        export(staging)
        files = {name: _entry(path) for name, path in listed(staging, derived=True).items()}
        if folders.digest(folders.contents(folder)) != model:
            raise ModelError(f"model {folder} changed while its graph was made; run again")
        (staging / _FILES).write_text(json.dumps({**about, "files": files}), "utf-8")
        folders.move_into_place(staging, place / name, lambda graph: _is_whole(graph, about))
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return place / name


@contextmanager
def quiet_tracing() -> Iterator[None]:
    """Turn off gradients, and the warnings about every branch that tracing does not take, inside this block."""
    import torch

    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _is_whole(graph: Path, about: dict[str, Any]) -> bool:
    """Return True if a folder holds exactly the undamaged graph of the model and exporter that `about` names."""
    try:
        if graph.is_symlink() or not graph.is_dir():
            return False
        tree = json_files.read(graph / _FILES, "graph")
        if not isinstance(tree, dict) or {key: tree.get(key) for key in about} != about:
            return False
        if listed(graph, derived=True).keys() != {*tree["files"], _FILES}:
            return False
        folders.verify_files(graph, tree["files"], "graph", trust=True)
    except (ModelError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def _entry(path: Path) -> dict[str, Any]:
    """Return the SHA-256 and the size in bytes of a file, for `files.json`."""
    return {"sha256": folders.sha256(path), "size": path.stat().st_size}
