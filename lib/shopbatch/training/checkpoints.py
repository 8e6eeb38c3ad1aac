"""Checkpoints: written aside, checksummed, the marker last; the newest whole one is gone on from.

`<run folder>/step-00000120/` holds, of every worker that had weights, weights and optimizer state as safetensors, and
last `checkpoint.json`: the state of the run, and every file with its checksum. What has no such marker, or does not
agree with it, is not a checkpoint. Shards of N workers are put together for any other number.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import torch
import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import UserError
from shopbatch.training.parallel import Parallel
from shopbatch.warehouse import files

MARKER = "checkpoint.json"
_STEP, _BEST = re.compile(r"step-\d{8}"), re.compile(r"best-\d{8}")
_MOMENTS = ("exp_avg", "exp_avg_sq")


class CheckpointError(UserError):
    """A checkpoint that is damaged, or of another run. One line."""


def _say(line: str) -> None:
    print(f"shopbatch: {line}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run. root: its folder (path or URI), the same for all workers. key: names the run.

    keep: so many of the newest stay (best apart). tell: called on the first worker with a line for the user.
    """

    root: str
    key: str
    parallel: Parallel
    keep: int = 2
    tell: Callable[[str], None] = _say

    def save(
        self, name: str, model: nn.Module, optimizer: torch.optim.Optimizer | None, state: Mapping[str, Any]
    ) -> None:
        """Write a checkpoint; all workers call it together. One of that name gives way to it.

        optimizer: None where only the weights are wanted (best). Raises OSError: no space left.
        """
        self.parallel.settle(model)
        target, rank = f"{self.root}/{name}", self.parallel.rank
        shared, path = files.filesystem(target)
        here = isinstance(shared, pafs.LocalFileSystem)
        if here:
            # beside the target, so that a rename shows it; every worker knows the name
            draft = Path(path).parent / f".{name}"
            if rank == 0:
                shutil.rmtree(draft, ignore_errors=True)
                draft.mkdir(parents=True)
            self.parallel.barrier()
        else:
            draft = Path(tempfile.mkdtemp(prefix="shopbatch-checkpoint-"))
        try:
            self._write(draft, model, optimizer)
            crash_point(f"checkpoint-{name}")
            if not here:
                if rank == 0:
                    files.remove(f"{target}/{MARKER}")  # first: without it what is there is nothing
                self.parallel.barrier()
                _upload(draft, target)
            self.parallel.barrier()
            if rank == 0:
                self._finish(draft, target, here, state)
            self.parallel.barrier()
        finally:
            if not here:
                shutil.rmtree(draft, ignore_errors=True)

    def load(
        self, model: nn.Module, optimizer: torch.optim.Optimizer | None = None, name: str | None = None
    ) -> dict[str, Any] | None:
        """Put a checkpoint's weights (and optimizer state) in place; returns its state, None where there is none.

        name: None for the newest whole step; of one that is damaged, or whose best weights are, `tell` is told, and
        the one before it is used.
        Raises CheckpointError: of another run; the named one is damaged.
        """
        self.parallel.settle(model)
        for candidate in [name] if name else reversed(steps(self.root)):
            try:
                marker = read_marker(f"{self.root}/{candidate}")
                if not name:
                    read_best(self.root, marker["state"])
            except CheckpointError as error:
                if name:
                    raise
                if self.parallel.rank == 0:
                    self.tell(f"{error}; going on from the checkpoint before it")
                continue
            if marker["key"] != self.key:
                raise CheckpointError(
                    f"{self.root}/{candidate} is a checkpoint of another configuration ({marker['key']}, this run is "
                    f"{self.key}): move it away"
                )
            with _local(f"{self.root}/{candidate}") as folder:
                _restore(folder, marker, model, optimizer)
            return dict(marker["state"])
        return None

    def _write(self, folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        """This worker's files: all weights on the first worker, or each worker's part of them."""
        rank = self.parallel.rank
        if rank and not self.parallel.sharded:
            return
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        written = {f"weights-{rank:05d}.safetensors": {n: _part(p) for n, p in trained.items()}}
        if optimizer is not None:
            moments = {
                f"{moment}.{n}": _part(optimizer.state[p][moment])
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
        """The first worker: the marker last, then old ones go."""
        sums: dict[str, Any] = {}
        fs, path = (pafs.LocalFileSystem(), str(draft)) if here else files.filesystem(target)
        for rank in range(self.parallel.world if self.parallel.sharded else 1):  # a killed run may have left others
            with fs.open_input_stream(f"{path}/sums-{rank:05d}.json") as stream:
                sums |= json.loads(stream.read())
        marker = {"key": self.key, "state": dict(state), "files": sums}
        text = json.dumps(marker | {"sum": _sum(marker)}, indent=1).encode()
        if here:
            place = Path(files.filesystem(target)[1])
            (draft / MARKER).write_bytes(text)
            old = place.with_name(f".old-{place.name}")
            shutil.rmtree(old, ignore_errors=True)
            if place.exists():
                os.rename(place, old)
            os.rename(draft, place)
            shutil.rmtree(old, ignore_errors=True)
        else:
            files.write_bytes(f"{target}/{MARKER}", text)
        crash_point("checkpoint-visible")
        self._clean(target.rpartition("/")[2])

    def _clean(self, saved: str) -> None:
        """Old steps go, and the best ones that no step left could still call the best.

        So do steps after the one just saved: a run that went back to an earlier one found them damaged.
        """
        kept = steps(self.root)
        while kept and _number(kept[-1]) > _number(saved):
            _remove(f"{self.root}/{kept.pop()}")
        for name in kept[: -self.keep]:
            _remove(f"{self.root}/{name}")
        known = []
        for name in kept[-self.keep :]:
            with suppress(CheckpointError):  # a damaged one is told of when it is loaded
                known.append(int(_marker(f"{self.root}/{name}")["state"]["best_step"]))
        for name in steps(self.root, _BEST):
            if known and name < best_name(min(known)):
                _remove(f"{self.root}/{name}")


def steps(root: str, kind: re.Pattern[str] = _STEP) -> list[str]:
    """Names of the step folders that are there, oldest first; whether they are whole is not looked at."""
    fs, path = files.filesystem(root)
    found = fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))
    return sorted(f.base_name for f in found if f.type == pafs.FileType.Directory and kind.fullmatch(f.base_name))


