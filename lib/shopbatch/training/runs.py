"""A training run as the job sees it: watched, told in the report, its checkpoints forgotten when it is published."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from shopbatch.core.errors import GateRefused
from shopbatch.core.progress import Progress
from shopbatch.models import registry
from shopbatch.models.registry import Model
from shopbatch.runs.report import Figure, Report
from shopbatch.training import workers
from shopbatch.training.loop import steps
from shopbatch.training.workers import Run
from shopbatch.warehouse import files
from shopbatch.warehouse.gates import Gate, refusal
from shopbatch.warehouse.store import Store


def train(run: Run, report: Report, store: Store) -> dict[str, Any]:
    """`workers.train` with progress, TensorBoard event files beside the report, MLflow where it is installed."""
    with ExitStack() as stack:
        total = steps(run.loop, run.pack.blocks["train"])
        progress = stack.enter_context(Progress(total, stage="train"))
        writers = [_tensorboard(stack, report, store), _mlflow(stack, report, run)]
        state: dict[str, float] = {}

        def told(step: int, values: Mapping[str, float]) -> None:
            progress.advance(max(0, step - progress.rows))
            state.update(values)
            if "loss" in state:
                progress.stage = f"train, loss {state['loss']:.4f}"
            for write in writers:
                for name, value in values.items():
                    write and write(name, value, step)

        found = workers.train(run, told)
    report.metrics["training"] = summary(found, state)
    report.figures.append(curve(found))
    return found


def summary(state: Mapping[str, Any], told: Mapping[str, float]) -> dict[str, Any]:
    """Numbers of a finished run. tokens_per_second: of the part that was run now (None: it was finished before)."""
    vals = [h for h in state["history"] if "val" in h]
    return {
        "steps": state["step"],
        "tokens": state["tokens"],
        "tokens_per_second": round(told["tokens_per_second"], 1) if "tokens_per_second" in told else None,
        "best_step": state["best_step"],
        "best_validation_loss": state["best"],
        "first_validation_loss": vals[0]["val"] if vals else None,
        "stopped_early": state["stopped"],
    }


def curve(state: Mapping[str, Any]) -> Figure:
    """Training and validation loss by step."""
    rows = [[h["step"], None, round(h["val"], 4)] for h in state["history"] if "val" in h]
    losses = {h["step"]: h["loss"] for h in state["history"] if "loss" in h}
    for row in rows:
        near = [v for s, v in losses.items() if row[0] - 20 < s <= row[0]]
        row[1] = round(sum(near) / len(near), 4) if near else None
    caption = "Training loss is the mean of the twenty steps before; the best validation loss names what is published."
    return Figure("table", "Loss", {"columns": ["step", "training", "validation"], "rows": rows}, caption)


def refuse(models: str, candidate: Model, gates: Sequence[Gate]) -> None:
    """GateRefused, and the candidate deleted, if a gate did not pass. models: the registry's root."""
    if failed := [g for g in gates if not g.passed]:
        registry.withdraw(models, candidate)
        raise GateRefused("; ".join(refusal(g) for g in failed))


def forget(run: Run) -> None:
    """Delete a run's checkpoints: what it gave is published."""
    fs, path = files.filesystem(run.folder)
    with suppress(FileNotFoundError):
        fs.delete_dir(path)


def _tensorboard(stack: ExitStack, report: Report, store: Store) -> Any:
    """Event files go beside the report; an object store gets none: they grow while they are written."""
    if "://" in store.root:
        return None
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.summary import scalar

    folder = Path(f"{report.folder(store.root)}/tensorboard")
    folder.mkdir(parents=True, exist_ok=True)
    # its SummaryWriter writes in a thread, which a full disk ends: whoever writes then waits for ever
    writer = EventsWriter(f"{folder}/events")

    def write(name: str, value: float, step: int) -> None:
        with suppress(OSError):  # no space left: the checkpoints say so
            writer.write_event(Event(wall_time=time.time(), step=step, summary=scalar(name, value)))
            writer.flush()

    def close() -> None:
        with suppress(OSError):
            writer.close()

    stack.callback(close)
    return write


def _mlflow(stack: ExitStack, report: Report, run: Run) -> Any:
    """Where MLflow is installed and MLFLOW_TRACKING_URI names a server."""
    if not os.environ.get("MLFLOW_TRACKING_URI") or importlib.util.find_spec("mlflow") is None:
        return None
    import mlflow

    stack.enter_context(mlflow.start_run(run_name=f"{report.job}-{report.run_id}"))
    mlflow.log_params({"key": run.key, **{f"loop.{k}": v for k, v in run.loop.model_dump(mode="json").items()}})
    return lambda name, value, step: mlflow.log_metric(name, value, step=step)
