"""The training loop beside HF Trainer, beside itself inside Ray Train, and on two workers beside one.

Run: python bench/training.py hf --rounds 3     useful tokens a second: ours, HF Trainer's defaults, and it at its best
     python bench/training.py ray --rounds 3    the bare loop, Ray Train with 1 worker x 2 threads, and 2 workers x 1

A Llama-shaped model of --hidden and --layers learns support_dialogs from the same random weights. Equal tokens a step:
HF Trainer's batch has as many documents as ours holds on average. Useful tokens are those of documents, not padding.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import transformers
from profile_tools import machine

from shopbatch.capabilities.language_model.examples import Encode
from shopbatch.core.config import Platform
from shopbatch.core.sessions import ray_session
from shopbatch.models import causal
from shopbatch.models.configs import LoraConfig, ScratchConfig
from shopbatch.sample.generated_dialogs import dialogs
from shopbatch.training import attention, blocks, workers
from shopbatch.training.checkpoints import Checkpoints
from shopbatch.training.config import LoopConfig, ScheduleConfig, WorkersConfig
from shopbatch.training.loop import Data, Trainer
from shopbatch.training.objectives import NextToken
from shopbatch.training.packing import Document, flatten
from shopbatch.training.parallel import Parallel
from shopbatch.training.plans import CausalPlan
from shopbatch.training.workers import Run
from shopbatch.warehouse.store import Store

BLOCK, LEARNING = 512, 1e-3


class Shop:
    """A model folder, and dialogs as documents and as a pack."""

    def __init__(self, root: Path, arguments: argparse.Namespace) -> None:
        table = dialogs(arguments.rows, 0)
        self.folder = root / "model"
        self.folder.mkdir()
        shape = ScratchConfig(
            hidden=arguments.hidden, layers=arguments.layers, heads=arguments.hidden // 64,
            kv_heads=arguments.hidden // 64, inner=arguments.hidden * 8 // 3 // 32 * 32, vocabulary=8000,
        )  # fmt: skip
        causal.scratch(self.folder, shape, table["reply"].to_pylist(), seed=0)
        self.encode = Encode(str(self.folder), "", BLOCK)
        rows = pa.table({"prompt": table["question"], "answer": table["reply"], "group": table["language"]})
        cut = arguments.rows * 9 // 10
        self.parts = {"train": rows.slice(0, cut), "val": rows.slice(cut)}
        self.store = Store(str(root / "warehouse"))
        self.documents = {s: [d for d in self.encode(part) if d] for s, part in self.parts.items()}
        self.tokens = sum(len(d.ids) for d in self.documents["train"])

    def config(self, precision: str) -> LoopConfig:
        return LoopConfig.model_validate({
            "block_tokens": BLOCK, "batch_blocks": 4, "micro_blocks": 2, "epochs": 1.0, "eval_steps": 100_000,
            "precision": precision, "schedule": ScheduleConfig(peak=LEARNING, shape="linear", warmup=0.1, floor=0.0),
        })  # fmt: skip

    def validation(self, model: Any) -> float:
        """Mean loss of a trained token of the held-out documents, fp32."""
        model.set_attn_implementation(attention.NAME)
        objective = NextToken(model).eval()
        with torch.inference_mode():
            found = torch.cat([objective(flatten([d])) for d in self.documents["val"]])
        return float(found.mean())


def ours(shop: Shop, pack: blocks.Pack, precision: str) -> tuple[float, float]:
    """(useful tokens a second of the steps, validation loss)."""
    objective = NextToken(causal.load(shop.folder, attention.NAME))
    data = Data(pack.read("train"), pack.read("val"))
    with tempfile.TemporaryDirectory() as aside:
        trainer = Trainer(objective, data, shop.config(precision), Parallel(), Checkpoints(aside, "bench", Parallel()),
                          lambda step, values: None)  # fmt: skip
        state = trainer.prepare(checkpoint_steps=10**9)
        start = time.perf_counter()
        while state.step < trainer.steps:
            trainer._step(state)
        seconds = time.perf_counter() - start
    return state.tokens / seconds, shop.validation(objective.model)


def hugging_face(shop: Shop, best: bool, batch: int) -> tuple[float, float]:
    """(useful tokens a second of the steps, validation loss). best: bf16, like lengths together, fused AdamW."""
    model = causal.load(shop.folder)
    rows = [_row(d) for d in shop.documents["train"]]
    with tempfile.TemporaryDirectory() as aside:
        more: dict[str, Any] = {"bf16": True, "optim": "adamw_torch_fused"} if best else {}
        if best:
            fields = transformers.TrainingArguments.__dataclass_fields__
            more |= {"group_by_length": True} if "group_by_length" in fields else {
                "train_sampling_strategy": "group_by_length"}  # fmt: skip
        arguments = transformers.TrainingArguments(
            aside, per_device_train_batch_size=batch, num_train_epochs=1, learning_rate=LEARNING, warmup_steps=0.1,
            weight_decay=0.01, adam_beta2=0.95, save_strategy="no", report_to=[], logging_steps=10**6, seed=0,
            disable_tqdm=True, use_cpu=True, remove_unused_columns=False, **more,
        )  # fmt: skip
        trainer = transformers.Trainer(model, arguments, train_dataset=rows, data_collator=_collate)
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    return shop.tokens / seconds, shop.validation(model)


def _row(document: Document) -> dict[str, Any]:
    labels = np.where(document.trained, document.ids, -100)
    return {"input_ids": document.ids.astype(np.int64), "labels": labels.astype(np.int64)}


def _collate(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """What DataCollatorForSeq2Seq does: padded to the longest of the batch."""
    longest = max(len(r["input_ids"]) for r in rows)
    found = {"input_ids": np.zeros((len(rows), longest), np.int64), "labels": np.full((len(rows), longest), -100)}
    mask = np.zeros((len(rows), longest), np.int64)
    for i, row in enumerate(rows):
        for name in found:
            found[name][i, : len(row[name])] = row[name]
        mask[i, : len(row["input_ids"])] = 1
    return {n: torch.from_numpy(v) for n, v in (found | {"attention_mask": mask}).items()}


def against_hugging_face(shop: Shop, arguments: argparse.Namespace) -> None:
    with ray_session(Platform(cpus=2)):
        pack = blocks.build(shop.store, "bench", shop.parts, shop.encode, BLOCK, 0)
    mean = shop.tokens / len(shop.documents["train"])
    filled = shop.tokens / pack.blocks["train"]
    batch = round(4 * filled / mean)
    print(f"{shop.tokens:,} tokens in {len(shop.documents['train']):,} documents of {mean:.0f}; ours: 4 blocks of "
          f"{filled:.0f} tokens a step, HF: {batch} documents of {batch * mean:.0f} tokens a step")  # fmt: skip
    ways = {
        "ours fp32": lambda: ours(shop, pack, "fp32"),
        "ours bf16": lambda: ours(shop, pack, "bf16"),
        "HF defaults": lambda: hugging_face(shop, False, batch),
        "HF best": lambda: hugging_face(shop, True, batch),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(arguments.rounds + 1):
        for name, way in ways.items():
            speed, loss = way()
            print(f"{'warm-up' if not number else f'round {number}'}: {name}: {speed:,.0f} useful tokens/s, "
                  f"validation loss {loss:.4f}", flush=True)  # fmt: skip
            if number:
                speeds[name].append(speed)
    for mine in ("ours fp32", "ours bf16"):
        for other in ("HF defaults", "HF best"):
            ratios = [a / b for a, b in zip(speeds[mine], speeds[other], strict=True)]
            print(f"{mine} / {other}: {statistics.median(ratios):.2f} (median of {len(ratios)}, {min(ratios):.2f} to "
                  f"{max(ratios):.2f})")  # fmt: skip


def inside_ray(shop: Shop, arguments: argparse.Namespace) -> None:
    """Tokens a second after start-up: of the bare loop and as the workers tell it."""
    with ray_session(Platform(cpus=2)):
        pack = blocks.build(shop.store, "bench", shop.parts, shop.encode, BLOCK, 0)
        speeds: dict[str, list[float]] = {}
        for number in range(arguments.rounds + 1):
            found = {"bare loop, 2 threads": ours(shop, pack, "fp32")[0]}
            for count, threads in ((1, 2), (2, 1)):
                found[f"Ray Train, {count} x {threads}"] = told(shop, pack, count, threads)
            print("warm-up" if not number else f"round {number}", {k: round(v) for k, v in found.items()}, flush=True)
            for name, speed in found.items() if number else ():
                speeds.setdefault(name, []).append(speed)
        bare, one, two = speeds.values()
        for name, above, below in (("Ray Train 1 x 2 / bare", one, bare), ("2 x 1 / 1 x 2", two, one)):
            ratios = [a / b for a, b in zip(above, below, strict=True)]
            print(f"{name}: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


def told(shop: Shop, pack: blocks.Pack, count: int, threads: int) -> float:
    """Tokens a second of a run inside Ray Train, from the end of its first steps to its last."""
    seen: list[float] = []
    with tempfile.TemporaryDirectory() as aside:
        plan = CausalPlan(str(shop.folder), LoraConfig(rank=0))
        config = WorkersConfig(count=count, threads=threads, checkpoint_steps=10**9)
        run = Run(plan, pack, shop.config("fp32"), config, aside, "bench")
        workers.train(run, lambda step, values: seen.append(values.get("tokens_per_second", 0.0)))
    return max(s for s in seen[-3:] if s)


def main() -> None:
    """Parse the command line and run one mode."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("hf", "ray"))
    parser.add_argument("--rows", type=int, default=1000, help="dialogs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    arguments = parser.parse_args()
    print(machine(), f"torch {torch.__version__}", flush=True)
    torch.set_num_threads(2)
    root = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        (against_hugging_face if arguments.what == "hf" else inside_ray)(Shop(root, arguments), arguments)
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
