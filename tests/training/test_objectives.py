"""Packed is the same as unpacked; a document never sees another; what is masked is not learnt."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shopbatch.engines.encoders.torch_encoder import load_pooled
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.training.packing import flatten
from shopbatch.training.plans import ClassifyPlan
from tests.engines import tiny as encoders

from . import tiny


@pytest.mark.parametrize("make", [tiny.causal, tiny.classifier, tiny.sequence], ids=lambda make: make.__name__)
def test_packed_losses_equal_unpacked_ones(make) -> None:  # type: ignore[no-untyped-def]
    objective, found = make().eval(), tiny.documents(7)
    packed = objective(flatten(found))
    single = torch.cat([objective(flatten([d])) for d in found])
    assert torch.allclose(packed, single, atol=1e-5)


def test_the_loss_is_that_of_transformers_own_unpacked_padded_forward() -> None:
    objective, documents = tiny.causal().eval(), tiny.documents(6)
    losses = objective(flatten(documents))
    objective.model.set_attn_implementation("sdpa")
    longest = max(len(d.ids) for d in documents)
    ids, mask, labels = np.zeros((3, 6, longest), np.int64)
    labels -= 100
    for row, document in enumerate(documents):
        size = len(document.ids)
        ids[row, :size], mask[row, :size] = document.ids, 1
        labels[row, :size][document.trained] = document.ids[document.trained]
    out = objective.model(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask), labels=torch.from_numpy(labels))
    assert float(out.loss.detach()) == pytest.approx(float(losses.detach().mean()), abs=1e-5)


@pytest.mark.parametrize("make", [tiny.causal, tiny.classifier, tiny.sequence], ids=lambda make: make.__name__)
def test_a_changed_document_changes_no_loss_of_its_neighbours(make) -> None:  # type: ignore[no-untyped-def]
    objective, found = make().eval(), tiny.documents(5)
    before = objective(flatten(found))
    changed = dataclasses.replace(found[2], ids=((found[2].ids + 50) % tiny.VOCABULARY).astype(np.int32))
    after = objective(flatten([*found[:2], changed, *found[3:]]))
    counts = [int(d.trained.sum()) for d in found] if make is not tiny.classifier else [1] * 5
    mine = torch.zeros(len(before), dtype=torch.bool)
    start = sum(counts[:2])
    mine[start : start + counts[2]] = True
    assert torch.equal(before[~mine], after[~mine])
    assert not torch.equal(before[mine], after[mine])


def test_no_gradient_flows_between_documents_nor_backwards() -> None:
    objective, found = tiny.causal().eval(), tiny.documents(3)
    embedding = objective.model.get_input_embeddings()
    seen: list[torch.Tensor] = []

    def keep(_module: object, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        output.retain_grad()
        seen.append(output)
        return output

    hook = embedding.register_forward_hook(keep)
    losses = objective(flatten(found))
    hook.remove()
    first = int(found[0].trained.sum())
    losses[first].backward()  # the first trained token of the second document
    gradient = seen[0].grad
    assert gradient is not None
    begin = len(found[0].ids)
    target = begin + int(found[1].trained.argmax())
    used = gradient[0].abs().sum(1) > 0
    assert used[begin:target].all() and not used[:begin].any() and not used[target:].any()


def test_masked_tokens_have_no_gradient_at_all() -> None:
    """What is not trained on may be any other token, bit for bit: as an aim, and after the last aim as an input."""
    objective, (document,) = tiny.causal().eval(), tiny.documents(1)
    alone = dataclasses.replace(document, trained=np.arange(len(document.ids)) == 3)
    gradients = []
    for shift in (0, 7):
        ids = document.ids.copy()
        ids[4:] = (ids[4:] + shift) % tiny.VOCABULARY
        objective.zero_grad()
        objective(flatten([dataclasses.replace(alone, ids=ids)])).sum().backward()
        gradients.append({n: p.grad.clone() for n, p in objective.named_parameters()})
    assert all(torch.equal(gradients[0][n], gradients[1][n]) for n in gradients[0])
    assert any(g.abs().sum() > 0 for g in gradients[0].values())


def test_training_without_document_lengths_is_refused() -> None:
    model, ids = tiny.causal().model, torch.ones((1, 4), dtype=torch.long)
    for more in ({}, {"documents": [3]}):
        with pytest.raises(ValueError, match="documents' lengths"):
            model(input_ids=ids, **more)
    assert model(input_ids=ids, documents=[3, 1]).logits.isfinite().all()


def test_a_classifier_begins_as_a_head_on_the_engines_vectors(tmp_path: Path) -> None:
    """Layers and poolings of encoder.json, read packed as the engine reads them padded; what is above them is cut."""
    spec = EncoderSpec(layers=(0, -2), pooling=("mean", "max", "cls"))
    folder = encoders.build(tmp_path / "encoder", **spec.model_dump(mode="json"))
    pooled = load_pooled(folder)
    draw = np.random.default_rng(0)
    start = (draw.normal(size=(pooled.dim, 3)).astype(np.float32), draw.normal(size=3).astype(np.float32))
    objective: Any = ClassifyPlan(str(folder), 3, spec, start, dropout=0.1).build().eval()
    assert len(objective.encoder.encoder.layer) == encoders.LAYERS - 1 and objective.depths == (0, encoders.LAYERS - 1)
    found = tiny.documents(6)
    mine, labels = objective.logits(flatten(found))
    ids, mask = np.zeros((2, 6, max(len(d.ids) for d in found)), np.int64)
    for row, document in enumerate(found):
        ids[row, : len(document.ids)], mask[row, : len(document.ids)] = document.ids, 1
    vectors = pooled(torch.from_numpy(ids), torch.from_numpy(mask)).detach().numpy()
    assert np.allclose(mine.detach().numpy(), vectors @ start[0] + start[1], atol=1e-4)
    assert labels.tolist() == [d.label for d in found]


def test_label_smoothing_and_hidden_tokens_are_for_training_only() -> None:
    batch = flatten(tiny.documents(6))
    plain, smooth = tiny.classifier(), tiny.classifier(smoothing=0.2, token_dropout=0.5)
    assert torch.equal(plain.eval()(batch), smooth.eval()(batch))
    torch.manual_seed(0)
    assert not torch.allclose(plain.train()(batch), smooth.train()(batch))


def test_bf16_is_close_to_fp32() -> None:
    objective, batch = tiny.causal(), flatten(tiny.documents(6))
    with torch.autocast("cpu", torch.bfloat16):
        half = objective(batch)
    assert half.dtype == torch.float32
    assert torch.allclose(half, objective(batch), atol=0.05)
