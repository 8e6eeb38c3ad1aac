"""A checkpoint is whole or does not count; a damaged one is named and the one before it is used."""

import dataclasses
import json
import os
import resource
import shutil
from pathlib import Path

import pyarrow.fs as pafs
import pytest
import torch
from safetensors import SafetensorError

from shopbatch.training.checkpoint_files import CheckpointError, best_name, read_marker, read_whole, step_name, steps
from shopbatch.training.checkpoints import Checkpoints
from shopbatch.training.parallel import Parallel
from tests.warehouse.damage import DAMAGES, LOST

from . import tiny


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """Checkpoints of steps 8 and 12."""
    trainer = tiny.trainer(tmp_path / "run")
    trainer.run(trainer.prepare(checkpoint_steps=4))
    assert steps(str(tmp_path / "run")) == [step_name(8), step_name(12)]
    return tmp_path / "run"


def test_nothing_in_it_is_a_pickle(trained: Path) -> None:
    names = {p.name for p in trained.rglob("*") if p.is_file()}
    assert {n.rpartition(".")[2] for n in names} == {"safetensors", "json"}


@pytest.mark.parametrize("file", ["weights-00000.safetensors", "optimizer-00000.safetensors", "checkpoint.json"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_is_used(
    trained: Path, file: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trained / step_name(12) / file
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else data)
    again = tiny.trainer(trained)
    assert again.prepare().step == 8
    said = capsys.readouterr().err
    assert step_name(12) in said and said.count("\n") == 1 and "resuming from the checkpoint before it" in said


def test_a_marker_is_refused_in_one_line_whatever_it_holds(trained: Path, tmp_path: Path) -> None:
    for name, damage in (DAMAGES | LOST).items():
        for file in ("checkpoint.json", "weights-00000.safetensors"):
            if (name, file) == ("wrong types", "weights-00000.safetensors"):
                continue
            folder = tmp_path / f"{name} {file}" / step_name(12)
            shutil.copytree(trained / step_name(12), folder)
            read_whole(str(folder))
            damage(folder / file)
            with pytest.raises(CheckpointError, match=file) as error:
                read_whole(str(folder))
            assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_one_whose_best_weights_are_damaged_is_not_gone_on_from(
    trained: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """They would be missed at the end of the run only; the run goes on from before them, and finds the same again."""
    named = [read_marker(str(trained / step))["state"]["best_step"] for step in steps(str(trained))]
    assert named == [8, 12]
    best = next((trained / best_name(12)).glob("weights-*"))
    data = bytearray(best.read_bytes())
    best.unlink()
    if damage == "flipped":
        best.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    again = tiny.trainer(trained)
    state = again.prepare(checkpoint_steps=4)
    said = capsys.readouterr().err
    assert state.step == 8 and best_name(12) in said and said.count("\n") == 1
    assert again.run(state).best_step == 12
    assert next((trained / best_name(12)).glob("weights-*")).read_bytes() == data


def test_one_of_another_configuration_is_refused(trained: Path) -> None:
    with pytest.raises(CheckpointError, match="another configuration"):
        Checkpoints(str(trained), "other", Parallel()).load(tiny.causal())


def test_one_of_another_model_is_refused(trained: Path) -> None:
    with pytest.raises(CheckpointError, match="other weights than the model has"):
        Checkpoints(str(trained), "key", Parallel()).load(tiny.classifier())


def test_weights_and_moments_come_back_exactly(trained: Path) -> None:
    one, two = tiny.trainer(trained), tiny.trainer(trained, tiny.causal(seed=9))
    states = [t.prepare() for t in (one, two)]
    assert states[0] == states[1] and states[0].step == 12
    for a, b in zip(one.parameters, two.parameters, strict=True):
        assert torch.equal(a, b)
        assert all(torch.equal(one.optimizer.state[a][k], two.optimizer.state[b][k]) for k in ("exp_avg", "exp_avg_sq"))
        assert float(one.optimizer.state[a]["step"]) == 12


def test_the_best_that_a_kept_step_names_is_kept(trained: Path) -> None:
    named = {read_marker(str(trained / step))["state"]["best_step"] for step in steps(str(trained))}
    there = {int(p.name[5:]) for p in trained.glob("best-*")}
    assert named <= there and len(there) <= 3


@pytest.mark.parametrize("keep", [1, 2])
def test_after_damage_the_new_checkpoints_are_kept(trained: Path, keep: int) -> None:
    """All existing ones are damaged, so the run starts again: the numbers of its checkpoints are lower than theirs."""
    for step in steps(str(trained)):
        weights = next((trained / step).glob("weights-*"))
        weights.write_bytes(weights.read_bytes()[:-1])
    again = tiny.trainer(trained)
    again.checkpoints = dataclasses.replace(again.checkpoints, keep=keep)
    state = again.prepare()
    assert state.step == 0
    for _ in range(3):
        again.step(state)
    again.checkpoints.save(best_name(3), again.objective, None, state.tree() | {"best_step": 3})
    again.checkpoints.save(step_name(3), again.objective, again.optimizer, state.tree() | {"best_step": 3})
    assert steps(str(trained)) == [step_name(3)] and (trained / best_name(3)).exists()
    assert tiny.trainer(trained).prepare().step == 3


def test_an_object_stores_leftovers_of_another_number_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store without rename: two workers were killed before the marker; one goes on and writes the same step."""
    store = pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())
    monkeypatch.setattr("shopbatch.warehouse.files.filesystem", lambda uri: (store, uri))
    trainer = tiny.trainer("run")
    state = trainer.prepare()
    trainer.step(state)
    folder = tmp_path / "run" / step_name(1)
    folder.mkdir(parents=True)
    (folder / "weights-00001.safetensors").write_bytes(b"of the second worker")
    (folder / "sums-00001.json").write_text(json.dumps({"weights-00001.safetensors": {"xxh128": "", "size": 20}}))
    trainer.checkpoints.save(step_name(1), trainer.objective, trainer.optimizer, state.tree())
    assert tiny.trainer("run").prepare().step == 1


def test_a_write_that_fails_leaves_the_one_before(trained: Path) -> None:
    """The system lets this process write only files smaller than the weights, as if the disk were full."""
    again = tiny.trainer(trained, config=tiny.loop())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(SafetensorError, match="File too large"):
            again.checkpoints.save(step_name(16), again.objective, None, {"step": 16, "best_step": 12})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert tiny.trainer(trained).prepare().step == 12


def run_to_a_crash(folder: str, point: str) -> None:
    os.environ["SHOPBATCH_CRASH_AT"] = point
    trainer = tiny.trainer(folder)
    trainer.run(trainer.prepare(checkpoint_steps=4))


@pytest.mark.chaos
@pytest.mark.parametrize("point", ["checkpoint-step-00000012", "checkpoint-visible", "checkpoint-best-00000012"])
def test_killed_while_it_is_written(tmp_path: Path, point: str) -> None:
    """kill -9 in the middle of writing, and just after it became visible: the next run ends with the same bits."""
    process = tiny.PROCESSES.Process(target=run_to_a_crash, args=(str(tmp_path / "killed"), point))
    process.start()
    process.join()
    assert process.exitcode == -9
    resumed, straight = tiny.trainer(tmp_path / "killed"), tiny.trainer(tmp_path / "straight")
    states = [t.run(t.prepare(checkpoint_steps=4)) for t in (resumed, straight)]
    assert states[0] == states[1]
    assert all(torch.equal(a, b) for a, b in zip(resumed.parameters, straight.parameters, strict=True))
    assert not list((tmp_path / "killed").glob(".step-*")) and json.loads(
        (tmp_path / "killed" / step_name(12) / "checkpoint.json").read_text("utf-8")
    )
