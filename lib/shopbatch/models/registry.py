"""The models that were built here: `<warehouse>/_models/<name>/<12 digits of the digest>/`, never changed again.

`live.json` beside them names the one that `name@live` means. Files are written aside, the manifest last, then the
folder is renamed into place: what is visible is whole. An object store has no rename; there the manifest makes it so.
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
    """path: what `folder.local` brings to a worker. digest: 64 hex digits. manifest: {} for a plain folder."""

    name: str
    path: str
    digest: str
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """The name that pins it: `name@digest`."""
        return f"{self.name}@{self.digest[:DIGITS]}"


def publish(root: str, name: str, build: Callable[[Path], None], *, live: bool = True, **manifest: Any) -> Model:
    """Build a model into a folder aside and publish it whole. A model with the same files is there once, and its
    manifest stays, unless it is of another `origin`.

    build: writes the files into the empty folder it is given. live: `name@live` means this model from now on.
    manifest: what to remember (base, licence, metrics, config, ...), JSON-able; no part of the digest.
    Raises ModelError if `build` left a pickle, or nothing.
    """
    if not _NAME.fullmatch(name):
        raise ModelError(f"model name {name!r}: expected small letters, digits, - and _")
    store = f"{root}/{name}"
    fs, path = files.filesystem(store)
    here = isinstance(fs, pafs.LocalFileSystem)
    if here:
        os.makedirs(path, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=path if here else None, prefix=".building-"))
    try:
        build(aside)
        refuse_pickles(aside)
        for file in aside.rglob("*"):  # what a library made private is to be read by every worker
            file.chmod(0o755 if file.is_dir() else 0o644)
        built = contents(aside)
        if not built:
            raise ModelError(f"model {name}: nothing was built")
        key = digest(built)
        target = f"{store}/{key[:DIGITS]}"
        if not _is_whole(target, key):
            created = datetime.now(UTC).isoformat(timespec="seconds")
            tree = {"name": name, "digest": key, "created_at": created, **manifest, "files": built}
            text = json.dumps(tree, indent=1, ensure_ascii=False)
            if here:
                (aside / MANIFEST).write_text(text, "utf-8")
                move_into_place(aside, Path(path) / key[:DIGITS], lambda there: _is_whole(str(there), key))
            else:
                _upload(aside, built, target)
                files.write_bytes(f"{target}/{MANIFEST}", text.encode())
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    model = _published(root, name, key[:DIGITS])
    if "origin" in manifest and model.manifest.get("origin") != manifest["origin"]:
        model = describe(root, model, **manifest)  # made again of something else: its job is to know it by that
    if live:
        point(root, model)
    return model


def describe(root: str, model: Model, **manifest: Any) -> Model:
    """Put more into the manifest of a published model; what is there under the same name is replaced."""
    path = f"{root}/{model.name}/{model.digest[:DIGITS]}"
    tree = {k: v for k, v in read_manifest(path, model.reference).items() if k != "candidate"} | manifest
    files.write_bytes(f"{path}/{MANIFEST}", json.dumps(tree, indent=1, ensure_ascii=False).encode())
    return _published(root, model.name, model.digest[:DIGITS])


def withdraw(root: str, model: Model) -> None:
    """Delete a model that was published as a candidate only and then refused; any other one stays."""
    if model.manifest.get("candidate"):
        fs, path = files.filesystem(f"{root}/{model.name}/{model.digest[:DIGITS]}")
        fs.delete_dir(path)


def published(root: str) -> Iterator[tuple[Model, bool]]:
    """All models that are whole and no mere candidates, by name; and whether each is live."""
    for name in _names(root):
        live = find_live(root, name)
        for version in _keys(root, name):
            with suppress(ModelError):
                model = _published(root, name, version)
                if not model.manifest.get("candidate"):
                    yield model, live is not None and live.digest == model.digest


def point(root: str, model: Model) -> None:
    """From now on `name@live` means this model. Readers see the old one or the new one."""
    text = json.dumps({"digest": model.digest}, indent=1)
    files.write_bytes(f"{root}/{model.name}/{LIVE}", text.encode())


def resolve(root: str, reference: str) -> Model:
    """The model that a reference means, verified.

    reference: `name@live` or `name@digest` (published here), a folder (path or URI), or `owner/name[@revision]` on the
    model hub.
    Raises ModelError in one line: not there, half-written, truncated, changed, or with a pickle in it.
    """
    if not reference:
        raise ModelError("no model is named: expected name@live, name@digest, a folder, or owner/name of the hub")
    if "://" in reference:
        return _plain(local(reference), reference)
    folder = Path(reference).expanduser().resolve()
    if folder.is_dir():
        return _plain(folder, str(folder))
    name, at, version = reference.partition("@")
    if at and _NAME.fullmatch(name):
        return _published(root, name, _live(root, name) if version == "live" else version)
    if reference.count("/") != 1 or reference.startswith((".", "/", "~")):
        raise ModelError(f"model {reference!r}: no such folder, and not name@live, name@digest or owner/name")
    snapshot = hub(reference)
    return _plain(snapshot, f"{HUB}{name}@{snapshot.name}")


def find_live(root: str, name: str) -> Model | None:
    """The model that `name@live` means, or None where there is none or it is damaged: it is then built anew."""
    try:
        return resolve(root, f"{name}@live")
    except ModelError:
        return None


def base(root: str, reference: str) -> Model:
    """The model that `reference` means, in the registry: what is built on it names it by digest, so it must stay there.

    `e5-small` and `smollm2-135m` are built from packages the first time; a folder or a hub's model is copied once.
    """
    for own in (e5_small, smollm2):
        if reference == own.NAME:
            return find_live(root, own.NAME) or publish(root, own.NAME, own.build, live=True, **own.ABOUT)
    found = resolve(root, reference)
    name, at, _ = reference.partition("@")
    return found if at and found.manifest and _NAME.fullmatch(name) else _adopt(root, found)


def _adopt(root: str, model: Model) -> Model:
    """A model from elsewhere as one of the registry's own, with the same digest; not live: no gate has seen it."""
    source = local(model.path)
    name = re.sub(r"[^a-z0-9-]+", "-", source.name.lower()).strip("-") or "encoder"
    if _NAME.fullmatch(own := str(model.manifest.get("name", ""))):  # of another registry, where a digest is the folder
        name = own
    known = {k: v for k, v in model.manifest.items() if k not in ("name", "digest", "created_at", "files", "candidate")}

    def copy(folder: Path) -> None:
        for path in contents(source):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / path, folder / path)

    return publish(root, name if name[0].isalpha() else f"m-{name}", copy, live=False, **{"base": model.name} | known)


