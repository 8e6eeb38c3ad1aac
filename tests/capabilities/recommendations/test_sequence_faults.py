"""The sequence part on two Ray Train workers: whoever is killed, the weights are the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import ray

from shopbatch.capabilities.recommendations.sequence import SequencePlan, start_vectors
from shopbatch.capabilities.recommendations.sequence_config import SequenceConfig
from shopbatch.capabilities.recommendations.sequence_documents import Encode
from shopbatch.core.config import Platform
from shopbatch.core.sessions import ray_session
from shopbatch.training import blocks, worker, workers
from shopbatch.training.checkpoint_files import best_name
from shopbatch.training.config import LoopConfig, WorkersConfig
from shopbatch.training.worker import Run
from shopbatch.warehouse.store import Store

pytestmark = [pytest.mark.usefixtures("ray_local"), pytest.mark.slow, pytest.mark.chaos]
ROOT = Path(__file__).resolve().parents[3]


def histories(users: int, seed: int) -> pa.Table:
    draw = np.random.default_rng(seed)
    days = [np.sort(draw.integers(0, 9, draw.integers(4, 14))).tolist() for _ in range(users)]
    products = [((draw.integers(40) + 3 * np.array(d)) % 40).tolist() for d in days]
    columns = [pa.array(c, pa.list_(pa.int32())) for c in (products, days)]
    return pa.table([*columns, pa.nulls(users, pa.int32())], names=["products", "days", "since"])


def run(root: str, folder: str) -> Run:
    """Drawn products, dropout, days of several products: all that could make two runs differ."""
    parts = {"train": histories(200, 0), "val": histories(30, 1)}
    pack = blocks.prepare(Store(root), parts, {"max_items": 12}, Encode(12), 24, 0)
    config = SequenceConfig(max_items=12, hidden=8, negatives=10, softmax_below=0)
    steps = {"block_tokens": 24, "batch_blocks": 8, "micro_blocks": 2, "epochs": 9, "max_steps": 9, "eval_steps": 3}
    loop = LoopConfig.model_validate({**steps, "schedule": {"peak": 0.01}})
    settings = WorkersConfig(count=2, threads=1, checkpoint_steps=2)
    start = start_vectors(pack.read("train"), 40, config.hidden, 0)
    return Run(SequencePlan(40, config, start), pack, loop, settings, folder, "key")


def train(root: str, folder: str) -> tuple[dict[str, Any], bytes]:
    """The last state of a run, and its best weights."""
    state = workers.train(run(root, folder), lambda *_: None)
    return state, Path(folder, best_name(state["best_step"]), "weights-00000.safetensors").read_bytes()


def train_and_crash(root: str, folder: str, crash: dict[str, str]) -> tuple[dict[str, Any], bytes]:
    """Train with workers that reach a crash point."""

    def work_to_the_crash(context: dict[str, Any]) -> None:
        os.environ.update(crash)
        worker.work(context)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "work", work_to_the_crash)
        return train(root, folder)


def drive(address: str, root: str, folder: str) -> None:
    """Be a driver that is killed after the fifth step."""
    with ray_session(Platform(ray_address=address)):
        train_and_crash(root, folder, {"SHOPBATCH_CRASH_AT": "train-step-5", "SHOPBATCH_CRASH_PID": str(os.getpid())})


@pytest.mark.timeout(900)
def test_whoever_is_killed_the_bits_are_the_same(store: Store, tmp_path: Path) -> None:
    """kill -9 of the driver, after which the same call goes on, then of a worker, which is replaced."""
    straight, killed = str(tmp_path / "straight"), str(tmp_path / "killed")
    state, weights = train(store.root, straight)
    assert state["step"] == 9 and state["best_step"] > 5
    code = f"import sys\nfrom {__name__} import drive\ndrive(*sys.argv[1:])"
    address = ray.get_runtime_context().gcs_address
    # no pipes: Ray's processes would hold them open after the driver is dead
    driver = subprocess.run([sys.executable, "-c", code, address, store.root, killed], cwd=ROOT, check=False)
    assert driver.returncode == -signal.SIGKILL
    assert max(Path(killed).glob("step-*")).name == "step-00000004"
    crash = {"SHOPBATCH_CRASH_AT": "train-step-7", "SHOPBATCH_CRASH_ONCE": str(tmp_path / "once")}
    assert train_and_crash(store.root, killed, crash) == (state, weights)
    assert (tmp_path / "once").exists()
