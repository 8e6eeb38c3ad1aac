"""Quantises an encoder to 8-bit integers for OpenVINO: post-training quantisation by NNCF, calibrated on shop texts.

The weights and the inputs of all matrix products become 8-bit integers. Their ranges are measured on the texts
(Krishnamoorthi 2018, "Quantizing deep convolutional networks for efficient inference"); outliers of activations are
first moved into the weights (Xiao et al. 2022, "SmoothQuant"). Only quantising needs NNCF: the resulting graph runs
without it.
"""

from __future__ import annotations

import importlib.util
import logging
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import openvino as ov
import pyarrow as pa

from shopbatch.core.errors import UserError
from shopbatch.core.scratch import scratch
from shopbatch.engines.encoders.openvino_encoder import export_encoder
from shopbatch.engines.tokens import Reader
from shopbatch.models import stored_graph
from shopbatch.models.encoder_spec import EncoderSpec

_MISSING = "quantise=true needs NNCF, which is not installed: pip install 'shopbatch[compress]', or set quantise=false"


def refuse_without_nncf() -> None:
    """Raise UserError, which names the package to install, if NNCF is not installed."""
    if importlib.util.find_spec("nncf") is None:
        raise UserError(_MISSING)


def quantise(folder: Path, texts: pa.Array, max_tokens: int) -> None:
    """Add an 8-bit graph to an encoder's folder. The OpenVINO encoder then runs this graph instead of the fp32 weights.

    Args:
        folder: The encoder's folder, to which `int8.safetensors` is added.
        texts: Texts on which the ranges of the activations are measured, string [n].
        max_tokens: Maximum number of tokens that are read of a text; a longer text is cut.

    Raises:
        UserError: NNCF is not installed.
    """
    refuse_without_nncf()
    import nncf

    nncf.set_log_level(logging.ERROR)
    reader = Reader(folder, EncoderSpec.load(folder).prefix, max_tokens, max_tokens)
    # one text per call, because padding would widen the measured ranges
    batches = [reader.batch(texts.slice(row, 1)) for row in range(len(texts))]
    with scratch("shopbatch-int8-") as temporary:
        place = temporary / "graph"
        place.mkdir()
        export_encoder(folder, place)
        data = nncf.Dataset(batches, lambda batch: [batch.ids, batch.mask])
        float_graph = ov.Core().read_model(place / "model.xml")
        kind = nncf.ModelType.TRANSFORMER
        with redirect_stdout(StringIO()):  # NNCF prints progress bars to standard output, where a job prints its report
            graph = nncf.quantize(float_graph, data, model_type=kind, subset_size=len(batches))
        (place / "int8").mkdir()
        ov.save_model(graph, place / "int8" / "model.xml", compress_to_fp16=False)
        stored_graph.store(place / "int8", folder)