def _plain(folder: Path, path: str) -> Model:
    """A folder as it is; one with a manifest (published elsewhere, copied here) is held against it."""
    refuse_pickles(folder)
    if (folder / MANIFEST).exists():
        manifest = read_manifest(str(folder), folder.name)
        verify(folder, manifest["files"], folder.name)
        return Model(str(manifest["name"]), path, str(manifest["digest"]), manifest)
    found = contents(folder)
    if not any(name.endswith((".safetensors", ".xml", ".gguf")) for name in found):
        raise ModelError(f"model {folder}: no safetensors in it")
    return Model(folder.name, path, digest(found))


def _published(root: str, name: str, version: str) -> Model:
    """A published model by its digest, or the beginning of one of at least 6 digits."""
    keys = _keys(root, name)
    if not keys:
        raise ModelError(f"no model {name!r} in {root}; there are: {', '.join(_names(root)) or 'none'}")
    found = [k for k in keys if len(version) >= 6 and (k.startswith(version) or version.startswith(k))]
    if len(found) != 1:
        raise ModelError(f"no model {name}@{version} in {root}; there are: {', '.join(keys)}")
    path = f"{root}/{name}/{found[0]}"
    model = f"{name}@{found[0]}"
    manifest = read_manifest(path, model)
    key = str(manifest["digest"])
    if not key.startswith(found[0]) or not (key.startswith(version) or version.startswith(key)):
        raise ModelError(f"model {model} is damaged: its manifest is of {key[:DIGITS]}")
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
        hint = "; `shopbatch run train_sentiment_head` makes it" if name == "sentiment" else ""
        raise ModelError(f"no live model {name!r} in {root} (models there: {known}){hint}") from None
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"model {name}: {LIVE} can not be read; publish the model again") from None


def _keys(root: str, name: str) -> list[str]:
    return [k for k in _folders(f"{root}/{name}") if re.fullmatch(r"[0-9a-f]{12}", k)]


def _names(root: str) -> list[str]:
    return [n for n in _folders(root) if _NAME.fullmatch(n)]


def _folders(uri: str) -> list[str]:
    fs, path = files.filesystem(uri)
    found = fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))
    return sorted(f.base_name for f in found if f.type == pafs.FileType.Directory)


def _is_whole(folder: str, key: str) -> bool:
    """Whether this model is there already, undamaged (an object store's files are as they were put)."""
    try:
        manifest = read_manifest(folder, folder)
        fs, path = files.filesystem(folder)
        if isinstance(fs, pafs.LocalFileSystem):
            verify(Path(path), manifest["files"], folder)
    except ModelError:
        return False
    return bool(manifest["digest"] == key)


def _upload(aside: Path, built: Mapping[str, Any], target: str) -> None:
    fs, path = files.filesystem(target)
    for name in built:
        parent = os.path.dirname(f"{path}/{name}")
        fs.create_dir(parent, recursive=True)
        pafs.copy_files(str(aside / name), f"{path}/{name}", pafs.LocalFileSystem(), fs)
