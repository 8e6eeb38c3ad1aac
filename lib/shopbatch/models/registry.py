"""The registry of models: `<warehouse>/_models/<name>/<12 digits of the digest>/`, whose files never change.

`live.json` beside these folders names the model that `name@live` means. A model's files are written into a staging
folder, the manifest last, and then the folder is renamed into place: a visible model is complete. An object store
cannot rename; there a model is complete once it has its manifest.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from shopbatch.models import e5_small, smollm2
from shopbatch.models.folder import (
    HUB,
    MANIFEST,
    ModelError,
    contents,
    digest,
    hub,
    local,
    move_into_place,
    read_manifest,
    refuse_pickles,
    verify,
)
from shopbatch.warehouse import files

LIVE = "live.json"
DIGITS = 12
_NAME = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class Model:
    """A model that a reference means.

    Attributes:
        name: Its name in the registry, or the name of its folder.
        path: Its folder, which `folder.local` brings to a worker.
        digest: 64 hex digits.
        manifest: What the registry knows about it; {} for a folder that was never published.
    """

    name: str
    path: str
    digest: str
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """The reference that always means this model: `name@digest`."""
        return reference(self.manifest)


def reference(manifest: Mapping[str, Any]) -> str:
    """Return the reference that always means the model of a manifest: `name@digest`."""
    return f"{manifest['name']}@{manifest['digest'][:DIGITS]}"


class NoLiveModel(ModelError):
    """The registry has no live model of this name."""


def publish(root: str, name: str, build: Callable[[Path], None], *, live: bool = True, **manifest: Any) -> Model:
    """Build a model in a staging folder and publish it when it is complete.

    A model whose files are already there is not stored a second time. Its manifest stays too, unless the new `origin`
    differs from its own.

    Args:
        root: The registry's folder or URI.
        name: The model's name: small letters, digits, - and _.
        build: Writes the files into the empty folder that it is given.
        live: Whether `name@live` means this model from now on.
        manifest: What to remember (base, licence, metrics, config, ...), in JSON's types. The digest ignores it.

    Raises:
        ModelError: The name is not allowed, or `build` left a pickle or nothing.
    """
    if not _NAME.fullmatch(name):
        raise ModelError(f"model name {name!r}: expected small letters, digits, - and _")
    fs, path = files.filesystem(f"{root}/{name}")
    on_disk = isinstance(fs, pafs.LocalFileSystem)
    if on_disk:
        os.makedirs(path, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=path if on_disk else None, prefix=".building-"))
    try:
        build(staging)
        refuse_pickles(staging)
        for file in staging.rglob("*"):  # some libraries write private files, but every worker has to read them
            file.chmod(0o755 if file.is_dir() else 0o644)
        built = contents(staging)
        if not built:
            raise ModelError(f"model {name}: nothing was built")
        key = digest(built)
        target = f"{root}/{name}/{key[:DIGITS]}"
        if not _is_whole(target, key):
            created = datetime.now(UTC).isoformat(timespec="seconds")
            text = _dump({"name": name, "digest": key, "created_at": created, **manifest, "files": built})
            if on_disk:
                (staging / MANIFEST).write_bytes(text)
                files.sync_folder(str(staging))
                move_into_place(staging, Path(path) / key[:DIGITS], lambda folder: _is_whole(str(folder), key))
            else:
                _upload(staging, built, target)
                files.write_bytes(f"{target}/{MANIFEST}", text)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    model = _published(root, name, key[:DIGITS])
    if "origin" in manifest and model.manifest.get("origin") != manifest["origin"]:
        model = describe(root, model, **manifest)  # the new origin tells its job that nothing is to do
    if live:
        point(root, model)
    return model


def describe(root: str, model: Model, **manifest: Any) -> Model:
    """Add to the manifest of a published model, or replace what is there; it is then no longer a mere candidate."""
    path = f"{root}/{model.name}/{model.digest[:DIGITS]}"
    tree = {k: v for k, v in read_manifest(path, model.reference).items() if k != "candidate"} | manifest
    files.write_bytes(f"{path}/{MANIFEST}", _dump(tree))
    return _published(root, model.name, model.digest[:DIGITS])


def withdraw(root: str, model: Model) -> None:
    """Delete a model that was published only as a candidate and then refused. Any other model stays."""
    if model.manifest.get("candidate"):
        fs, path = files.filesystem(f"{root}/{model.name}/{model.digest[:DIGITS]}")
        fs.delete_dir(path)


def published(root: str) -> Iterator[tuple[Model, bool]]:
    """Yield all complete models except mere candidates, by name, and whether each is live."""
    for name in _names(root):
        live = find_live(root, name)
        for version in _keys(root, name):
            with suppress(ModelError):
                model = _published(root, name, version)
                if not model.manifest.get("candidate"):
                    yield model, live is not None and live.digest == model.digest


def listed(root: str) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield the manifest of each complete model except mere candidates, and whether it is live. Verifies no file."""
    for name in _names(root):
        live = ""
        with suppress(ModelError):
            live = _live(root, name)
        for version in _keys(root, name):
            with suppress(ModelError):
                manifest = read_manifest(f"{root}/{name}/{version}", f"{name}@{version}")
                if not manifest.get("candidate"):
                    yield manifest, manifest["digest"] == live


