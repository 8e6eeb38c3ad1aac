"""What a student learns: each term against a value by hand, what is missing left out, and what it starts from."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from shopbatch.engines.encoders.torch_encoder import load_pooled
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.training.distil import Distil, Targets, Terms, fitted_map
from shopbatch.training.packing import flatten
from shopbatch.training.plans import DistilPlan
from tests.engines import tiny as encoders

from . import tiny

NONE = float("nan")
COUNT = 300  # documents; more than a vector has numbers
MAPPED = [[0.5, 0.5]] * 4


def targets(dim: int = tiny.encoder().config.hidden_size) -> Targets:
    """Four documents: all targets; a label alone, read by the second head; a vector alone; nothing."""
    draw = np.random.default_rng(0)
    return Targets(
        vectors=np.array([[1, 0], [NONE, NONE], [1, 0], [NONE, NONE]], np.float16),
        logits=np.array([[0, 2 * math.log(3)], *[[NONE, NONE]] * 3], np.float32),
        labels=np.array([1, 0, -1, -1]),
        groups=np.array([0, 1, 0, 0]),
        heads=np.array([np.eye(2), np.zeros((2, 2))], np.float32),
        biases=np.array([[0, 0], [math.log(3), 0]], np.float32),
        centre=np.full(dim, 0.1, np.float32),
        scale=np.full(dim, 2.0, np.float32),
        weights=draw.normal(size=(dim, 2)).astype(np.float32),
        bias=np.array([0.3, -0.3], np.float32),
    )


def student(**terms: object) -> Distil:
    return Distil(tiny.encoder(), EncoderSpec(), targets(), Terms(**terms))  # type: ignore[arg-type]


# at temperature 2 the teacher says 1/4 and 3/4, the student 1/2 and 1/2; the second head says 3/4 and 1/4
KL = 0.25 * math.log(0.5) + 0.75 * math.log(1.5)
BY_HAND = {
    "vector": [0.25, 0, 0.25, 0],
    "logits": [4 * KL, 0, 0, 0],
    "label": [math.log(2), math.log(4 / 3), 0, 0],
}
# the derivatives by the mapped vector: 2 (m - v) / dim; T (q - p), through a head that is the identity; q - label
GRADIENTS = {
    "vector": [[-0.5, 0.5], [0, 0], [-0.5, 0.5], [0, 0]],
    "logits": [[0.5, -0.5], [0, 0], [0, 0], [0, 0]],
    "label": [[0.5, -0.5], [0, 0], [0, 0], [0, 0]],
}


@pytest.mark.parametrize("weights", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 1, 0.5)], ids=str)
def test_losses_and_gradients_are_those_by_hand(weights: tuple[float, ...]) -> None:
    named = dict(zip(BY_HAND, weights, strict=True))
    objective, mapped = student(**named), torch.tensor(MAPPED, requires_grad=True)
    losses = objective.losses(mapped, np.arange(4))
    wanted = sum(w * np.array(BY_HAND[name]) for name, w in named.items())
    assert losses.tolist() == pytest.approx(wanted.tolist(), abs=1e-6)
    losses.sum().backward()
    gradient = sum(w * np.array(GRADIENTS[name]) for name, w in named.items())
    assert mapped.grad is not None and np.allclose(mapped.grad.numpy(), gradient, atol=1e-6)


def test_the_cosine_is_1_minus_that_of_the_vectors() -> None:
    objective = student(vector=1, logits=0, distance="cosine")
    losses = objective.losses(torch.tensor(MAPPED[:3]), np.array([2, 0, 3]))
    assert losses.tolist() == pytest.approx([1 - math.sqrt(0.5), 1 - math.sqrt(0.5), 0], abs=1e-6)


def test_the_label_of_a_document_is_its_number_among_the_targets() -> None:
    objective, texts = student(label=1.0).eval(), tiny.documents(4)
    numbers = np.array([2, 0, 3, 1])
    batch = flatten([dataclasses.replace(d, label=int(n)) for d, n in zip(texts, numbers, strict=True)])
    vectors = objective.vectors(batch).detach().numpy()
    mapped = ((vectors - 0.1) / 2) @ objective.targets.weights + objective.targets.bias
    wanted = objective.losses(torch.from_numpy(mapped), numbers)
    assert torch.allclose(objective(batch), wanted, atol=1e-5)
    objective(batch).sum().backward()
    without = [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert all("word_embeddings" in n or "token_type" in n or "position" in n or ".key.bias" in n for n in without)
    objective.zero_grad()
    alone = flatten([dataclasses.replace(texts[0], label=3)])  # a document without any target moves nothing
    objective(alone).sum().backward()
    assert not any(p.grad is not None and p.grad.abs().sum() for p in objective.parameters())


def test_a_plan_begins_as_the_lower_layers_of_the_teacher_with_the_fitted_map(tmp_path: Path) -> None:
    folder = encoders.build(tmp_path / "teacher", layers=[1, 2], pooling=["mean", "max"])
    pooled, texts = load_pooled(folder), tiny.documents(COUNT)
    ids, mask = np.zeros((2, COUNT, max(len(d.ids) for d in texts)), np.int64)
    for row, document in enumerate(texts):
        ids[row, : len(document.ids)], mask[row, : len(document.ids)] = document.ids, 1
    teacher = pooled(torch.from_numpy(ids), torch.from_numpy(mask)).detach().numpy()
    spec = EncoderSpec(layers=(1,), pooling=("mean", "max"))
    halves = np.concatenate([teacher[:, : encoders.HIDDEN], teacher[:, 2 * encoders.HIDDEN : 3 * encoders.HIDDEN]], 1)
    goal = ((teacher - teacher.mean(0)) / teacher.std(0)).astype(np.float32)
    made = targets()
    start = fitted_map(halves, goal, penalty=1e-6)
    learnt = dataclasses.replace(
        made, vectors=goal.astype(np.float16), logits=np.full((COUNT, 2), NONE, np.float32), labels=np.full(COUNT, -1),
        groups=np.zeros(COUNT, np.int64), heads=np.zeros((1, goal.shape[1], 2), np.float32),
        biases=np.zeros((1, 2), np.float32), **start,
    )  # fmt: skip
    learnt.write(str(tmp_path / "targets.safetensors"))
    plan = DistilPlan(str(folder), spec, str(tmp_path / "targets.safetensors"), {"vector": 1.0, "logits": 0.0})
    objective = plan.build().eval()
    assert len(objective.encoder.encoder.layer) == 1
    batch = flatten([dataclasses.replace(d, label=i) for i, d in enumerate(texts)])
    assert np.allclose(objective.vectors(batch).detach().numpy(), halves, atol=1e-4)
    # the layer that the student has is known to it already; what the teacher's upper layer says is partly so
    losses = ((objective.mapped(objective.vectors(batch)).detach().numpy() - goal) ** 2).mean(0)
    assert losses[: encoders.HIDDEN].max() < 0.01 < losses[encoders.HIDDEN : 2 * encoders.HIDDEN].mean() < 0.9
    (tmp_path / "targets.safetensors").write_bytes(b"half")
    with pytest.raises(OSError, match="is damaged"):
        plan.build()
