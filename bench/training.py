"""Compare the speed of this project's training loop with HF Trainer, and with the same loop inside Ray Train.

    python -m bench.training hf --rounds 3     useful tokens per second: ours, HF Trainer's defaults, its best settings
    python -m bench.training ray --rounds 3    the loop without Ray, in Ray Train with 1 worker of 2 threads, and with
                                               2 workers of 1 thread

A Llama-shaped model with --hidden dimensions and --layers learns support_dialogs (generated dialogs), from the same
random weights in all competitors. A step has the same number of tokens everywhere: a batch of HF Trainer has as many
documents as ours holds on average. Useful tokens are those of documents, not padding.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import transformers
from bench.bound import bound, causal_gflop
from bench.side_by_side import Side, alternate, benchmark, record, spread

from shopbatch.capabilities.language_model.examples import Encode
from shopbatch.core.config import Platform
from shopbatch.core.sessions import ray_session
from shopbatch.models import causal
from shopbatch.models.configs import LoraConfig, ScratchConfig
from shopbatch.models.loading import load_causal
from shopbatch.sample.dialogs import dialogs
from shopbatch.training import attention, blocks, workers
from shopbatch.training.checkpoints import Checkpoints
from shopbatch.training.config import LoopConfig, ScheduleConfig, WorkersConfig
from shopbatch.training.loop import Data, Trainer
from shopbatch.training.objectives import NextToken
from shopbatch.training.packing import Document, flatten
from shopbatch.training.parallel import Parallel
from shopbatch.training.plans import CausalPlan
from shopbatch.training.worker import Run
from shopbatch.warehouse.store import Store

BLOCK, LEARNING = 512, 1e-3


class Shop:
    """The work of all competitors: a folder with a new model, and generated dialogs as tokenized documents."""

    def __init__(self, root: Path, arguments: argparse.Namespace) -> None:
        table = dialogs(arguments.rows, 0)
        self.folder = root / "model"
        self.folder.mkdir()
        shape = ScratchConfig(
            hidden=arguments.hidden, layers=arguments.layers, heads=arguments.hidden // 64,
            kv_heads=arguments.hidden // 64, inner=arguments.hidden * 8 // 3 // 32 * 32,
            vocabulary=arguments.vocabulary,
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
        """Return the settings of our training loop for a precision ("fp32" or "bf16")."""
        return LoopConfig.model_validate({
            "block_tokens": BLOCK, "batch_blocks": 4, "micro_blocks": 2, "epochs": 1.0, "eval_steps": 100_000,
            "precision": precision, "schedule": ScheduleConfig(peak=LEARNING, shape="linear", warmup=0.1, floor=0.0),
        })  # fmt: skip

    def validation(self, model: Any) -> float:
        """Return the mean loss per trained token of a model on the held-out documents, in fp32."""
        model.set_attn_implementation(attention.NAME)
        objective = NextToken(model).eval()
        with torch.inference_mode():
            losses = torch.cat([objective(flatten([d])) for d in self.documents["val"]])
        return float(losses.mean())


class Ours:
    """One training run with this project's loop, loaded and ready to start."""

    def __init__(self, shop: Shop, pack: blocks.Pack, precision: str) -> None:
        objective = NextToken(load_causal(shop.folder, attention=attention.NAME))
        self.aside = tempfile.TemporaryDirectory()
        checkpoints = Checkpoints(self.aside.name, "bench", Parallel())
        data = Data(pack.read("train"), pack.read("val"))
        self.trainer = Trainer(objective, data, shop.config(precision), Parallel(), checkpoints, lambda *_: None)
        self.state = self.trainer.prepare(checkpoint_steps=10**9)
        self.model = objective.model

    def train(self) -> None:
        """Take all training steps."""
        while self.state.step < self.trainer.steps:
            self.trainer.step(self.state)


