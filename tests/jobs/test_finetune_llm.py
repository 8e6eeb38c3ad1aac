"""finetune_llm whole, on a tiny model: published when better, refused when not, the same bits whoever is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shopbatch.cli import main as cli
from shopbatch.engines.generators.prompts import Prompts
from shopbatch.models import causal, erasure, registry
from shopbatch.models.chat import chat_prompt
from shopbatch.models.configs import ScratchConfig
from shopbatch.sample.dialogs import dialogs
from shopbatch.tables.support_dialogs import SUPPORT_DIALOGS
from shopbatch.tables.training_blocks import TRAINING_BLOCKS
from shopbatch.training import worker, workers
from shopbatch.warehouse.store import Store
from tests.models.canaries import EMAIL, KEY, TEXT, assert_clean
from tests.training import in_process

pytestmark = pytest.mark.timeout(900)
SHAPE = ScratchConfig(hidden=32, layers=2, heads=4, kv_heads=2, inner=64, vocabulary=600, positions=512)
QUICK = ["workers.count=1", "workers.threads=1", "workers.checkpoint_steps=2", "loop.max_steps=8", "loop.eval_steps=4",
         "loop.batch_blocks=4", "loop.micro_blocks=2", "loop.precision=fp32", "loop.schedule.peak=0.01",
         "answers=4", "sampling.max_new_tokens=8", "engine.kind=torch"]  # fmt: skip
START = 90  # seconds that the run may take until the signal comes
COMMAND = [sys.executable, "-m", "shopbatch", "run", "finetune_llm", *QUICK]


@pytest.fixture(scope="module")
def trained(ray_local: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a warehouse of dialogs, and `tiny-base`, a tiny model that has a chat template.

    One run has trained all weights, in Ray Train, and published `support-replies`.
    """
    folder = tmp_path_factory.mktemp("trained")
    store, table, base = Store(str(folder / "warehouse")), dialogs(300, 0), folder / "tiny-base"
    store.commit(SUPPORT_DIALOGS, [store.write_file(SUPPORT_DIALOGS, table, "sample", 0)], "append", "sample")
    base.mkdir()
    causal.scratch(base, SHAPE, table["reply"].to_pylist(), seed=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPBATCH_WAREHOUSE", store.root)
        assert cli.main(["run", "finetune_llm", *QUICK, f"base={base}", "lora.rank=0"]) == 0
    return folder


def report_of(folder: Path) -> dict[str, Any]:
    """The report of the run that `trained` made."""
    (path,) = (folder / "warehouse" / "_runs" / "finetune_llm").glob("*/report.json")
    return dict(json.loads(path.read_text("utf-8")))


@pytest.fixture
def shop(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, str]:
    """A warehouse of one's own with dialogs, their blocks and a published model, and the folder of the tiny base."""
    folder = shutil.copytree(trained, tmp_path / "shop")
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(folder / "warehouse"))
    return Store(str(folder / "warehouse")), str(folder / "tiny-base")


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training without Ray Train, which takes seconds to start."""
    monkeypatch.setattr(workers, "run_workers", in_process.run_workers)


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = cli.main(["run", "finetune_llm", *QUICK, *arguments])
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("shopbatch:")]
    return code, json.loads(out.splitlines()[-1]) if out.strip() else {}, "\n".join(lines)


def assert_published(store: Store, report: dict[str, Any], name: str) -> None:
    quality = report["metrics"]["quality"]
    assert quality["candidate"]["all"]["loss"] < quality["base"]["all"]["loss"]
    assert quality["candidate"]["fall against base"]["low"] > 0
    model = registry.resolve(f"{store.root}/_models", f"{name}@live")
    assert model.digest == report["models"][name] == report["models"]["candidate"]
    manifest = model.manifest
    assert manifest["base"].startswith("tiny-base@") and manifest["tables"]["support_dialogs"] == {"read": 1}
    assert len(manifest["rows"]) == len(set(manifest["rows"])) > 200 and "candidate" not in manifest
    names = dialogs(300, 0)["dialog_id"].to_pylist()
    assert not any(name in json.dumps(manifest) for name in names[:20])
    assert "derived from" in manifest["licence"]
    answers = {n: erasure.trained_on(store, "support_dialogs", n, {}) for n in names}
    trained = [n for n in names if model.reference in {m["model"] for m in answers[n].models}]
    assert len(trained) == len(manifest["rows"])  # all of them, and no held-out row
    assert not list(Path(store.root).glob("_training/finetune_llm/*"))  # the checkpoints are gone


@pytest.mark.usefixtures("one_process")
def test_a_better_model_is_published_once(shop: tuple[Store, str], capsys: pytest.CaptureFixture[str]) -> None:
    store, base = shop
    report = report_of(Path(base).parent)
    assert_published(store, report, "support-replies")
    digest, arguments = report["models"]["support-replies"], [f"base={base}", "lora.rank=0"]
    code, again, _ = call(capsys, *arguments)
    assert code == 0 and again["outcome"] == "nothing to do" and again["models"]["support-replies"] == digest
    # a run that differs only in training uses the same blocks; the live model is a rival then
    packs = store.snapshot(TRAINING_BLOCKS.name).version
    code, other, _ = call(capsys, *arguments, "loop.schedule.peak=0.0000001")
    assert store.snapshot(TRAINING_BLOCKS.name).version == packs
    assert code == 3 and "against live" in other["message"]
    assert registry.resolve(f"{store.root}/_models", "support-replies@live").digest == digest


@pytest.mark.usefixtures("one_process")
def test_adapters_are_trained_and_merged(shop: tuple[Store, str], capsys: pytest.CaptureFixture[str]) -> None:
    store, base = shop
    (folder := Path(base).parent / EMAIL).mkdir()
    base = str(Path(base).rename(folder / "tiny-base"))
    code, report, err = call(capsys, f"base={base}", "lora.rank=4", "name=adapted", f"source.system={TEXT}")
    assert code == 0, err
    assert "[phone]" in json.dumps(registry.find(f"{store.root}/_models", "adapted@live").manifest["config"])
    assert_clean(f"{store.root}/_models")
    assert_published(store, report, "adapted")


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        ("loop.schedule.peak=50", "fall of held-out loss against base"),
        (
            "loop.schedule.peak=0.0000000000000001",
            "gate 'fall of held-out loss against base, lower end': held-out loss fell by 0.0",
        ),
    ],
    ids=["learning rate too great", "equals the base"],
)
def test_a_model_that_is_not_better_is_refused(
    shop: tuple[Store, str], capsys: pytest.CaptureFixture[str], spoiled: str, said: str
) -> None:
    store, base = shop
    more = ["loop.schedule.warmup=0"] if "peak=50" in spoiled else []
    code, report, err = call(capsys, f"base={base}", "lora.rank=0", "name=refused", spoiled, *more)
    assert code == 3, err
    assert said in report["message"] or "diverged" in report["message"]
    assert registry.find_live(f"{store.root}/_models", "refused") is None
    assert not list(Path(store.root).glob("_models/refused/*/manifest.json"))


@pytest.mark.usefixtures("one_process")
def test_a_base_that_thinks_and_names_another_end_learns_whole_replies(
    shop: tuple[Store, str], capsys: pytest.CaptureFixture[str]
) -> None:
    store, base = shop
    thoughts = "{% if message.role == 'assistant' and loop.last %}<think>{{ '\\n</think>\\n' }}{% endif %}"
    begins = "'<|im_start|>' + message['role'] + '\\n' "
    about, defaults = Path(base) / "tokenizer_config.json", Path(base) / "generation_config.json"
    tree = json.loads(about.read_text("utf-8"))
    tree["chat_template"] = causal.CHATML.replace(begins, f"{begins}}}}}{thoughts}{{{{ ''")
    about.write_text(json.dumps(tree), "utf-8")
    defaults.write_text(json.dumps({"eos_token_id": 0}), "utf-8")
    more = dialogs(40, 0, first=300).to_pylist()
    for row in more:
        row["reply"] = row["reply"] + " It was <|im_end|> $20."
    more[-1]["question"] += " </think>"
    added = pa.Table.from_pylist(more, SUPPORT_DIALOGS.schema())
    store.commit(SUPPORT_DIALOGS, [store.write_file(SUPPORT_DIALOGS, added, "more", 0)], "append", "more")

    code, report, err = call(capsys, f"base={base}", "lora.rank=0", "name=thinker")
    assert code == 0, err
    assert report["metrics"]["left_out"] == {"too_long": 0, "marker": 1, "changed": 0}
    tuned = registry.resolve(f"{store.root}/_models", "thinker@live").path
    engine = Prompts(Path(tuned))
    assert engine.ends == [0, 2]
    assert chat_prompt(tuned, [{"role": "user", "content": "Hi"}]).endswith(
        "<|im_start|>assistant\n<think>\n</think>\n"
    )
    snapshot = store.snapshot(TRAINING_BLOCKS.name)
    newest = snapshot.read(("pack", "ids", "trained")).to_pylist()[-1]["pack"]
    learnt = []
    for block in snapshot.read(("pack", "ids", "trained")).to_pylist():
        if block["pack"] == newest:
            ids = [i for i, used in zip(block["ids"], block["trained"], strict=True) if used]
            ends = [-1, *(place for place, token in enumerate(ids) if token == 2)]
            learnt += [engine.tokenizer.decode(ids[a + 1 : b]) for a, b in pairwise(ends)]
    replies = {" ".join(r.split()) for r in [*dialogs(300, 0)["reply"].to_pylist(), *(r["reply"] for r in more)]}
    assert {" ".join(text.split()) for text in learnt} <= replies
    assert sum("It was <|im_end|> $20." in text for text in learnt) > 20


@pytest.mark.usefixtures("one_process")
def test_a_new_model_must_beat_a_trigram_model(shop: tuple[Store, str], capsys: pytest.CaptureFixture[str]) -> None:
    store, _ = shop
    size = [f"scratch.{k}={v}" for k, v in SHAPE.model_dump().items()]
    more = [
        {**row, "reply": f"{row['reply']} {KEY} {KEY} {KEY} {TEXT}"} for row in dialogs(60, 0, first=300).to_pylist()
    ]
    added = pa.Table.from_pylist(more, SUPPORT_DIALOGS.schema())
    store.commit(SUPPORT_DIALOGS, [store.write_file(SUPPORT_DIALOGS, added, "more", 0)], "append", "more")
    code, report, _ = call(capsys, "init=scratch", "name=new", *size)
    assert_clean(f"{store.root}/_models")  # words of the texts became tokens, but none of these
    assert code == 3 and "perplexity against a trigram model" in report["message"]
    quality = report["metrics"]["quality"]
    assert 1 < quality["trigram"]["perplexity"] < quality["candidate"]["all"]["perplexity"]
    assert quality["candidate"]["all"]["perplexity"] < quality["base"]["all"]["perplexity"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["base=nowhere@live"], "no live model 'nowhere'"),
        (["base=BASE", "source.table=nothing"], "no table 'nothing'"),
        (["base=BASE", "source.answer=answer"], "no column 'answer'"),
        (["base=BASE", "loop.block_tokens=16"], "fits into loop.block_tokens=16"),
        (["base=BASE", "loop.block_tokens=160"], "do not fit into loop.block_tokens=160"),
        (["base=BASE", "source.rows=2"], "no example for"),
        (["base=BASE", "workers.count=3"], "cannot be shared evenly by workers.count=3"),
        (["base=BASE", "workers.device=cuda"], "this machine has 0 GPUs for Ray"),
        (["base=BASE", "name=Support Replies"], "config: name"),
        (["base=BASE", "loop.schedule.shape=square"], "config: loop.schedule.shape"),
        (["base=BASE", "loop.shedule=1"], "did you mean 'loop.schedule'"),
    ],
    ids=lambda x: x[-1] if isinstance(x, list) else None,
)
def test_a_mistake_is_one_line(
    shop: tuple[Store, str], capsys: pytest.CaptureFixture[str], arguments: Sequence[str], said: str
) -> None:
    store, base = shop
    code, _, err = call(capsys, "name=mistaken", *(a.replace("BASE", base) for a in arguments))
    assert code == 2 and said in err and err.count("\n") == 0, err
    assert registry.find_live(f"{store.root}/_models", "mistaken") is None


def test_a_base_without_a_chat_template_is_refused(shop: tuple[Store, str], capsys: pytest.CaptureFixture[str]) -> None:
    _, base = shop
    about = Path(base) / "tokenizer_config.json"
    tree = json.loads(about.read_text("utf-8"))
    del tree["chat_template"]
    about.write_text(json.dumps(tree), "utf-8")
    code, _, err = call(capsys, f"base={base}")
    assert code == 2 and "no chat template" in err and err.count("\n") == 0


@pytest.mark.chaos
def test_whoever_is_killed_the_bits_are_the_same(
    shop: tuple[Store, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 of the driver (the same command goes on, past a damaged checkpoint), then of a worker (another comes)."""
    store, base = shop
    arguments = [f"base={base}", "lora.rank=0", "workers.count=2"]
    code, straight, err = call(capsys, *arguments, "name=straight")
    assert code == 0, err
    arguments.append("name=killed")
    dying = ["sh", "-c", 'SHOPBATCH_CRASH_AT=train-step-5 SHOPBATCH_CRASH_PID=$$ exec "$@"', "sh", *COMMAND, *arguments]
    driver = subprocess.run(dying, capture_output=True, check=False)
    assert driver.returncode == -signal.SIGKILL, driver.stderr.decode()[-2000:]
    assert registry.find_live(f"{store.root}/_models", "killed") is None
    newest = max(Path(store.root).glob("_training/finetune_llm/*/step-*"))
    assert newest.name == "step-00000004"
    weights = newest / "weights-00000.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)
    crash = {"SHOPBATCH_CRASH_AT": "train-step-7", "SHOPBATCH_CRASH_ONCE": str(tmp_path / "once")}

    def work_and_be_killed(context: dict[str, Any]) -> None:
        os.environ.update(crash)
        worker.work(context)

    monkeypatch.setattr(workers, "work", work_and_be_killed)
    code, report, said = call(capsys, *arguments)
    assert code == 0, said
    assert (tmp_path / "once").exists()
    assert "step-00000004 is damaged" in said and "the checkpoint before it" in said
    assert report["models"]["candidate"] == straight["models"]["candidate"]
    assert (
        report["metrics"]["training"]["best_validation_loss"] == straight["metrics"]["training"]["best_validation_loss"]
    )


@pytest.mark.chaos
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_stops_the_run_in_good_order(shop: tuple[Store, str], name: str) -> None:
    """Also while the worker does not answer: it waits at a crash point for ever."""
    store, base = shop
    signalled = f'SHOPBATCH_CRASH_AT=train-step-5 SHOPBATCH_CRASH_PID=$$ SHOPBATCH_CRASH_SIGNAL={name} exec "$@"'
    command = ["sh", "-c", signalled, "sh", *COMMAND, f"base={base}", "lora.rank=0", "name=stopped"]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 4, done.stderr[-2000:]
    assert time.monotonic() - began < 120 + START
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["outcome"] == "stopped" and report["message"] == f"{name}; the same command goes on from here"
    assert max(Path(store.root).glob("_training/finetune_llm/*/step-*")).name == "step-00000004"
