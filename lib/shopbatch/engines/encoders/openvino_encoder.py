"""The OpenVINO engine: a transformers encoder with its pooling as one graph. The fastest of those tried on CPU.

The graph is exported once, by way of torch, and kept beside the model (`openvino-<key>/`); the model's own digest
does not cover it. Threads are not pinned: OpenVINO pins those of every process to the same cores.
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

import numpy as np
import openvino as ov
import pyarrow as pa

from shopbatch.engines.base import Encoded, EngineError
from shopbatch.engines.configs import OpenVinoConfig
from shopbatch.engines.tokens import Reader
from shopbatch.models import folder as folders
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import ModelError

EXPORT_VERSION = 1  # of what `_export` writes; another one makes the old exports unused
_FILES = "files.json"


class OpenVinoEncoder:
    """See OpenVinoConfig."""

    def __init__(self, config: OpenVinoConfig, folder: Path) -> None:
        prefix = EncoderSpec.load(folder).prefix
        self.reader = Reader(folder, prefix, config.max_tokens, config.batch_tokens)
        properties = {
            "INFERENCE_PRECISION_HINT": {"bf16": "bf16", "fp32": "f32"}[config.precision],
            "INFERENCE_NUM_THREADS": config.threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        graph = exported(folder)
        try:
            compiled = ov.Core().compile_model(graph / "model.xml", "CPU", properties)
        except RuntimeError as error:
            raise ModelError(f"{graph}: OpenVINO can not load it: {line(error)}") from None
        self.dim = int(compiled.output(0).get_partial_shape()[1].get_length())
        self.request = compiled.create_infer_request()

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        return self.reader.plan(texts)

    def encode(self, texts: pa.Array) -> Encoded:
        if len(texts) == 0:
            return Encoded(np.empty((0, self.dim), np.float32), np.empty(0, np.int32))
        batch = self.reader.batch(texts)
        try:
            self.request.infer([batch.ids, batch.mask])
        except RuntimeError as error:
            raise EngineError(f"openvino: {line(error)}") from error
        # a copy: the tensor's memory is used again by the next call
        return Encoded(np.array(self.request.get_output_tensor(0).data, np.float32), batch.lengths)


def exported(folder: Path) -> Path:
    """The folder that holds the graph of an encoder, made if it is not there or is damaged. Raises ModelError."""
    return kept(folder, graph_key(folder, [EXPORT_VERSION], ["encoder.json"]), lambda aside: _export(folder, aside))


def kept(folder: Path, key: str, export: Callable[[Path], None]) -> Path:
    """`openvino-<key>/` beside the model, whole. If need be `export` makes it: it fills the empty folder it is given.

    Two processes may ask at once. Raises what `export` raises.
    """
    name = f"openvino-{key}"
    for parent in (folder, folders.cache() / "openvino"):
        if _is_whole(parent / name):
            return parent / name
    # a model folder may be read-only: then each machine keeps the graph in its own cache
    parent = folder if os.access(folder, os.W_OK) else folders.cache() / "openvino"
    parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=parent, prefix=".openvino-"))
    try:
        export(aside)
        files = folders.contents(aside)
        (aside / _FILES).write_text(json.dumps(files), "utf-8")
        folders.move_into_place(aside, parent / name, _is_whole)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return parent / name


def graph_key(folder: Path, made_by: Sequence[int | str], more: Sequence[str]) -> str:
    """Names what a graph depends on, 12 hex digits: weights and configuration (by size and date), OpenVINO, its maker.

    made_by: versions and options of the code that exports. more: further files of the folder that it reads.
    """
    names = [*sorted(folder.glob("*.safetensors")), folder / "config.json", *(folder / name for name in more)]
    stats = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in names if p.exists()]
    text = json.dumps([*made_by, ov.__version__, stats])
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _is_whole(graph: Path) -> bool:
    try:
        files = json.loads((graph / _FILES).read_bytes())
        folders.verify(graph, files, "graph")
    except (OSError, ValueError):
        return False
    return True


def _export(folder: Path, target: Path) -> None:
    """Trace the torch model with its pooling and write it with dynamic shapes, in fp32."""
    import torch

    from shopbatch.engines.encoders.torch_encoder import load_pooled

    model = load_pooled(folder, additive_mask=True)
    ids = torch.ones((2, 4), dtype=torch.int64)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    with traced_quietly():
        graph = ov.convert_model(model, example_input={"ids": ids, "mask": mask}, input=[[-1, -1], [-1, -1]])
    ov.save_model(graph, target / "model.xml", compress_to_fp16=False)


@contextmanager
def traced_quietly() -> Iterator[None]:
    """Without gradients, and without a warning about every branch that tracing does not take."""
    import torch

    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def line(error: BaseException) -> str:
    """What OpenVINO says, on one line of at most 300 characters."""
    return " ".join(str(error).split())[:300]