class HuggingFace:
    """One training run with HF Trainer, loaded and ready to start.

    With `best` it uses HF's fastest settings here: bf16, documents grouped by length, fused AdamW.
    """

    def __init__(self, shop: Shop, best: bool, batch: int) -> None:
        self.model = load_causal(shop.folder)
        self.aside = tempfile.TemporaryDirectory()
        more: dict[str, Any] = {"bf16": True, "optim": "adamw_torch_fused"} if best else {}
        if best:
            fields = transformers.TrainingArguments.__dataclass_fields__
            more |= {"group_by_length": True} if "group_by_length" in fields else {
                "train_sampling_strategy": "group_by_length"}  # fmt: skip
        arguments = transformers.TrainingArguments(
            self.aside.name, per_device_train_batch_size=batch, num_train_epochs=1, learning_rate=LEARNING,
            warmup_steps=0.1, weight_decay=0.01, adam_beta2=0.95, save_strategy="no", report_to=[],
            logging_steps=10**6, seed=0, disable_tqdm=True, use_cpu=True, remove_unused_columns=False, **more,
        )  # fmt: skip
        rows = [_row(d) for d in shop.documents["train"]]
        self.trainer = transformers.Trainer(self.model, arguments, train_dataset=rows, data_collator=_collate)

    def train(self) -> None:
        """Train the model for one epoch."""
        self.trainer.train()


def ours(shop: Shop, pack: blocks.Pack, precision: str) -> float:
    """Train with our loop, and return the useful tokens per second of its steps."""
    made = Ours(shop, pack, precision)
    start = time.perf_counter()
    made.train()
    return made.state.tokens / (time.perf_counter() - start)


def _row(document: Document) -> dict[str, Any]:
    """Return a document as a training row of HF Trainer; tokens that are not trained get the label -100."""
    labels = np.where(document.trained, document.ids, -100)
    return {"input_ids": document.ids.astype(np.int64), "labels": labels.astype(np.int64)}


