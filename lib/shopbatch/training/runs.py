"""Functions that every training job calls: train with progress and stall diagnosis, report, judge, and clean up."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Literal

from shopbatch.core.progress import Progress
from shopbatch.core.sessions import ray_parent
from shopbatch.models import registry
from shopbatch.models.folder import ModelError
from shopbatch.models.registry import Model
from shopbatch.runs.report import Figure, Report
from shopbatch.runs.stalls import Stalls, busy_machine, full_disk, full_object_store, lost_nodes
from shopbatch.training import workers
from shopbatch.training.loop import steps
from shopbatch.training.worker import Run
from shopbatch.warehouse import files
from shopbatch.warehouse.gates import Gate, refuse_if_failed, shrunken_sources
from shopbatch.warehouse.store import Store


def already_live(models: str, name: str, origin: str, report: Report) -> bool:
    """Return True, and note "nothing to do" in the report, if the live model was already made from this origin.

    Args:
        models: The registry's folder or URI.
        name: Name of the model.
        origin: Digest of everything that the model would be made from.
        report: The report of the run.
    """
    live = registry.live_with_origin(models, name, origin)
    if live is None:
        return False
    report.outcome, report.metrics["quality"] = "nothing to do", live.manifest["metrics"]
    report.models[name] = live.digest
    return True


def sizes(models: str, name: str, read: Mapping[str, int], share: float | Literal["any"]) -> list[Gate]:
    """Return gates that fail if a source table shrank too much since the live model was trained.

    A model that is trained on an emptied or truncated table would be worse than the live one.

    Args:
        models: The registry's folder or URI.
        name: Name of the model.
        read: Number of rows of each table now. The live model's manifest has the former numbers as `read_rows`.
        share: Smallest accepted share of the former number of rows, 0 to 1 (the job's setting `gates.rows`); "any"
            accepts every number.
    """
    live = None
    with suppress(ModelError):  # a damaged live model will be built again
        live = registry.find_live(models, name)
    return shrunken_sources(share, read, live.manifest.get("read_rows", {}) if live is not None else {})


def train(run: Run, report: Report, store: Store, watchdog_seconds: float) -> dict[str, Any]:
    """Run `workers.train` with a progress bar, stall diagnosis, TensorBoard event files and, if configured, MLflow.

    The summary and the loss curve go into the report. If no step is done for `watchdog_seconds`, the report gets a
    diagnosis.

    Args:
        run: The training run.
        report: The report of the job's run.
        store: The warehouse.
        watchdog_seconds: Seconds without a step after which a cause is searched for.

    Returns:
        The final state of the run, as `State.tree` returns it.

    Raises:
        GateRefused, UserError, OSError, Stopped: As `workers.train`.
    """
    report.message = run.pack.set_aside
    with ExitStack() as stack:
        total = steps(run.loop, run.pack.blocks["train"])
        progress = stack.enter_context(Progress(total, stage="train"))
        writers = [_tensorboard(stack, report, store), _mlflow(stack, report, run)]
        latest: dict[str, float] = {}
        disks = full_disk(ray_parent(), *([] if "://" in store.root else [store.root]))
        looks = [disks, lost_nodes, full_object_store, busy_machine]
        stalls = stack.enter_context(Stalls(report, "train", watchdog_seconds, looks))

        def on_step(step: int, values: Mapping[str, float]) -> None:
            stalls.moved()
            progress.advance(max(0, step - progress.rows))
            latest.update(values)
            if "loss" in latest:
                progress.stage = f"train, loss {latest['loss']:.4f}"
            for write in writers:
                for name, value in values.items():
                    write and write(name, value, step)

        state = workers.train(run, on_step)
    report.metrics["training"] = summary(state, latest)
    report.figures.append(curve(state))
    return state


def summary(state: Mapping[str, Any], latest: Mapping[str, float]) -> dict[str, Any]:
    """Return the key numbers of a finished run for the report: steps, tokens, speed, and validation losses.

    Args:
        state: The final state of the run, as `State.tree` returns it.
        latest: Newest value of each metric that this process received. If the run was already finished before, it is
            empty, and `tokens_per_second` in the result is None.
    """
    validations = [h for h in state["history"] if "val" in h]
    return {
        "steps": state["step"],
        "tokens": state["tokens"],
        "tokens_per_second": round(latest["tokens_per_second"], 1) if "tokens_per_second" in latest else None,
        "best_step": state["best_step"],
        "best_validation_loss": state["best"],
        "first_validation_loss": validations[0]["val"] if validations else None,
        "stopped_early": state["stopped"],
    }


def curve(state: Mapping[str, Any]) -> Figure:
    """Return a table for the report with the training and validation loss at each validation.

    The training loss is the mean of the 20 steps up to the validation; None at step 0.

    Args:
        state: The final state of the run, as `State.tree` returns it.
    """
    rows = [[h["step"], None, round(h["val"], 4)] for h in state["history"] if "val" in h]
    losses = {h["step"]: h["loss"] for h in state["history"] if "loss" in h}
    for row in rows:
        recent = [v for s, v in losses.items() if row[0] - 20 < s <= row[0]]
        row[1] = round(sum(recent) / len(recent), 4) if recent else None
    caption = (
        "Training loss is the mean of the twenty steps before; the weights with the lowest validation loss are "
        "published."
    )
    return Figure("table", "Loss", {"columns": ["step", "training", "validation"], "rows": rows}, caption)


def refuse(models: str, candidate: Model, gates: Sequence[Gate]) -> None:
    """Delete the candidate and raise GateRefused if a gate did not pass; otherwise do nothing.

    Args:
        models: The registry's folder or URI.
        candidate: The model that was judged; it is deleted only if it was published as a candidate.
        gates: The judged gates.

    Raises:
        GateRefused: Names the gates that did not pass.
    """
    if not all(gate.passed for gate in gates):
        registry.withdraw(models, candidate)
    refuse_if_failed(gates)


def delete_checkpoints(run: Run) -> None:
    """Delete a run's folder of checkpoints; jobs call this after publishing the model."""
    fs, path = files.filesystem(run.folder)
    with suppress(FileNotFoundError):
        fs.delete_dir(path)


def _tensorboard(stack: ExitStack, report: Report, store: Store) -> Any:
    """Return a function that writes a metric as a TensorBoard event, into a folder beside the report.

    Returns:
        The function (name, value, step); None for a warehouse in an object store, where files cannot grow.
    """
    if "://" in store.root:
        return None
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.summary import scalar

    folder = Path(f"{report.folder(store.root)}/tensorboard")
    folder.mkdir(parents=True, exist_ok=True)
    # not SummaryWriter: a full disk ends its writing thread, and then every caller waits forever
    writer = EventsWriter(f"{folder}/events")

    def write(name: str, value: float, step: int) -> None:
        with suppress(OSError):  # a full disk, which the next checkpoint will report
            writer.write_event(Event(wall_time=time.time(), step=step, summary=scalar(name, value)))
            writer.flush()

    def close() -> None:
        with suppress(OSError):
            writer.close()

    stack.callback(close)
    return write


def _mlflow(stack: ExitStack, report: Report, run: Run) -> Any:
    """Return a function that logs a metric to MLflow, within an MLflow run that ends with `stack`.

    Returns:
        The function (name, value, step); None unless MLflow is installed and MLFLOW_TRACKING_URI is set.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI") or importlib.util.find_spec("mlflow") is None:
        return None
    import mlflow

    stack.enter_context(mlflow.start_run(run_name=f"{report.job}-{report.run_id}"))
    mlflow.log_params({"key": run.key, **{f"loop.{k}": v for k, v in run.loop.model_dump(mode="json").items()}})
    return lambda name, value, step: mlflow.log_metric(name, value, step=step)
