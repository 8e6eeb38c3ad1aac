"""The OpenVINO image encoder: runs a vision model and the normalisation of its pixels as one graph on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
import pyarrow as pa

from shopbatch.core.errors import one_line
from shopbatch.engines.base import Encoded, EngineError
from shopbatch.engines.images.base import batches, counted, decoded
from shopbatch.engines.images.configs import ImageOpenVinoConfig
from shopbatch.engines.openvino_graphs import cached_graph, core, quiet_tracing
from shopbatch.models.folder import ModelError
from shopbatch.models.image_spec import ImageSpec

EXPORT_VERSION = 1  # version of the files of `export_images`; a new version makes old graphs unused


class OpenVinoImageEncoder:
    """An image encoder that runs in OpenVINO on the CPU, as `ImageOpenVinoConfig` describes it."""

    def __init__(self, config: ImageOpenVinoConfig, folder: Path, spec: ImageSpec) -> None:
        self.spec, self.batch = spec, config.batch
        properties = {
            "INFERENCE_PRECISION_HINT": {"bf16": "bf16", "fp32": "f32"}[config.precision],
            "INFERENCE_NUM_THREADS": config.threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # OpenVINO would pin the threads of every process to the same cores
        }
        graph = exported_images(folder, spec)
        try:
            compiled = core().compile_model(graph / "model.xml", "CPU", properties)
        except RuntimeError as error:
            raise ModelError(f"{graph}: OpenVINO cannot load it: {one_line(error, 300)}") from None
        self.dim = int(compiled.output(0).get_partial_shape()[1].get_length())
        self.request = compiled.create_infer_request()

    def plan(self, pictures: pa.Array, /) -> list[np.ndarray]:
        """Return the row numbers of each batch: consecutive rows, at most `config.batch` of them."""
        return batches(len(pictures), self.batch)

    def encode(self, pictures: pa.Array, /) -> Encoded:
        """Compute the vectors of one batch of pictures in OpenVINO (see `ImageEncoder.encode`)."""
        if not len(pictures):
            return counted(np.empty((0, self.dim), np.float32))
        pixels = decoded(pictures, self.spec)
        try:
            self.request.infer([pixels])
        except RuntimeError as error:
            raise EngineError(f"openvino: {one_line(error, 300)}") from error
        # copied, because the next call writes into the same memory
        return counted(np.array(self.request.get_output_tensor(0).data, np.float32))


def exported_images(folder: Path, spec: ImageSpec) -> Path:
    """Return the folder of an image encoder's OpenVINO graph for one picture size.

    The graph is exported first if it is missing or damaged.

    Args:
        folder: The model folder on this machine.
        spec: The picture size and the normalisation.

    Raises:
        ModelError: The model cannot be loaded.
    """
    return cached_graph(
        folder, ["images", EXPORT_VERSION, spec.size], lambda target: export_images(folder, spec, target)
    )


def export_images(folder: Path, spec: ImageSpec, target: Path) -> None:
    """Trace the image encoder of `folder` and write `model.xml` and `model.bin` into `target`.

    The graph computes in fp32 and accepts any number of pictures of the size in `spec`.

    Args:
        folder: The model folder on this machine.
        spec: The picture size and the normalisation.
        target: An empty folder.
    """
    import torch

    from shopbatch.engines.images.torch_images import load_tower

    tower, shape = load_tower(folder, spec), [-1, spec.size, spec.size, 3]
    example = torch.zeros((2, *shape[1:]), dtype=torch.uint8)
    with quiet_tracing():
        graph = ov.convert_model(tower, example_input=example, input=[(shape, ov.Type.u8)])
    ov.save_model(graph, target / "model.xml", compress_to_fp16=False)