def point(root: str, model: Model) -> None:
    """Let `name@live` mean this model from now on. Readers see the old model or the new one."""
    files.write_bytes(f"{root}/{model.name}/{LIVE}", _dump({"digest": model.digest}))


def resolve(root: str, reference: str) -> Model:
    """Find the model that a reference means, and verify it.

    Args:
        root: The registry's folder or URI.
        reference: `name@live` or `name@digest` (published here), a folder (path or URI), or `owner/name[@revision]` on
            the model hub.

    Raises:
        NoLiveModel: `name@live` means no model.
        ModelError: The model is missing, half-written, truncated, changed, or has a pickle in it.
    """
    if not reference:
        raise ModelError("no model is named: expected name@live, name@digest, a folder, or owner/name of the hub")
    if "://" in reference:
        return _from_folder(local(reference), reference)
    folder = Path(reference).expanduser().resolve()
    if folder.is_dir():
        return _from_folder(folder, str(folder))
    name, at, version = reference.partition("@")
    if at and _NAME.fullmatch(name):
        return _published(root, name, _live(root, name) if version == "live" else version)
    if reference.count("/") != 1 or reference.startswith((".", "/", "~")):
        raise ModelError(f"model {reference!r}: no such folder, and not name@live, name@digest or owner/name")
    snapshot = hub(reference)
    return _from_folder(snapshot, f"{HUB}{name}@{snapshot.name}")


def find_live(root: str, name: str) -> Model | None:
    """Return the model that `name@live` means. None if there is none or it is damaged, so that it is built again."""
    try:
        return resolve(root, f"{name}@live")
    except ModelError:
        return None


def live_with_origin(root: str, name: str, origin: str) -> Model | None:
    """Return the live model if it was made from `origin`, so that its job has nothing to do; None otherwise."""
    live = find_live(root, name)
    return live if live is not None and live.manifest.get("origin") == origin else None


def base(root: str, reference: str) -> Model:
    """Find the model to build on, as a model of the registry: models built on it name its digest, so it has to stay.

    `e5-small` and `smollm2-135m` are built from packages the first time. A folder or a model of the hub is copied once.
    """
    for packaged in (e5_small, smollm2):
        if reference == packaged.NAME:
            live = find_live(root, packaged.NAME)
            return live or publish(root, packaged.NAME, packaged.build, live=True, **packaged.ABOUT)
    model = resolve(root, reference)
    name, at, _ = reference.partition("@")
    return model if at and model.manifest and _NAME.fullmatch(name) else adopt(root, model)


def copy_live(root: str, source: str) -> list[Model]:
    """Copy the live models of another registry that have no live version here, with the encoders that they name.

    Returns:
        The live models that were copied.
    """
    copied = []
    for model, live in published(source):
        if live and find_live(root, model.name) is None:
            if encoder := model.manifest.get("encoder"):
                adopt(root, resolve(source, str(encoder)))
            copied.append(adopt(root, model, live=True))
    return copied