def step_name(step: int) -> str:
    return f"step-{step:08d}"


def best_name(step: int) -> str:
    return f"best-{step:08d}"


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])


def read_marker(folder: str) -> dict[str, Any]:
    """The marker of a checkpoint, every file held against it. Raises CheckpointError naming what is wrong."""
    marker = _marker(folder)
    fs, path = files.filesystem(folder)
    for name, entry in marker["files"].items():
        info = fs.get_file_info(f"{path}/{name}")
        if info.size != entry["size"]:
            raise CheckpointError(
                f"checkpoint {folder} is damaged: {name} has {info.size} bytes instead of {entry['size']}"
            )
        if isinstance(fs, pafs.LocalFileSystem) and checksum(Path(path) / name) != entry["xxh128"]:
            raise CheckpointError(f"checkpoint {folder} is damaged: {name} is not what was written")
    return marker


def read_best(root: str, state: Mapping[str, Any]) -> None:
    """Hold the best weights that a run's state names against their marker. Raises CheckpointError as `read_marker`."""
    if state.get("best") is not None:
        read_marker(f"{root}/{best_name(state['best_step'])}")


def _marker(folder: str) -> dict[str, Any]:
    fs, path = files.filesystem(folder)
    try:
        with fs.open_input_stream(f"{path}/{MARKER}") as stream:
            marker = json.loads(stream.read())
        if marker.pop("sum") != _sum(marker):
            raise CheckpointError(f"checkpoint {folder} is damaged: {MARKER} does not hold together")
    except FileNotFoundError:
        raise CheckpointError(f"checkpoint {folder} is not complete: {MARKER}, written last, is not there") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"checkpoint {folder} is damaged: {MARKER} can not be read") from None
    return dict(marker)