def _collate(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Pad rows to the longest document of the batch, as DataCollatorForSeq2Seq does, and return them as tensors."""
    longest = max(len(r["input_ids"]) for r in rows)
    batch = {"input_ids": np.zeros((len(rows), longest), np.int64), "labels": np.full((len(rows), longest), -100)}
    mask = np.zeros((len(rows), longest), np.int64)
    for i, row in enumerate(rows):
        for name in batch:
            batch[name][i, : len(row[name])] = row[name]
        mask[i, : len(row["input_ids"])] = 1
    return {n: torch.from_numpy(v) for n, v in (batch | {"attention_mask": mask}).items()}


def against_hugging_face(shop: Shop, arguments: argparse.Namespace, argv: Sequence[str] | None) -> dict[str, Any]:
    """Measure our loop and HF Trainer in turn, and return the recorded figures.

    The time is that of the training steps with everything around them, without loading the model.
    """
    with ray_session(Platform(cpus=2)):
        pack = blocks.build(shop.store, "bench", shop.parts, shop.encode, BLOCK, 0)
    mean = shop.tokens / len(shop.documents["train"])
    filled = shop.tokens / pack.blocks["train"]
    batch = max(1, round(4 * filled / mean))
    print(f"{shop.tokens:,} tokens in {len(shop.documents['train']):,} documents of {mean:.0f}; ours: 4 blocks of "
          f"{filled:.0f} tokens per step, HF: {batch} documents of {batch * mean:.0f} tokens per step")  # fmt: skip
    losses: dict[str, list[float]] = {}

    def side(name: str, make: Callable[[], Any], ours: bool = False) -> Side:
        made: list[Any] = []

        def before() -> None:
            made[:] = [make()]  # loads a new model outside the measured time

        def run() -> None:
            made[0].train()
            losses.setdefault(name, []).append(made[0])

        return Side(name, run, ours, before)

    sides = [
        side("ours fp32", lambda: Ours(shop, pack, "fp32"), ours=True),
        side("ours bf16", lambda: Ours(shop, pack, "bf16"), ours=True),
        side("HF Trainer", lambda: HuggingFace(shop, False, batch)),
        side("HF Trainer at its best, bf16", lambda: HuggingFace(shop, True, batch)),
    ]
    taken = alternate(sides, arguments.rounds)
    agreement = {name: round(shop.validation(runs[-1].model), 4) for name, runs in losses.items()}
    speeds = {n: spread([shop.tokens / s for s in t.wall], 0) for n, t in taken.items()}
    lengths = np.array([len(d.ids) for d in shop.documents["train"]])
    model = load_causal(shop.folder)
    weights = sum(p.numel() for n, p in model.named_parameters() if p.ndim > 1 and "embed" not in n)
    head = model.config.vocab_size * model.config.hidden_size
    gflop = 3 * causal_gflop(
        weights + head, model.config.hidden_size, model.config.num_hidden_layers, lengths, 0 * lengths
    )
    peak = bound(torch.get_num_threads(), arguments.size)
    more = {
        "agreement": {"validation loss": agreement},
        "bound": peak | {"least_seconds": {k: round(gflop / peak[k], 3) for k in ("fp32", "bf16")}},
        "not_run": {},
        "notes": {"useful tokens per second": speeds, "gflop": round(gflop)},
    }
    return record("training", "tokens", shop.tokens, taken, arguments.json, argv, **more)


def inside_ray(shop: Shop, arguments: argparse.Namespace) -> None:
    """Print the tokens per second of the loop without Ray, and inside Ray Train with 1 and with 2 workers.

    The start-up of Ray Train is not counted.
    """
    with ray_session(Platform(cpus=2)):
        pack = blocks.build(shop.store, "bench", shop.parts, shop.encode, BLOCK, 0)
        speeds: dict[str, list[float]] = {}
        for number in range(arguments.rounds + 1):
            round_speeds = {"bare loop, 2 threads": ours(shop, pack, "fp32")}
            for count, threads in ((1, 2), (2, 1)):
                round_speeds[f"Ray Train, {count} x {threads}"] = inside_ray_train(shop, pack, count, threads)
            print(
                "warm-up" if not number else f"round {number}",
                {k: round(v) for k, v in round_speeds.items()},
                flush=True,
            )
            for name, speed in round_speeds.items() if number else ():
                speeds.setdefault(name, []).append(speed)
        bare, one, two = speeds.values()
        for name, above, below in (("Ray Train 1 x 2 / bare", one, bare), ("2 x 1 / 1 x 2", two, one)):
            ratios = [a / b for a, b in zip(above, below, strict=True)]
            print(f"{name}: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


def inside_ray_train(shop: Shop, pack: blocks.Pack, count: int, threads: int) -> float:
    """Train inside Ray Train, and return the highest of the last three reports of tokens per second.

    Args:
        shop: The model and the documents.
        pack: The documents in blocks.
        count: Number of workers.
        threads: Threads of each worker.
    """
    speeds: list[float] = []
    with tempfile.TemporaryDirectory() as aside:
        plan = CausalPlan(str(shop.folder), LoraConfig(rank=0))
        config = WorkersConfig(count=count, threads=threads, checkpoint_steps=10**9)
        run = Run(plan, pack, shop.config("fp32"), config, aside, "bench")
        workers.train(run, lambda step, values: speeds.append(values.get("tokens_per_second", 0.0)))
    return max(s for s in speeds[-3:] if s)


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Run the mode that the command line names: `hf` or `ray`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("hf", "ray"))
    parser.add_argument("--rows", type=int, default=1000, help="dialogs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--size", type=int, default=2048, help="hf: of the matrices of the bound")
    parser.add_argument("--json", type=Path, default=None, help="hf: where the figures go")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(2)
    root = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        if arguments.what == "hf":
            against_hugging_face(Shop(root, arguments), arguments, argv)
        else:
            inside_ray(Shop(root, arguments), arguments)
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
