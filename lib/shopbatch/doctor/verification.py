"""Runs `shopbatch verify`: checks the checksums of tables, models, checkpoints and indexes, and the erasure key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

import pyarrow.fs as pafs

from shopbatch.core.errors import UserError
from shopbatch.core.nearest import hint
from shopbatch.models import erasure, erasure_key, registry
from shopbatch.models.folder import ModelError
from shopbatch.tables import TABLES, job_of_memo
from shopbatch.training import checkpoint_files
from shopbatch.training.checkpoint_files import CheckpointError
from shopbatch.warehouse import files
from shopbatch.warehouse.damage import FOLDER
from shopbatch.warehouse.folder_sums import missing_or_damaged
from shopbatch.warehouse.store import Store
from shopbatch.warehouse.verify import Checked, verify_table


def verify(store: Store, tables: Sequence[str]) -> Iterator[Checked]:
    """Verify tables, or everything in the warehouse if no table is named, and yield one result per verified thing.

    Args:
        store: The warehouse.
        tables: Names of tables; empty: all tables, models, checkpoints, indexes and the erasure key.

    Raises:
        UserError: There is no such table.
    """
    there = store.names()
    if missing := [name for name in tables if name not in there]:
        raise UserError(f"no table {missing[0]!r} in warehouse {store.root}; {hint(missing[0], there, 'tables there')}")
    for name in tables or there:
        yield verify_table(store, name)
    if not tables:
        yield from _models(store)
        yield from _checkpoints(store)
        yield from _indexes(store)
        yield from _key(store)


def what_to_do(store: Store, checked: Checked) -> str:
    """Return the remedy for a damaged table, model, checkpoint, index or key, as a sentence for the user.

    Args:
        store: The warehouse.
        checked: The result of `verify` with its findings.
    """
    name = checked.name
    if checked.kind == "model":
        return "train or register it again, or restore its folder"
    if checked.kind == "checkpoint":
        return "the run resumes from the checkpoint before it"
    if checked.kind == "index":
        return "run embed_products: it makes the index again"
    if checked.kind == "key":
        return f"restore {erasure_key.KEY}: without it no row of a trained model can be named"
    job = TABLES[name].job if name in TABLES else job_of_memo(name) if name.endswith("_memo") else ""
    if any(finding.startswith("_delta_log/") for finding in checked.findings):
        return "restore the named files of the log from a backup; without one, move the table's folder away"
    if job:
        return f"run {job}: it makes anew what is damaged"
    if name in ("training_blocks", "training_vectors"):
        return "the next training makes anew what is damaged"
    return "restore the named files, or fill the table anew (shopbatch load TABLE FILE --replace)"


def set_aside(store: Store) -> int:
    """Return the number of damaged files that runs have moved out of tables into the folder `_damaged`."""
    fs, path = files.filesystem(f"{store.root}/{FOLDER}")
    entries = files.entries(fs, path, recursive=True)
    return sum(entry.type == pafs.FileType.File for entry in entries)


def _models(store: Store) -> Iterator[Checked]:
    root = f"{store.root}/_models"
    for name in _folders(root):
        versions = [v for v in _folders(f"{root}/{name}") if re.fullmatch(r"[0-9a-f]{12}", v)]
        for version in versions:
            checked = Checked(f"{name}@{version}", "model")
            for entry in _entries(f"{root}/{name}/{version}"):
                checked.files, checked.size = checked.files + 1, checked.size + (entry.size or 0)
            try:
                registry.find(root, checked.name, trust=False)
            except ModelError as error:
                checked.findings.append(str(error))
            yield checked
        if any(entry.base_name == registry.LIVE for entry in _entries(f"{root}/{name}")):
            live = Checked(f"{name}@live", "model", files=1)
            try:
                registry.find(root, live.name, trust=False)
            except ModelError as error:
                live.findings.append(str(error))
            if live.findings:
                yield live


def _checkpoints(store: Store) -> Iterator[Checked]:
    root = f"{store.root}/_training"
    for job in _folders(root):
        for key in _folders(f"{root}/{job}"):
            folder = f"{root}/{job}/{key}"
            for kind in (checkpoint_files.STEP, checkpoint_files.BEST):
                for step in checkpoint_files.steps(folder, kind):
                    checked = Checked(f"{job}/{key}/{step}", "checkpoint")
                    try:
                        marker = checkpoint_files.read_whole(f"{folder}/{step}")
                    except CheckpointError as error:
                        checked.findings.append(str(error))
                    else:
                        checked.files = len(marker["files"]) + 1
                        checked.size = sum(int(entry["size"]) for entry in marker["files"].values())
                    yield checked


def _indexes(store: Store) -> Iterator[Checked]:
    """Verify each search index, a folder whose `manifest.json` has the checksums of its files.

    A folder without a manifest is skipped, because it was never visible to readers.
    """
    root = f"{store.root}/_indexes"
    for kind in _folders(root):
        for key in _folders(f"{root}/{kind}"):
            folder = f"{root}/{kind}/{key}"
            entries = {entry.base_name: entry for entry in _entries(folder)}
            if "manifest.json" not in entries:
                continue
            size = sum(entry.size or 0 for entry in entries.values())
            checked = Checked(f"{kind}/{key}", "index", files=len(entries), size=size)
            fs, path = files.filesystem(folder)
            try:
                with fs.open_input_stream(f"{path}/manifest.json") as stream:
                    sums = dict(json.loads(stream.read())["files"])
            except (ValueError, KeyError, TypeError):
                checked.findings.append("manifest.json is damaged")
            else:
                checked.findings += filter(None, [missing_or_damaged(folder, sums)])
            yield checked


def _key(store: Store) -> Iterator[Checked]:
    """Verify the erasure key, and yield the result; nothing if there is neither a key nor a model that needs one.

    Models name their training rows by keyed hashes, so that `shopbatch erase` can find the models that learnt from a
    person's rows. The key must be readable, and it must be the one that the models' manifests name.
    """
    owners = [model for model in erasure.list_models(store) if model["rows"]]
    checked = Checked(erasure_key.KEY, "key", files=1, size=erasure_key.BYTES)
    try:
        key = erasure_key.read_key(store, "no training row can be named")
    except UserError as error:
        checked.findings.append(str(error))
    else:
        if key is None:
            checked.files = checked.size = 0
            checked.findings += ["it is gone, and models name their training rows by it"] if owners else []
        elif owners and all(model["key"] not in (None, erasure_key.identity(key)) for model in owners):
            checked.findings.append("it is not the key by which the models here name their training rows")
    if checked.files or checked.findings:
        yield checked


def _entries(uri: str) -> list[pafs.FileInfo]:
    fs, path = files.filesystem(uri)
    entries = files.entries(fs, path)
    return [entry for entry in entries if entry.type == pafs.FileType.File]


def _folders(uri: str) -> list[str]:
    fs, path = files.filesystem(uri)
    entries = files.entries(fs, path)
    folders = [e.base_name for e in entries if e.type == pafs.FileType.Directory]
    return sorted(name for name in folders if not name.startswith("."))
