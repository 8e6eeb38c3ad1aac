"""Saves and loads checkpoints of a training run: files go to a draft folder, which becomes visible when complete.

A run resumes from the newest complete checkpoint. `checkpoint_files.py` describes the format. Under FSDP every worker
writes its shard of the weights; the shards of N workers are concatenated, so a run can resume with another number of
workers.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from shopbatch.core.crash_points import crash_point
from shopbatch.core.scratch import scratch
from shopbatch.training.checkpoint_files import (
    BEST,
    MARKER,
    CheckpointError,
    best_name,
    check_best,
    checksum,
    local_folder,
    marker_text,
    read_marker,
    read_whole,
    remove,
    step_number,
    steps,
    upload,
)
from shopbatch.training.parallel import Parallel
from shopbatch.warehouse import files

_MOMENTS = ("exp_avg", "exp_avg_sq")


def _print_line(line: str) -> None:
    """Print a line for the user to standard error."""
    print(f"shopbatch: {line}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Checkpoints:
    """Saves, loads and deletes the checkpoints of one training run; each worker has one.

    Attributes:
        root: Folder of the run (path or URI), the same for all workers.
        key: Identifies the run; stored in every checkpoint.
        parallel: This worker's rank and group.
        keep: Number of newest checkpoints to keep, besides the best weights.
        tell: Called on the first worker with a message for the user.
    """

    root: str
    key: str
    parallel: Parallel
    keep: int = 2
    tell: Callable[[str], None] = _print_line

    def save(
        self, name: str, model: nn.Module, optimizer: torch.optim.Optimizer | None, state: Mapping[str, Any]
    ) -> None:
        """Write a checkpoint, replacing one of the same name, and delete old ones. All workers must call it together.

        Args:
            name: Folder name, from `step_name` or `best_name`.
            model: The module whose trainable weights are saved.
            optimizer: The optimizer whose state is saved; None saves the weights alone.
            state: State of the run, as JSON values.

        Raises:
            OSError, SafetensorError: The files cannot be written, for example because the disk is full.
        """
        self.parallel.reshard(model)
        target, rank = f"{self.root}/{name}", self.parallel.rank
        shared, path = files.filesystem(target)
        here = isinstance(shared, pafs.LocalFileSystem)
        with ExitStack() as stack:
            if here:
                # beside the target, so that a rename makes it visible; all workers derive the same name
                draft = Path(path).parent / f".{name}"
                if rank == 0:
                    shutil.rmtree(draft, ignore_errors=True)
                    draft.mkdir(parents=True)
                self.parallel.barrier()
            else:
                draft = stack.enter_context(scratch("shopbatch-checkpoint-")) / name
                draft.mkdir()
            self._write(draft, model, optimizer)
            crash_point(f"checkpoint-{name}")
            if not here:
                if rank == 0:
                    files.remove(f"{target}/{MARKER}")  # first, so that the old files stop being a checkpoint
                self.parallel.barrier()
                upload(draft, target)
            self.parallel.barrier()
            if rank == 0:
                self._finish(draft, target, here, state)
            self.parallel.barrier()

    def load(
        self, model: nn.Module, optimizer: torch.optim.Optimizer | None = None, name: str | None = None
    ) -> dict[str, Any] | None:
        """Load a checkpoint's weights, and optionally its optimizer state, in place.

        Args:
            model: The module to load into.
            optimizer: The optimizer to load into; None loads the weights alone.
            name: Folder name; None takes the newest valid step. If a step or its best weights are damaged, this is
                reported through `tell`, and the step before it is tried.

        Returns:
            The state of the run as JSON values; None if there is no valid checkpoint.

        Raises:
            CheckpointError: The checkpoint belongs to another run, or the named checkpoint is damaged.
        """
        self.parallel.reshard(model)
        for candidate in [name] if name else reversed(steps(self.root)):
            try:
                marker = read_whole(f"{self.root}/{candidate}")
                if not name:
                    check_best(self.root, marker["state"])
            except CheckpointError as error:
                if name:
                    raise
                if self.parallel.rank == 0:
                    self.tell(f"{error}; resuming from the checkpoint before it")
                continue
            if marker["key"] != self.key:
                raise CheckpointError(
                    f"{self.root}/{candidate} is a checkpoint of another configuration ({marker['key']}, this run is "
                    f"{self.key}): move it away"
                )
            with local_folder(f"{self.root}/{candidate}") as folder:
                _restore(folder, marker, model, optimizer)
            return dict(marker["state"])
        return None

    def _write(self, folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        """Write this worker's files: all weights on the first worker or, under FSDP, each worker's shard of them."""
        rank = self.parallel.rank
        if rank and not self.parallel.sharded:
            return
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        written = {f"weights-{rank:05d}.safetensors": {n: _own_shard(p) for n, p in trained.items()}}
        if optimizer is not None:
            moments = {
                f"{moment}.{n}": _own_shard(optimizer.state[p][moment])
                for n, p in trained.items()
                for moment in _MOMENTS
                if p in optimizer.state
            }
            written[f"optimizer-{rank:05d}.safetensors"] = moments
        sums = {}
        for name, tensors in written.items():
            save_file({n: t.contiguous() for n, t in tensors.items()}, folder / name)
            sums[name] = {"xxh128": checksum(folder / name), "size": (folder / name).stat().st_size}
        (folder / f"sums-{rank:05d}.json").write_text(json.dumps(sums), "utf-8")

    def _finish(self, draft: Path, target: str, here: bool, state: Mapping[str, Any]) -> None:
        """On the first worker: write the marker, make the checkpoint visible, and delete old checkpoints.

        Args:
            draft: Local folder with the files.
            target: Path or URI of the checkpoint.
            here: Whether `target` is on a local file system.
            state: State of the run, as JSON values.
        """
        sums: dict[str, Any] = {}
        fs, path = (pafs.LocalFileSystem(), str(draft)) if here else files.filesystem(target)
        # only the present workers: a killed attempt with more workers may have left further files
        for rank in range(self.parallel.world if self.parallel.sharded else 1):
            with fs.open_input_stream(f"{path}/sums-{rank:05d}.json") as stream:
                sums |= json.loads(stream.read())
        text = marker_text({"key": self.key, "state": dict(state), "files": sums})
        if here:
            place = Path(files.filesystem(target)[1])
            (draft / MARKER).write_bytes(text)
            files.sync_folder(str(draft))
            old = place.with_name(f".old-{place.name}")
            shutil.rmtree(old, ignore_errors=True)
            if place.exists():
                os.rename(place, old)
            os.rename(draft, place)
            files.sync_folder(str(place))
            shutil.rmtree(old, ignore_errors=True)
        else:
            files.write_bytes(f"{target}/{MARKER}", text)
        crash_point("checkpoint-visible")
        self._clean(target.rpartition("/")[2])

    def _clean(self, saved: str) -> None:
        """Delete old step checkpoints, and best weights that no remaining step refers to.

        Steps after the saved one are deleted as well: they exist only if they were damaged and the run went back.

        Args:
            saved: Folder name of the checkpoint that was just saved.
        """
        kept = steps(self.root)
        while kept and step_number(kept[-1]) > step_number(saved):
            remove(f"{self.root}/{kept.pop()}")
        for name in kept[: -self.keep]:
            remove(f"{self.root}/{name}")
        needed = []
        for name in kept[-self.keep :]:
            with suppress(CheckpointError):  # a damaged checkpoint is reported when it is loaded
                needed.append(int(read_marker(f"{self.root}/{name}")["state"]["best_step"]))
        for name in steps(self.root, BEST):
            if needed and name < best_name(min(needed)):
                remove(f"{self.root}/{name}")


def _restore(
    folder: Path, marker: Mapping[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer | None
) -> None:
    """Copy a checkpoint's weights and optimizer state into a model and an optimizer.

    Raises:
        CheckpointError: The checkpoint holds other weights than the model has, or a file is damaged.
    """
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    weights = _tensors(folder, marker, "weights")
    if weights.keys() != trained.keys():
        other = sorted(weights.keys() ^ trained.keys())
        raise CheckpointError(f"{folder} holds other weights than the model has: {other[0]}")
    with torch.no_grad():
        for name, parameter in trained.items():
            _copy_into(weights[name], parameter)
    if optimizer is None:
        return
    moments = _tensors(folder, marker, "optimizer")
    step = float(marker["state"]["step"])
    for name, parameter in trained.items():
        if f"{_MOMENTS[0]}.{name}" not in moments:
            continue  # the parameter had no gradient yet
        state = {m: torch.zeros_like(parameter) for m in _MOMENTS}
        with torch.no_grad():
            for moment, value in state.items():
                _copy_into(moments[f"{moment}.{name}"], value)
        optimizer.state[parameter] = {"step": torch.tensor(step, device=parameter.device), **state}


def _tensors(folder: Path, marker: Mapping[str, Any], kind: str) -> dict[str, torch.Tensor]:
    """Read all tensors from a checkpoint's files of one kind, "weights" or "optimizer", with shards concatenated."""
    shards: dict[str, list[torch.Tensor]] = {}
    for name in sorted(n for n in marker["files"] if n.startswith(f"{kind}-")):
        try:
            with safe_open(folder / name, "pt") as file:
                for key in file.keys():  # noqa: SIM118  not a mapping
                    shards.setdefault(key, []).append(file.get_tensor(key))
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"checkpoint {folder} is damaged: {name}: {error}") from None
    return {k: v[0] if len(v) == 1 else torch.cat(v) for k, v in shards.items()}


def _own_shard(tensor: torch.Tensor) -> torch.Tensor:
    """Return a CPU copy of this worker's shard of a tensor, or of the whole tensor if it is not sharded.

    FSDP2 shards along the first dimension.
    """
    local = tensor.detach()
    if hasattr(local, "to_local"):
        local = local.to_local()
    return local.cpu().clone()


def _copy_into(whole: torch.Tensor, target: torch.Tensor) -> None:
    """Copy an unsharded tensor into a tensor that may be sharded over the workers."""
    if hasattr(target, "to_local"):
        from torch.distributed.tensor import distribute_tensor

        sharded: Any = target
        value = distribute_tensor(whole.to(target.device), sharded.device_mesh, sharded.placements)
        sharded.to_local().copy_(value.to_local())
    else:
        target.copy_(whole.to(target.device))
