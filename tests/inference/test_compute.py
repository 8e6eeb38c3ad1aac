"""How the work is cut and given out."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.sentiment.stage import SentimentScorer, SentimentStage
from shopbatch.inference.compute import unit_ends
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


@pytest.mark.parametrize(("pending", "unit_rows", "units"), [(0.8, 100, 8), (1.0, 90, 12), (0.5, 30, 17), (0.02, 7, 3)])
def test_units_end_where_row_groups_do_if_these_are_near(pending, unit_rows, units):
    draw = np.random.default_rng(0)
    positions = np.sort(draw.choice(1_000, int(1_000 * pending), replace=False))
    ends = unit_ends(positions, unit_rows, np.array([125, 250, 375, 500, 625, 750, 875, 1_000]))
    sizes = np.diff([0, *ends])
    assert len(ends) == units == -(-len(positions) // unit_rows) and ends[-1] == len(positions)
    assert sizes.min() > 0 and sizes.max() <= unit_rows * 3 / 2
    if unit_rows == 100:  # about as many as a row group has: no row group is read twice
        assert [positions[end - 1] // 125 for end in ends] == list(range(8))
