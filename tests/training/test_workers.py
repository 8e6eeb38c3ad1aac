"""What a run left behind, as the next one finds it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shopbatch.training import workers
from shopbatch.training.checkpoint_files import best_name
from shopbatch.training.config import LoopConfig, WorkersConfig
from shopbatch.training.worker import DONE, finished

from . import tiny


def end(run: Any, result: dict[str, Any]) -> None:
    """End a run as its first worker does."""
    Path(run.folder, DONE).write_text(json.dumps(result))


@pytest.mark.parametrize("left", [{"diverged": "step 3: loss nan"}, {"mistake": "no chat template"}], ids=str)
def test_a_refusal_that_no_driver_read_is_not_taken_for_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: dict[str, str]
) -> None:
    run: Any = SimpleNamespace(folder=str(tmp_path), loop=LoopConfig(), workers=WorkersConfig())
    (tmp_path / DONE).write_text(json.dumps(left))
    monkeypatch.setattr(workers, "run_workers", lambda *_: end(run, {"step": 7, "before": finished(run)}))
    assert workers.train(run, lambda *_: None) == {"step": 7, "before": None}


@pytest.mark.parametrize("whole", [True, False])
def test_a_finished_run_is_a_result_while_its_best_weights_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    trainer = tiny.trainer(tmp_path)
    done = trainer.run(trainer.prepare(checkpoint_steps=4)).tree()
    (tmp_path / DONE).write_text(json.dumps(done))
    if not whole:
        next((tmp_path / best_name(done["best_step"])).glob("weights-*")).unlink()
    run: Any = SimpleNamespace(folder=str(tmp_path), loop=LoopConfig(), workers=WorkersConfig())
    monkeypatch.setattr(workers, "run_workers", lambda *_: end(run, {"step": 7, "before": finished(run)}))
    assert workers.train(run, lambda *_: None) == (done if whole else {"step": 7, "before": None})