def adopt(root: str, model: Model, *, live: bool = False) -> Model:
    """Copy a model from elsewhere into the registry, with the same digest.

    Args:
        root: The registry's folder or URI.
        model: The model.
        live: Whether `name@live` means it from now on; not so for one that no gate has judged.
    """
    source = local(model.path)
    name = re.sub(r"[^a-z0-9-]+", "-", source.name.lower()).strip("-") or "encoder"
    # in another registry the folder is named by digest, so the name is in the manifest
    if _NAME.fullmatch(published_name := str(model.manifest.get("name", ""))):
        name = published_name
    known = {k: v for k, v in model.manifest.items() if k not in ("name", "digest", "created_at", "files", "candidate")}

    def copy(folder: Path) -> None:
        for path in contents(source):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / path, folder / path)

    return publish(root, name if name[0].isalpha() else f"m-{name}", copy, live=live, **{"base": model.name} | known)


def _from_folder(folder: Path, path: str) -> Model:
    """Return the model in a folder. If it has a manifest (it was published elsewhere and copied), that verifies it."""
    refuse_pickles(folder)
    if (folder / MANIFEST).exists():
        manifest = read_manifest(str(folder), folder.name)
        verify(folder, manifest["files"], folder.name)
        return Model(str(manifest["name"]), path, str(manifest["digest"]), manifest)
    contained = contents(folder)
    if not any(name.endswith((".safetensors", ".xml", ".gguf")) for name in contained):
        raise ModelError(f"model {folder}: it contains no safetensors")
    return Model(folder.name, path, digest(contained))


def _published(root: str, name: str, version: str) -> Model:
    """Return a published model by its digest, or by at least the first 6 digits of it."""
    keys = _keys(root, name)
    if not keys:
        raise ModelError(f"no model {name!r} in {root}; there are: {', '.join(_names(root)) or 'none'}")
    matches = [k for k in keys if len(version) >= 6 and (k.startswith(version) or version.startswith(k))]
    if len(matches) != 1:
        raise ModelError(f"no model {name}@{version} in {root}; there are: {', '.join(keys)}")
    path = f"{root}/{name}/{matches[0]}"
    model = f"{name}@{matches[0]}"
    manifest = read_manifest(path, model)
    key = str(manifest["digest"])
    if not key.startswith(matches[0]) or not (key.startswith(version) or version.startswith(key)):
        raise ModelError(f"model {model} is damaged: its manifest belongs to {key[:DIGITS]}")
    fs, folder = files.filesystem(path)
    if isinstance(fs, pafs.LocalFileSystem):
        refuse_pickles(Path(folder))
        verify(Path(folder), manifest["files"], model)
        path = folder
    return Model(name, path, key, manifest)


def _live(root: str, name: str) -> str:
    fs, path = files.filesystem(f"{root}/{name}/{LIVE}")
    try:
        with fs.open_input_stream(path) as stream:
            return str(json.loads(stream.read())["digest"])
    except FileNotFoundError:
        known = ", ".join(_names(root)) or "none"
        raise NoLiveModel(f"no live model {name!r} in {root} (models there: {known})") from None
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"model {name}: {LIVE} cannot be read; publish the model again") from None


def _keys(root: str, name: str) -> list[str]:
    return [k for k in _folders(f"{root}/{name}") if re.fullmatch(r"[0-9a-f]{12}", k)]


def _names(root: str) -> list[str]:
    return [n for n in _folders(root) if _NAME.fullmatch(n)]


def _folders(uri: str) -> list[str]:
    fs, path = files.filesystem(uri)
    entries = fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))
    return sorted(f.base_name for f in entries if f.type == pafs.FileType.Directory)


def _is_whole(folder: str, key: str) -> bool:
    """Whether this model is there already and undamaged. The files of an object store are taken to be undamaged."""
    try:
        manifest = read_manifest(folder, folder)
        fs, path = files.filesystem(folder)
        if isinstance(fs, pafs.LocalFileSystem):
            verify(Path(path), manifest["files"], folder)
    except ModelError:
        return False
    return bool(manifest["digest"] == key)


def _upload(staging: Path, built: Mapping[str, Any], target: str) -> None:
    fs, path = files.filesystem(target)
    for name in built:
        parent = os.path.dirname(f"{path}/{name}")
        fs.create_dir(parent, recursive=True)
        pafs.copy_files(str(staging / name), f"{path}/{name}", pafs.LocalFileSystem(), fs)


def _dump(tree: Mapping[str, Any]) -> bytes:
    return json.dumps(tree, indent=1, ensure_ascii=False).encode()
