"""finetune_encoder whole, on a tiny random encoder: better than the frozen one, then score_reviews uses it."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tensorboardX.proto.event_pb2 import Event

from shopbatch.capabilities.sentiment import train_encoder
from shopbatch.capabilities.sentiment.bias import gate
from shopbatch.cli import main as cli
from shopbatch.core.config import Platform
from shopbatch.core.sessions import ray_session
from shopbatch.engines.base import Encoded, encode_all
from shopbatch.engines.configs import EngineConfig
from shopbatch.engines.factory import open_engine
from shopbatch.models import registry
from shopbatch.training import vectors, workers
from shopbatch.warehouse.store import Store
from tests.engines import tiny
from tests.inference import toy
from tests.jobs.test_train_sentiment_head import BAD, GOOD
from tests.models.canaries import EMAIL, TEXT, assert_clean
from tests.training import in_process

pytestmark = pytest.mark.usefixtures("ray_local")
ENGINE = ["engine.kind=torch", "engine.max_tokens=48", "engine.dtype=float32"]
ONE = "workers=1"  # actors that compute vectors
# fitted as the head that training starts from
HEAD = ["examples.min_rows=50", "head.counterfactual=0", ONE, *ENGINE]
QUICK = [*ENGINE, "gates.bias=1", "examples.min_rows=50", "encoder.freeze=[]", "encoder.dropout=0.0", "embedders=1",
         "workers.count=1", "workers.threads=1", "loop.block_tokens=128", "loop.batch_blocks=8", "loop.micro_blocks=8",
         "loop.epochs=6", "loop.eval_steps=40", "loop.precision=fp32", "loop.schedule.peak=0.005"]  # fmt: skip


def labelled(store: Store, count: int, canaries: bool = False) -> None:
    """Reviews of six words: two tell the label, two the language, two are made up, so that no two texts are alike."""
    draw, rows = random.Random(0), []
    for i in range(count):
        words = draw.choices((GOOD, BAD, ("plain", "usual", "normal"))[i % 3], k=2)
        words += ["".join(draw.choices("bdfgklmnprstvz", k=1) + draw.choices("aeiou", k=1)) * 2 for _ in range(2)]
        words += ["the", "with"]
        draw.shuffle(words)
        words += [TEXT] if canaries and i % 300 == 0 else []
        rows.append({"review_id": f"r{i}", "text": " ".join(words), "rating": (5, 1, 3)[i % 3]})
    toy.put(store, toy.reviews(rows))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a warehouse of labelled reviews, and a tiny encoder."""
    folder = tmp_path_factory.mktemp("filled")
    labelled(Store(str(folder / "warehouse")), 1200, canaries=True)
    tiny.build(folder / EMAIL, prefix="query: ", layers=[1, 2])
    return folder


@pytest.fixture
def shop(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, str]:
    """A copy of one's own."""
    folder = shutil.copytree(filled, tmp_path / "shop")
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(folder / "warehouse"))
    return Store(str(folder / "warehouse")), str(folder / EMAIL)


def call(capsys: pytest.CaptureFixture[str], job: str, *arguments: str) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = cli.main(["run", job, *arguments])
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("shopbatch:")]
    return code, json.loads(out.splitlines()[-1]) if out.strip() else {}, "\n".join(lines)


def without_actors(patch: pytest.MonkeyPatch) -> None:
    """From now on nothing is trained or embedded in processes of Ray's, which take seconds to start."""

    def embed(examples: pa.Table, engine: EngineConfig, model_dir: str | None, workers: int) -> Encoded:
        return encode_all(open_engine(engine, model_dir), examples["text"].combine_chunks())

    patch.setattr(workers, "run_workers", in_process.run_workers)
    for module in (vectors, train_encoder, gate):
        patch.setattr(module, "embed", embed)


def curve(store: Store, run_id: str, job: str = "finetune_encoder") -> list[tuple[int, str]]:
    """(step, tag) of what a run left for TensorBoard: records of length, sum, event, sum."""
    (file,) = Path(store.root, "_runs", job, run_id, "tensorboard").iterdir()
    assert "tfevents" in file.name
    data, found, place = file.read_bytes(), [], 0
    while place < len(data):
        (size,) = struct.unpack_from("<Q", data, place)
        event = Event.FromString(data[place + 12 : place + 12 + size])
        found += [(event.step, value.tag) for value in event.summary.value]
        place += size + 16
    return found


