"""The loop: the same batches however they are shared, the same weights however often it is interrupted."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from shopbatch.core.errors import UserError
from shopbatch.models import causal
from shopbatch.models.configs import LoraConfig, ScratchConfig
from shopbatch.training.checkpoint_files import steps
from shopbatch.training.config import ScheduleConfig, batch_share
from shopbatch.training.loop import Diverged, Order, Trainer, groups, rate
from shopbatch.training.packing import flatten
from shopbatch.training.plans import CausalPlan

from . import tiny


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in trainer.objective.named_parameters()}


def test_an_epoch_is_every_block_once_and_the_next_one_is_another_order() -> None:
    order = Order(10, 4, seed=3)
    read = np.concatenate([order.batch(step) for step in range(5)])
    assert sorted(read[:10]) == sorted(read[10:]) == list(range(10))
    assert read[:10].tolist() != read[10:].tolist()
    assert Order(10, 4, seed=3).batch(4).tolist() == order.batch(4).tolist()  # any step, without those before it
    assert Order(10, 4, seed=4).batch(0).tolist() != order.batch(0).tolist()


@pytest.mark.parametrize("shape", ["cosine", "linear", "constant"])
def test_the_learning_rate_warms_up_and_falls_to_its_floor(shape: str) -> None:
    config = ScheduleConfig.model_validate({"peak": 2.0, "shape": shape, "warmup": 0.1, "floor": 0.25})
    found = [rate(config, step, 100) for step in range(101)]
    assert found[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert found[10] == 2.0 and found[100] == pytest.approx(2.0 if shape == "constant" else 0.5)
    assert all(a >= b for a, b in pairwise(found[10:]))


def test_it_learns_and_keeps_the_best(tmp_path: Path) -> None:
    trainer = tiny.trainer(tmp_path)
    state = trainer.run(trainer.prepare())
    vals = {int(h["step"]): h["val"] for h in state.history if "val" in h}
    assert list(vals) == [0, 4, 8, 12] and vals[12] < 0.8 * vals[0]
    assert state.best == min(vals.values()) == vals[state.best_step]


def test_the_best_weights_are_those_that_are_left(tmp_path: Path) -> None:
    """A learning rate that spoils what was learnt: the last weights are not the best."""
    config = tiny.loop(max_steps=12, eval_steps=2, schedule=ScheduleConfig(peak=3.0, warmup=0.9))
    trainer = tiny.trainer(tmp_path, config=config)
    state = trainer.run(trainer.prepare())
    assert state.best_step < 12
    with torch.no_grad():
        trainer.validate(again := type(state)())
    assert again.best == pytest.approx(state.best, abs=1e-6)


def test_early_stopping(tmp_path: Path) -> None:
    """A learning rate so small that no weight changes: no validation is better than the first one."""
    config = tiny.loop(max_steps=40, eval_steps=2, patience=2, schedule=ScheduleConfig(peak=1e-30))
    trainer = tiny.trainer(tmp_path, config=config)
    state = trainer.run(trainer.prepare())
    assert state.stopped and state.step == 4 and state.worse == 2


@pytest.mark.parametrize("objective", [tiny.causal, tiny.sequence, tiny.retriever])
def test_how_much_is_computed_at_once_changes_nothing(tmp_path: Path, objective) -> None:  # type: ignore[no-untyped-def]
    losses = []
    for micro in (1, 3, 8):
        trainer = tiny.trainer(tmp_path / str(micro), objective(), tiny.loop(micro_blocks=micro))
        losses.append([h["loss"] for h in trainer.run(trainer.prepare()).history if "loss" in h])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4) and losses[0] == pytest.approx(losses[2], abs=1e-4)


@pytest.mark.parametrize(
    "objective",
    [
        tiny.causal,
        lambda: tiny.classifier(dropout=0.1, token_dropout=0.1),
        lambda: tiny.sequence(dropout=0.1),
        lambda: tiny.retriever(dropout=0.1),
    ],
)
@pytest.mark.parametrize("stop", [1, 5, 8, 11])
def test_a_run_that_was_interrupted_ends_with_the_same_bits(tmp_path: Path, stop: int, objective) -> None:  # type: ignore[no-untyped-def]
    whole = tiny.trainer(tmp_path / "whole", objective())
    straight = whole.run(whole.prepare(checkpoint_steps=3))
    first = tiny.trainer(tmp_path / "cut", objective())

    class Cut(Exception):
        pass

    def cut(step: int, values: object) -> None:
        if step == stop:
            raise Cut

    first.log = cut
    with pytest.raises(Cut):
        first.run(first.prepare(checkpoint_steps=3))
    second = tiny.trainer(tmp_path / "cut", objective())
    begun = second.prepare(checkpoint_steps=3)
    assert begun.step == stop // 3 * 3 - (3 if stop % 3 == 0 else 0)
    assert second.run(begun).history == straight.history
    mine, theirs = weights(second), weights(whole)
    assert all(torch.equal(mine[n], theirs[n]) for n in theirs)


def test_a_run_that_is_over_is_not_run_again(tmp_path: Path) -> None:
    first = tiny.trainer(tmp_path)
    first.run(first.prepare())
    second = tiny.trainer(tmp_path)
    state = second.prepare()
    assert state.step == second.steps
    second.step = None  # type: ignore[method-assign,assignment]
    second.run(state)
    assert len(steps(str(tmp_path))) <= 2


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    objective = tiny.causal()
    with torch.no_grad():
        objective.model.model.norm.weight.fill_(float("inf"))
    trainer = tiny.trainer(tmp_path, objective)
    with pytest.raises(Diverged, match="step 0: validation loss nan"):
        trainer.run(trainer.prepare())
    assert not steps(str(tmp_path))


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    assert batch_share(tiny.loop(batch_blocks=8), 2) == 4
    with pytest.raises(UserError, match=r"loop\.batch_blocks=8 cannot be shared evenly by workers\.count=3"):
        batch_share(tiny.loop(batch_blocks=8), 3)


def test_norms_and_biases_do_not_decay() -> None:
    objective = tiny.classifier()
    objective.encoder.embeddings.requires_grad_(False)
    matrices, vectors = groups(objective, 0.1)
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.1, 0.0)
    assert {p.ndim for p in matrices["params"]} == {2} and {p.ndim for p in vectors["params"]} == {1}
    learning = [p for p in objective.parameters() if p.requires_grad]
    assert len(matrices["params"]) + len(vectors["params"]) == len(learning) < len(list(objective.parameters()))


def test_recomputing_activations_changes_no_gradient(tmp_path: Path) -> None:
    shape = ScratchConfig(hidden=32, layers=2, heads=4, kv_heads=2, inner=64, vocabulary=300, positions=128)
    causal.scratch(tmp_path, shape, ["some text to read"], seed=0)
    batch = flatten(tiny.documents(4))
    for lora in (LoraConfig(rank=0), LoraConfig(rank=4)):
        gradients = []
        for recompute in (False, True):
            objective = CausalPlan(str(tmp_path), lora).build(recompute)
            objective.train()
            objective(batch).sum().backward()
            gradients.append({n: p.grad for n, p in objective.named_parameters() if p.requires_grad})
        assert gradients[0].keys() == gradients[1].keys()
        assert all(torch.equal(g, gradients[1][n]) for n, g in gradients[0].items() if g is not None)
        assert any(g is not None and g.abs().sum() > 0 for g in gradients[1].values())
