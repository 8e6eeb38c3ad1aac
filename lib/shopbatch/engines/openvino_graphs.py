"""OpenVINO graphs of models: exported once by way of torch, and kept beside the model in `openvino-<key>/`.

A graph is derived from the model's files, so the model's digest does not cover it.
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
from pathlib import Path

import openvino as ov

from shopbatch.models import folder as folders

_FILES = "files.json"  # the graph's own manifest: names, sizes and checksums


def cached_graph(folder: Path, key: str, export: Callable[[Path], None]) -> Path:
    """Return the folder of a model's graph; a missing or damaged one is made first.

    Two processes may ask for the same graph at once.

    Args:
        folder: The model folder.
        key: Names the graph, as `graph_key` makes it.
        export: Writes the graph into the empty folder that it is given. What it raises is raised here.
    """
    name = f"openvino-{key}"
    for parent in (folder, folders.cache() / "openvino"):
        if _is_whole(parent / name):
            return parent / name
    # a model folder may be read-only: then each machine keeps the graph in its own cache
    parent = folder if os.access(folder, os.W_OK) else folders.cache() / "openvino"
    parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=parent, prefix=".openvino-"))
    try:
        export(staging)
        files = folders.contents(staging)
        (staging / _FILES).write_text(json.dumps(files), "utf-8")
        folders.move_into_place(staging, parent / name, _is_whole)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return parent / name


def graph_key(folder: Path, exporter: Sequence[int | str], more: Sequence[str]) -> str:
    """Name a graph by what it depends on, in 12 hex digits.

    That is: the weights and the configuration (by size and date), the version of OpenVINO, and the exporting code.

    Args:
        folder: The model folder.
        exporter: Versions and options of the code that exports.
        more: Further files of the folder that this code reads.
    """
    names = [*sorted(folder.glob("*.safetensors")), folder / "config.json", *(folder / name for name in more)]
    stats = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in names if p.exists()]
    text = json.dumps([*exporter, ov.__version__, stats])
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


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


def _is_whole(graph: Path) -> bool:
    try:
        files = json.loads((graph / _FILES).read_bytes())
        folders.verify(graph, files, "graph")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing, damaged, or of another form
        return False
    return True
