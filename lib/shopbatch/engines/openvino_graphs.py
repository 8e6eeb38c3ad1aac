"""OpenVINO graphs of models: exported once by way of torch, and kept in `openvino-<key>/`.

A graph is derived from the model's files, so the model's digest does not cover it. It has a list of its own files,
which names the model by its digest: a graph that is damaged, or was made of another model, is made again. The graph of
a registered model is beside it. That of any other folder is in this machine's cache, because whoever made the folder
could have put a graph of something else into it.
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

_FILES = "files.json"  # what the graph is made of, and its names, sizes and checksums


@lru_cache(maxsize=1)
def core() -> ov.Core:
    """Return the process's one core, never unloaded: its plugin would free the stack of signals (signal_stack.py)."""
    return ov.Core()


def cached_graph(
    folder: Path, exporter: Sequence[int | str], export: Callable[[Path], None], for_machine: bool = False
) -> Path:
    """Return the folder of a model's graph. One that is missing, damaged, or of another model is made first.

    Two processes may ask for the same graph at once.

    Args:
        folder: The model folder.
        exporter: Versions and options of the code that exports.
        export: Writes the graph into the empty folder that it is given. What it raises is raised here.
        for_machine: Make it in this machine's cache, where all warehouses find that of the same model.

    Raises:
        ModelError: The folder is refused, or changes while its graph is made.
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
    # a model folder may be read-only: then each machine keeps the graph in its own cache
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
    """Trace without gradients, and without a warning about every branch that tracing does not take."""
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
    """Whether a folder holds the graph that was made of this, and nothing else."""
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
    return {"sha256": folders.sha256(path), "size": path.stat().st_size}
