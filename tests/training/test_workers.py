"""What a run left behind, as the next one finds it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shopbatch.training import workers
from shopbatch.training.config import LoopConfig, WorkersConfig


@pytest.mark.parametrize("left", [{"diverged": "step 3: loss nan"}, {"mistake": "no chat template"}], ids=str)
def test_a_refusal_that_no_driver_read_is_not_taken_for_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: dict[str, str]
) -> None:
    run: Any = SimpleNamespace(folder=str(tmp_path), loop=LoopConfig(), workers=WorkersConfig())
    (tmp_path / workers.DONE).write_text(json.dumps(left))
    monkeypatch.setattr(workers, "_train", lambda *_: {"step": 7, "found": workers.finished(run)})
    assert workers.train(run, lambda *_: None) == {"step": 7, "found": None}
    (tmp_path / workers.DONE).write_text(json.dumps({"step": 9}))
    assert workers.train(run, lambda *_: None) == {"step": 9}
