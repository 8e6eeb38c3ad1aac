"""One worker, two with DDP, two with FSDP2 (gloo): the same curve; each goes on from the other's checkpoints."""

import json
import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing
from torch import nn

from shopbatch.capabilities.recommendations.sequence import NextProducts
from shopbatch.training.checkpoint_files import step_name
from shopbatch.training.config import Strategy
from shopbatch.training.contrast import Contrast
from shopbatch.training.objectives import Classify

from . import tiny


def dropping() -> Classify:
    return tiny.classifier(dropout=0.2, token_dropout=0.2)


def products() -> NextProducts:
    return tiny.sequence(dropout=0.2)


def retriever() -> Contrast:
    return tiny.retriever(dropout=0.2)


def curve(rank: int, world: int, strategy: Strategy, folder: str, build: Callable[[], nn.Module], meeting: str) -> None:
    """A worker's whole run; leaves its history at the meeting place."""
    torch.set_num_threads(1)
    store = dist.FileStore(f"{meeting}/store", world)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=timedelta(seconds=60))
    try:
        trainer = tiny.trainer(folder, build(), strategy=strategy)
        history = trainer.run(trainer.prepare(checkpoint_steps=4)).history
    finally:
        dist.destroy_process_group()
    Path(meeting, f"{rank}.json").write_text(json.dumps(history))


def run(world: int, strategy: Strategy, folder: Path, build: Callable[[], nn.Module] = tiny.causal) -> list[float]:
    """The curve of all workers. Whatever becomes of one of them, even its death, ends the others and is raised here."""
    with tempfile.TemporaryDirectory() as meeting:
        arguments = (world, strategy, str(folder), build, meeting)
        torch.multiprocessing.start_processes(curve, arguments, nprocs=world, start_method="forkserver")
        found = [json.loads(Path(meeting, f"{rank}.json").read_text()) for rank in range(world)]
    assert all(history == found[0] for history in found)
    return [h.get("loss", h.get("val", 0.0)) for h in found[0]]


@pytest.mark.parametrize(
    ("build", "strategy"),
    [(tiny.causal, "ddp"), (tiny.causal, "fsdp"), (products, "ddp"), (tiny.retriever, "ddp"), (tiny.student, "ddp")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_two_workers_have_the_curve_of_one_and_resume_alike(
    tmp_path: Path, build: Callable[[], nn.Module], strategy: Strategy
) -> None:
    alone = tiny.trainer(tmp_path / "one", build())
    one = [h.get("loss", h.get("val", 0.0)) for h in alone.run(alone.prepare(checkpoint_steps=4)).history]
    two = run(2, strategy, tmp_path / "two", build)
    assert two == pytest.approx(one, abs=1e-4)
    # the last checkpoint is lost: the run goes on from step 8, and ends as it had
    shutil.rmtree(tmp_path / "two" / step_name(12))
    shutil.copytree(tmp_path / "two", tmp_path / "moved")
    assert run(2, strategy, tmp_path / "two", build) == two
    # one worker goes on where two were
    single = tiny.trainer(tmp_path / "moved", build())
    state = single.prepare()
    assert state.step == 8
    assert [h.get("loss", h.get("val", 0.0)) for h in single.run(state).history] == pytest.approx(one, abs=1e-4)


@pytest.mark.parametrize(
    ("build", "strategy"),
    [(dropping, "ddp"), (dropping, "fsdp"), (products, "fsdp"), (retriever, "fsdp")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_what_is_dropped_does_not_depend_on_the_number_of_workers(
    tmp_path: Path, build: Callable[[], nn.Module], strategy: Strategy
) -> None:
    alone = tiny.trainer(tmp_path / "one", build())
    one = [h.get("loss", h.get("val", 0.0)) for h in alone.run(alone.prepare()).history]
    assert run(2, strategy, tmp_path / "two", build) == pytest.approx(one, abs=1e-4)