def checksum(path: Path) -> str:
    """XXH3-128 of a file: against accidents, not attackers."""
    found = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            found.update(chunk)
    return found.hexdigest()


def weights(folder: Path, marker: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint, shards put together."""
    return _tensors(folder, marker, "weights")


def _restore(
    folder: Path, marker: Mapping[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer | None
) -> None:
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    found = weights(folder, marker)
    if found.keys() != trained.keys():
        other = sorted(found.keys() ^ trained.keys())
        raise CheckpointError(f"{folder} holds other weights than the model has: {other[0]}")
    with torch.no_grad():
        for name, parameter in trained.items():
            _put(found[name], parameter)
    if optimizer is None:
        return
    moments = _tensors(folder, marker, "optimizer")
    step = float(marker["state"]["step"])
    for name, parameter in trained.items():
        if f"{_MOMENTS[0]}.{name}" not in moments:
            continue  # had no gradient yet
        state = {m: torch.zeros_like(parameter) for m in _MOMENTS}
        with torch.no_grad():
            for moment, value in state.items():
                _put(moments[f"{moment}.{name}"], value)
        optimizer.state[parameter] = {"step": torch.tensor(step, device=parameter.device), **state}


def _tensors(folder: Path, marker: Mapping[str, Any], kind: str) -> dict[str, torch.Tensor]:
    parts: dict[str, list[torch.Tensor]] = {}
    for name in sorted(n for n in marker["files"] if n.startswith(f"{kind}-")):
        try:
            with safe_open(folder / name, "pt") as file:
                for key in file.keys():  # noqa: SIM118  no mapping
                    parts.setdefault(key, []).append(file.get_tensor(key))
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"checkpoint {folder} is damaged: {name}: {error}") from None
    return {k: v[0] if len(v) == 1 else torch.cat(v) for k, v in parts.items()}


def _part(tensor: torch.Tensor) -> torch.Tensor:
    """What this worker holds of a tensor (FSDP2 shards along the first dimension)."""
    local = tensor.detach()
    if hasattr(local, "to_local"):
        local = local.to_local()
    return local.cpu().clone()


def _put(whole: torch.Tensor, into: torch.Tensor) -> None:
    if hasattr(into, "to_local"):
        from torch.distributed.tensor import distribute_tensor

        sharded: Any = into
        value = distribute_tensor(whole.to(into.device), sharded.device_mesh, sharded.placements)
        sharded.to_local().copy_(value.to_local())
    else:
        into.copy_(whole.to(into.device))


def _sum(marker: Mapping[str, Any]) -> str:
    return xxhash.xxh3_128(json.dumps(marker, sort_keys=True).encode()).hexdigest()


def _upload(folder: Path, target: str) -> None:
    fs, path = files.filesystem(target)
    fs.create_dir(path, recursive=True)
    for file in sorted(folder.iterdir()):
        pafs.copy_files(str(file), f"{path}/{file.name}", pafs.LocalFileSystem(), fs)


def _remove(uri: str) -> None:
    fs, path = files.filesystem(uri)
    files.remove(f"{uri}/{MARKER}")  # first: without it the rest is nothing
    fs.delete_dir(path)


@contextmanager
def _local(uri: str) -> Iterator[Path]:
    """A folder on this machine for the length of the block: an object store's is copied."""
    fs, path = files.filesystem(uri)
    if isinstance(fs, pafs.LocalFileSystem):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="shopbatch-checkpoint-") as copy:
        pafs.copy_files(path, copy, fs, pafs.LocalFileSystem())
        yield Path(copy)
