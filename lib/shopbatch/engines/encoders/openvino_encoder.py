"""The OpenVINO encoder: runs a transformers encoder and its pooling as one graph, the fastest backend tried on a CPU.

Threads are not pinned to cores, because OpenVINO would pin the threads of every process to the same cores.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
import pyarrow as pa

from shopbatch.core.errors import one_line
from shopbatch.engines.base import Encoded, EngineError
from shopbatch.engines.configs import OpenVinoConfig
from shopbatch.engines.openvino_graphs import cached_graph, core, quiet_tracing
from shopbatch.engines.tokens import Reader
from shopbatch.models import stored_graph
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import ModelError

EXPORT_VERSION = 1  # version of the files of `export_encoder`; a new version makes old graphs unused


class OpenVinoEncoder:
    """An encoder that runs in OpenVINO on the CPU, as `OpenVinoConfig` describes it."""

    def __init__(self, config: OpenVinoConfig, folder: Path) -> None:
        prefix = EncoderSpec.load(folder).prefix
        self.reader = Reader(folder, prefix, config.max_tokens, config.batch_tokens)
        properties = {
            "INFERENCE_PRECISION_HINT": {"bf16": "bf16", "fp32": "f32"}[config.precision],
            "INFERENCE_NUM_THREADS": config.threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        graph = exported_encoder(folder)
        try:
            compiled = core().compile_model(graph / "model.xml", "CPU", properties)
        except RuntimeError as error:
            raise ModelError(f"{graph}: OpenVINO cannot load it: {one_line(error, 300)}") from None
        self.dim = int(compiled.output(0).get_partial_shape()[1].get_length())
        self.request = compiled.create_infer_request()

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        """Return the row numbers of each batch of texts of similar length (see `Reader.plan`)."""
        return self.reader.plan(texts)

    def encode(self, texts: pa.Array) -> Encoded:
        """Compute the vectors of one batch of texts in OpenVINO (see `Encoder.encode`)."""
        if len(texts) == 0:
            return Encoded(np.empty((0, self.dim), np.float32), np.empty(0, np.int32))
        batch = self.reader.batch(texts)
        try:
            self.request.infer([batch.ids, batch.mask])
        except RuntimeError as error:
            raise EngineError(f"openvino: {one_line(error, 300)}") from error
        # copied, because the next call writes into the same memory
        return Encoded(np.array(self.request.get_output_tensor(0).data, np.float32), batch.lengths)


def exported_encoder(folder: Path, for_machine: bool = False) -> Path:
    """Return the folder of an encoder's OpenVINO graph; create the graph first if it is missing or damaged.

    If the model folder holds an 8-bit graph (see `models.stored_graph`), that graph is unpacked; otherwise the graph is
    exported from the weights.

    Args:
        folder: The encoder's folder on this machine.
        for_machine: Whether a new graph is stored in this machine's cache instead of in the model folder.

    Raises:
        ModelError: The model cannot be loaded.
    """
    if stored_graph.has_graph(folder):
        return cached_graph(
            folder, ["stored", EXPORT_VERSION], lambda target: stored_graph.unpack(folder, target), for_machine
        )
    return cached_graph(folder, ["encoder", EXPORT_VERSION], lambda target: export_encoder(folder, target), for_machine)


def export_encoder(folder: Path, target: Path) -> None:
    """Trace the encoder of `folder` together with its pooling, and write `model.xml` and `model.bin` into `target`.

    The graph computes in fp32 and accepts any number of texts of any length.
    """
    import torch

    from shopbatch.engines.encoders.torch_encoder import load_pooled

    model = load_pooled(folder, additive_mask=True)
    ids = torch.ones((2, 4), dtype=torch.int64)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    with quiet_tracing():
        graph = ov.convert_model(model, example_input={"ids": ids, "mask": mask}, input=[[-1, -1], [-1, -1]])
    ov.save_model(graph, target / "model.xml", compress_to_fp16=False)