@pytest.mark.timeout(900)
def test_a_better_encoder_is_published_and_scores_reviews(
    shop: tuple[Store, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, base = shop
    models = f"{store.root}/_models"
    code, frozen, err = call(capsys, "train_sentiment_head", f"encoder={base}", *HEAD)
    assert code == 0, err
    code, report, err = call(capsys, "finetune_encoder", f"base={base}", *QUICK)
    assert code == 0, err
    against = report["metrics"]["against"]
    assert set(against) == {"base", "live"} and against["base"]["en"]["log_loss"]["high"] < 0
    # the live head is the frozen one: judged alike, but for the near-duplicates
    assert against["live"]["en"]["log_loss"]["value"] == pytest.approx(
        against["base"]["en"]["log_loss"]["value"], abs=0.1
    )
    # it begins as the frozen head, made smaller, which knows something: a head at random has log 3, about 1.1
    training = report["metrics"]["training"]
    assert training["best_validation_loss"] < training["first_validation_loss"] < 1.03
    validated = [h[0] for h in curve(store, report["run_id"]) if h[1] == "validation_loss"]
    assert validated[0] == 0 and validated[-1] == training["steps"]
    live = registry.resolve(models, "sentiment@live")
    assert live.digest == report["models"]["sentiment"] != frozen["models"]["sentiment"]
    assert live.manifest["base"].startswith("email@") and len(live.manifest["rows"]) > 500
    assert_clean(models)
    encoder = registry.resolve(models, live.manifest["encoder"])
    assert encoder.digest == report["models"]["encoder"] and "candidate" not in encoder.manifest
    spec = json.loads(Path(encoder.path, "encoder.json").read_text())
    assert spec["layers"] == [1, 2] and spec["prefix"] == "query: "
    code, scored, err = call(capsys, "score_reviews", ONE, *ENGINE)
    assert code == 0, err
    assert scored["models"] == {"encoder": encoder.digest, "head": live.digest}
    code, again, _ = call(capsys, "finetune_encoder", f"base={base}", *QUICK)
    assert code == 0 and again["outcome"] == "nothing to do"
    # now the rival is the fine-tuned model: one that is hardly trained is refused, and what is live stays
    without_actors(monkeypatch)
    code, worse, _ = call(capsys, "finetune_encoder", f"base={base}", *QUICK, "loop.max_steps=2")
    assert code == 3 and "log loss against live" in worse["message"]
    assert registry.resolve(models, "sentiment@live").digest == live.digest
    kept = {p.parent.name for p in Path(models).glob("sentiment-encoder/*/manifest.json")}
    assert kept == {encoder.digest[:12]}


@pytest.mark.parametrize(
    ("ratings", "said"), [((5,), "too few labelled rows"), ((), "too few labelled rows")], ids=["one class", "no label"]
)
def test_reviews_that_cannot_train_are_refused(
    store: Store,
    filled: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ratings: tuple[int, ...],
    said: str,
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    base = filled / EMAIL
    rows = [
        {"review_id": f"r{i}", "text": f"text {i}"} | ({"rating": ratings[0]} if ratings else {}) for i in range(300)
    ]
    toy.put(store, toy.reviews(rows))
    code, _, err = call(capsys, "finetune_encoder", f"base={base}", *QUICK)
    assert code == 2 and said in err and err.count("\n") == 0


def test_blocks_that_a_text_would_not_fit_into(shop: tuple[Store, str], capsys: pytest.CaptureFixture[str]) -> None:
    _, base = shop
    code, _, err = call(capsys, "finetune_encoder", f"base={base}", *QUICK, "loop.block_tokens=47")
    assert code == 2 and "loop.block_tokens=47 is less than engine.max_tokens=48" in err and err.count("\n") == 0


def test_more_tokens_than_the_model_reads(shop: tuple[Store, str], capsys: pytest.CaptureFixture[str]) -> None:
    _, base = shop
    code, _, err = call(capsys, "train_sentiment_head", f"encoder={base}", "examples.min_rows=50", ONE, *ENGINE,
                        "engine.max_tokens=65")  # fmt: skip
    assert code == 2, err
    assert "max_tokens=65" in err and err.count("\n") == 0


def test_layers_that_are_not_there(shop: tuple[Store, str], capsys: pytest.CaptureFixture[str]) -> None:
    _, base = shop
    Path(base, "encoder.json").write_text(json.dumps({"layers": [1, 9]}))
    code, _, err = call(capsys, "finetune_encoder", f"base={base}", *QUICK)
    assert code == 2 and "asks for layers [1, 9]; the model has 3" in err and err.count("\n") == 0


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_a_full_disk_stops_the_run_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """The warehouse is a disk of its own, of 16 MB: no place for the checkpoints at first, then there is."""
    disk = tmp_path / "disk"
    disk.mkdir()
    alone = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
    mount = f"mount -t tmpfs -o size=16m tmpfs {disk}"
    if shutil.which("unshare") is None or subprocess.run([*alone, mount], capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts nothing for who is not its root")
    code = "import sys\nfrom tests.jobs.test_finetune_encoder import fill_up\nfill_up(sys.argv[1], sys.argv[2])"
    script = f"{mount} && exec {sys.executable} -c '{code}' {disk} {tmp_path / 'encoder'}"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([*alone, script], cwd=root, capture_output=True, text=True, timeout=600, check=False)
    said = [line for line in done.stderr.splitlines() if line.startswith("shopbatch:")]
    assert done.returncode == 0, done.stderr[-3000:]
    assert "no space left for checkpoints; the same command goes on from here" in said[0]
    assert len(said) == 1 or (len(said) == 2 and "report could not be written" in said[1])


def fill_up(warehouse: str, encoder: str) -> None:
    """Twice the same run: on a disk with room for the tables and a checkpoint or two, and after the rest is freed."""
    os.environ["SHOPBATCH_WAREHOUSE"] = warehouse
    base, store = tiny.build(Path(encoder), prefix="query: "), Store(warehouse)
    command = ["run", "finetune_encoder", f"base={base}", *QUICK, "loop.max_steps=80", "workers.retries=0"]
    with ray_session(Platform(cpus=2, object_store_mb=512)):
        labelled(store, 900)
        filler = Path(warehouse) / "filler"
        filler.write_bytes(b"0" * (shutil.disk_usage(warehouse).free - 600_000))
        assert cli.main(command) == 4
        assert registry.find_live(f"{store.root}/_models", "sentiment") is None
        assert list(Path(warehouse, "_training").rglob("checkpoint.json"))  # there was room for one
        assert len(list(Path(warehouse, "_training").rglob("head.safetensors"))) == 1
        filler.unlink()
        with pytest.MonkeyPatch.context() as patch:
            without_actors(patch)
            assert cli.main(command) == 0
        assert registry.find_live(f"{store.root}/_models", "sentiment") is not None
