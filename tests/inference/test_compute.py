"""How the work is cut and given out."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from shopbatch.capabilities.sentiment.stage import SentimentScorer, SentimentStage
from tests.inference import toy

pytestmark = pytest.mark.usefixtures("ray_local")


class Waiting(SentimentScorer):
    """Answers when another worker is at work too, or never will be; says in `language` which process it is."""

    def __init__(self, scorer, folder):
        super().__init__(scorer.encoder, scorer.head)
        self.folder = Path(folder)

    def run(self, content, attempts):
        (self.folder / str(os.getpid())).touch()
        until = time.monotonic() + 20
        while len(list(self.folder.iterdir())) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        raw = super().run(content, attempts)
        here = pa.array([str(os.getpid())] * len(raw), pa.string())
        return raw.set_column(raw.schema.get_field_index("language"), "language", here)


@dataclass(frozen=True)
class Shared(SentimentStage):
    """The stage with a scorer that waits for company."""

    folder: str = ""

    def open(self):
        return Waiting(super().open(), self.folder)


@pytest.mark.parametrize("light", [True, False], ids=["tasks", "actors"])
def test_a_small_run_uses_every_worker(store, tmp_path, light):
    (tmp_path / "here").mkdir()
    toy.put(store, [{"review_id": f"r{i}", "text": f"text {i}"} for i in range(300)])
    job = toy.spec(light=light)
    stage = Shared(job.stage.engine, "", "", job.stage.models, folder=str(tmp_path / "here"))
    toy.run(store, type(job)(job.job, job.source, stage, job.sink, job.rejects), flush_rows=50)
    by_process = toy.memo(store)["language"].value_counts()["count"].to_list()
    assert len(by_process) == 2 and min(by_process) >= 50
