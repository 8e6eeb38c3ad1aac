"""Cross-encoders: both engines score a pair as the transformers model does, whatever else is in its batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from shopbatch.engines.configs import OpenVinoConfig, TorchConfig
from shopbatch.engines.pairs import open_cross_encoder
from shopbatch.models.folder import ModelError
from tests.engines.tiny_pairs import build

PAIRS = [("red coat", "a red winter coat"), ("红色", "羽绒服"), ("lamp", "kettle " * 40), ("a", "b")]
TORCH, OPENVINO = TorchConfig(max_tokens=48), OpenVinoConfig(max_tokens=48, precision="fp32")


def structs(pairs: list[tuple[str, str]]) -> pa.Array:
    columns = [pa.array(list(column), pa.string()) for column in zip(*pairs, strict=True)]
    return pa.StructArray.from_arrays(columns, ["query", "text"])


def reference(folder: Path, pair: tuple[str, str], labels: int) -> float:
    """What transformers itself says of one pair, alone."""
    from tokenizers import Tokenizer
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(48, strategy="longest_first")
    e = tokenizer.encode(*pair)
    ids, types = torch.tensor([e.ids]), torch.tensor([e.type_ids])
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=types).logits[0].numpy()
    return float(logits[0] if labels == 1 else logits[1] - logits[0])


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "labels"), [(TORCH, 1), (TORCH, 2), (OPENVINO, 2)])
def test_a_pair_is_scored_as_transformers_scores_it(
    engine: TorchConfig | OpenVinoConfig, labels: int, tmp_path: Path
) -> None:
    folder = build(tmp_path / "m", labels=labels)
    encoder = open_cross_encoder(engine, str(folder))
    scores, tokens = encoder.score(structs(PAIRS))
    wanted = [reference(folder, pair, labels) for pair in PAIRS]
    np.testing.assert_allclose(scores, wanted, atol=2e-4)
    assert np.ptp(wanted) > 0.05 and tokens.max() == 48
    turned, _ = encoder.score(structs([(b, a) for a, b in PAIRS[:1]]))
    assert abs(turned[0] - scores[0]) > 1e-3  # query and text are not the same side
    batches = encoder.reader.plan(structs(PAIRS))
    assert sorted(np.concatenate(batches).tolist()) == [0, 1, 2, 3]


def test_a_model_with_more_labels_or_without_a_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="one label, or two"):
        open_cross_encoder(TorchConfig(max_tokens=48), str(build(tmp_path / "three", labels=3)))
    from tests.engines.tiny import build as build_encoder

    with pytest.raises(ModelError, match="missing"):
        open_cross_encoder(TorchConfig(max_tokens=48), str(build_encoder(tmp_path / "bare")))
