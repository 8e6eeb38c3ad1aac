"""The model registry: published models in `<warehouse>/_models/<name>/<first 12 digits of the digest>/`.

In every function `root` is the registry's folder or URI. A published model's digested files (weights, tokenizer, ...)
never change; its manifest may. `live.json` names the version that `name@live` means. A visible model is complete: its
files are written into a staging folder, which is then renamed. An object store cannot rename; there the manifest is
written last, and a folder without a manifest does not count as a model.
"""

from __future__ import annotations

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

import pyarrow as pa
import pyarrow.fs as pafs

from shopbatch.core.errors import one_line
from shopbatch.core.inside import inside
from shopbatch.core.privacy import clean
from shopbatch.models import e5_small, efficientnet_lite, smollm2
from shopbatch.models import live as live_models
from shopbatch.models.folder import (
    HUB,
    MANIFEST,
    NAME,
    ModelError,
    contents,
    digest,
    hub,
    local,
    move_into_place,
    read_manifest,
    verify,
)
from shopbatch.models.registry_files import DIGITS as DIGITS
from shopbatch.models.registry_files import LIVE as LIVE
from shopbatch.models.registry_files import NoLiveModel as NoLiveModel
from shopbatch.models.registry_files import check_name, dump, keys, live_version, names, place, upload
from shopbatch.models.screening import screen
from shopbatch.warehouse import files


@dataclass(frozen=True)
class Model:
    """A model that a reference was resolved to.

    Attributes:
        name: Name of the model in the registry, or of its folder.
        path: Path or URI of its folder; `folder.local` fetches it to a worker.
        digest: SHA-256 of its files, 64 hex digits.
        manifest: Content of its `manifest.json` (base, licence, metrics, ...); {} for a folder that was never
            published.
    """

    name: str
    path: str
    digest: str
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """The reference `name@digest`, which always means this version; KeyError for a model without a manifest."""
        return reference(self.manifest)


def reference(manifest: Mapping[str, Any]) -> str:
    """Return the reference `name@digest` of the model that a manifest describes; the digest is cut to 12 hex digits."""
    return f"{manifest['name']}@{manifest['digest'][:DIGITS]}"


def publish(root: str, name: str, build: Callable[[Path], None], *, live: bool = True, **manifest: Any) -> Model:
    """Build a model in a staging folder, publish it once it is complete, and return it.

    If the registry already has a model with the same files, only its manifest is updated: if the `origin` (the digest
    of what it was made from) is another one, or if a candidate becomes an ordinary model. A candidate (manifest entry
    `candidate`) can be deleted by `withdraw`. Publishing one never changes an ordinary model.

    Args:
        root: The registry's folder or URI.
        name: Name of the model: small letters, digits, - and _.
        build: Writes the model's files into the empty folder that it is given.
        live: Whether `name@live` means this model from now on; `point` may then raise Stopped.
        manifest: Entries of `manifest.json` (base, licence, metrics, ...) as JSON types; they are not in the digest.

    Raises:
        ModelError: The name or a file (such as a pickle) is not allowed, or `build` wrote nothing.
    """
    check_name(name)
    fs, path = files.filesystem(place(root, name))
    on_disk = isinstance(fs, pafs.LocalFileSystem)
    if on_disk:
        os.makedirs(path, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=path if on_disk else None, prefix=".building-"))
    try:
        build(staging)
        screen(staging)
        built = contents(staging)
        if not built:
            raise ModelError(f"model {name}: nothing was built")
        if telling := [file for file in built if clean(file) != file]:
            raise ModelError(
                f"model {name}: a file's name, {clean(telling[0])!r}, tells what is masked; rename that file"
            )
        for file in staging.rglob("*"):  # some libraries write files that other users' workers could not read
            file.chmod(0o755 if file.is_dir() else 0o644)
        key = digest(built)
        target = place(root, name, key[:DIGITS])
        if not _is_whole(target, key):
            created = datetime.now(UTC).isoformat(timespec="seconds")
            tree: Mapping[str, Any] = {"created_at": created, **manifest}
            if manifest.get("candidate"):
                tree = _former(target, key) or tree
            text = dump({**tree, "name": name, "digest": key, "files": built})
            if on_disk:
                (staging / MANIFEST).write_bytes(text)
                files.sync_folder(str(staging))
                move_into_place(staging, Path(path) / key[:DIGITS], lambda folder: _is_whole(str(folder), key))
            else:
                upload(staging, built, target)
                files.write_bytes(f"{target}/{MANIFEST}", text)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    model = _published(root, name, key[:DIGITS])
    was, is_one = bool(model.manifest.get("candidate")), bool(manifest.get("candidate"))
    is_new = "origin" in manifest and model.manifest.get("origin") != manifest["origin"]
    if (is_new and (was or not is_one)) or (was and not is_one):
        model = describe(root, model, **manifest)  # the next run of its job sees the new origin, and has nothing to do
    if live:
        point(root, model)
    return model


def _former(target: str, key: str) -> Mapping[str, Any]:
    """Return the manifest in the folder `target` if it is of an ordinary model with the digest `key`; {} otherwise.

    `publish` keeps that manifest when the files of a candidate replace equal but damaged files.
    """
    with suppress(ModelError):
        former = read_manifest(target, target)
        if former["digest"] == key and not former.get("candidate"):
            return former
    return {}


def describe(root: str, model: Model, **manifest: Any) -> Model:
    """Add or replace manifest entries (JSON types) of a published model; return the model with its new manifest.

    A candidate becomes an ordinary model by this call, so that `withdraw` no longer deletes it.
    """
    path = place(root, model.name, model.digest[:DIGITS])
    tree = {k: v for k, v in read_manifest(path, model.reference).items() if k != "candidate"} | manifest
    files.write_bytes(f"{path}/{MANIFEST}", dump(tree))
    return _published(root, model.name, model.digest[:DIGITS])


def withdraw(root: str, model: Model) -> None:
    """Delete a model that was published only as a candidate, after a gate refused it. Any other model stays."""
    if model.manifest.get("candidate"):
        fs, path = files.filesystem(place(root, model.name, model.digest[:DIGITS]))
        fs.delete_dir(path)


def withdraw_candidates(root: str) -> None:
    """Delete all candidates that killed runs left behind. Call it only while no run is in progress."""
    for name in names(root):
        for version in keys(root, name):
            with suppress(ModelError):
                manifest = read_manifest(f"{root}/{name}/{version}", f"{name}@{version}")
                withdraw(root, Model(name, "", str(manifest["digest"]), manifest))


def listed(root: str) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield the manifest of each complete model that is no candidate, and whether it is live. No file is verified."""
    for name in names(root):
        live = ""
        with suppress(ModelError):
            live = live_version(root, name)
        for version in keys(root, name):
            with suppress(ModelError):
                manifest = read_manifest(f"{root}/{name}/{version}", f"{name}@{version}")
                if not manifest.get("candidate"):
                    yield manifest, manifest["digest"] == live


def point(root: str, model: Model) -> None:
    """Make `name@live` refer to a published model, atomically; raise Stopped if another run made another model live."""
    live_models.check(root, model.name, model.digest)
    files.write_bytes(f"{place(root, model.name)}/{LIVE}", dump({"digest": model.digest}))


def resolve(root: str, reference: str) -> Model:
    """Find and verify the model that a reference from a user's configuration means.

    The reference is `name@live` or `name@digest` for a model of this registry, a folder (path or URI), or
    `owner/name[@revision]` on the model hub.

    Raises:
        NoLiveModel: `name@live` is given, but no model of that name is live.
        ModelError: The model is missing, half-written, truncated or changed, or has files that no model needs.
    """
    if not reference:
        raise ModelError("no model is named: expected name@live, name@digest, a folder, or owner/name of the hub")
    if not reference.isprintable():
        raise ModelError(f"model {reference[:100]!a}: a name of a model has no control characters")
    try:
        if "://" in reference:
            return _from_folder(local(reference), reference)
        folder = Path(os.path.expanduser(reference)).resolve()
        if folder.is_dir():
            return _from_folder(folder, str(folder))
    # an unknown user (~name), a link to itself, a name that is too long, an unknown kind of store
    except (RuntimeError, OSError, pa.ArrowInvalid) as error:
        if files.is_lost_connection(error):
            raise
        raise ModelError(f"model {reference[:100]}: {one_line(error, 200)}") from None
    name, at, _ = reference.partition("@")
    if at and NAME.fullmatch(name):
        return find(root, reference)
    if reference.count("/") != 1 or reference.startswith((".", "/", "~")):
        raise ModelError(f"model {reference!r}: no such folder, and not name@live, name@digest or owner/name")
    snapshot = hub(reference)
    return _from_folder(snapshot, f"{HUB}{name}@{snapshot.name}")


def find(root: str, reference: str, *, trust: bool = True) -> Model:
    """Find and verify a model of this registry by `name@live` or `name@digest` (at least 6 digits).

    Unlike `resolve` it accepts no folder or hub model, so it is safe for references that are read from files. With
    `trust`, the SHA-256 of a large file that did not change may come from a cache (see `digests`).

    Raises:
        NoLiveModel, ModelError: As `resolve`; or the reference has another form.
    """
    name, at, version = reference.partition("@")
    if not at or not NAME.fullmatch(name):
        raise ModelError(f"model {reference[:100]!a}: expected name@live or name@digest of {root}")
    return _published(root, name, live_version(root, name) if version == "live" else version, trust)


def find_live(root: str, name: str) -> Model | None:
    """Return the verified live model `name`, or None; raise ModelError if it is damaged (no older one replaces it)."""
    live_models.look(root, name)
    try:
        return find(root, f"{name}@live")
    except NoLiveModel:
        return None


def live_with_origin(root: str, name: str, origin: str) -> Model | None:
    """Return the live model if it was made from `origin`, in which case its training job has nothing to do.

    `origin` is the digest of everything that the job would make the model from. None means that there is no live model,
    or that it has another origin, or that it is damaged: the job then builds the same files again, which repairs it.
    """
    with suppress(ModelError):
        live = find_live(root, name)
        return live if live is not None and live.manifest.get("origin") == origin else None
    return None


def base(root: str, reference: str) -> Model:
    """Find the base model of a training run, and make sure that it is in the registry.

    It has to stay available, because models that are built on it refer to its digest. `e5-small`, `e5-small-search`,
    `e5-small-aspects`, `efficientnet-lite0` and `smollm2-135m` are built from Python packages the first time. Any other
    reference is as for `resolve`; a folder or a model of the hub is copied into the registry once.

    Raises:
        NoLiveModel, ModelError: As `resolve`; or the package is not installed.
    """
    for name, build, about in (
        (e5_small.NAME, e5_small.build, e5_small.ABOUT),
        (e5_small.SEARCH_NAME, e5_small.build_search, e5_small.ABOUT),
        (e5_small.ASPECTS_NAME, e5_small.build_aspects, e5_small.ABOUT),
        (efficientnet_lite.NAME, efficientnet_lite.build, efficientnet_lite.ABOUT),
        (smollm2.NAME, smollm2.build, smollm2.ABOUT),
    ):
        if reference == name:
            return _packaged(root, name, build, about)
    model = resolve(root, reference)
    name, at, _ = reference.partition("@")
    return model if at and model.manifest and NAME.fullmatch(name) else adopt(root, model)


def _packaged(root: str, name: str, build: Callable[[Path], None], about: Mapping[str, str]) -> Model:
    """Return the live model `name`; if it is missing or damaged, publish what `build` writes from its Python package.

    `about` holds entries of its manifest. If it is damaged and the package builds another model, raise ModelError.
    """
    try:
        if (live := find_live(root, name)) is not None:
            return live
    except ModelError as error:
        built = publish(root, name, build, live=False, **about)
        with suppress(ModelError):
            return find(root, f"{name}@live")
        raise ModelError(f"{error}; the package that is installed makes another model, {built.reference}") from None
    return publish(root, name, build, live=True, **about)


def copy_live(root: str, source: str) -> list[Model]:
    """Copy the live models of the registry `source` into the registry `root`, and return the copied live models.

    A name that already has a live model in `root` is left out. The models that a copied model depends on (manifest
    entries `encoder` and `needs`) are copied, too. If a live model of `source` is damaged, raise ModelError.
    """
    copied = []
    for manifest in [manifest for manifest, live in listed(source) if live]:
        if find_live(root, manifest["name"]) is None:
            model = find(source, reference(manifest))
            for needed in dict.fromkeys([model.manifest.get("encoder"), *model.manifest.get("needs", ())]):
                if needed:
                    adopt(root, find(source, str(needed)))
            copied.append(adopt(root, model, live=True))
    return copied


def adopt(root: str, model: Model, *, live: bool = False) -> Model:
    """Copy a model from a folder, the hub or another registry into the registry `root`, and return the copy.

    The digest stays the same. `live` makes it the live model; leave it False for a model that no gate has judged.
    """
    source = local(model.path)
    # the folder of another registry's model is named by the digest, so the name comes from the manifest
    name = str(model.manifest.get("name") or re.sub(r"[^a-z0-9-]+", "-", clean(source.name).lower()).strip("-")[:80])
    known = {k: v for k, v in model.manifest.items() if k not in ("name", "digest", "created_at", "files", "candidate")}

    def copy(folder: Path) -> None:
        for path in contents(source):
            target = inside(folder, path, f"model {source}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / path, target)

    name = name if name[:1].isalpha() else f"m-{name}"
    return publish(root, name, copy, live=live, **{"base": model.name} | known)


def _from_folder(folder: Path, path: str) -> Model:
    """Return the model in a local folder, verified against its manifest if it has one (copied from a registry).

    `path` is the path, URI or hub reference by which workers find the folder.
    """
    if os.path.lexists(folder / MANIFEST):
        manifest = read_manifest(str(folder), folder.name)
        verify(folder, manifest["files"], folder.name, trust=True)
        screen(folder)
        return Model(str(manifest["name"]), path, str(manifest["digest"]), manifest)
    screen(folder)
    contained = contents(folder, trust=True)
    if not any(name.endswith(".safetensors") for name in contained):
        raise ModelError(f"model {folder}: it contains no safetensors")
    return Model(folder.name, path, digest(contained))


def _published(root: str, name: str, version: str, trust: bool = True) -> Model:
    """Find and verify a published model by its name and digest, or at least the first 6 digits of the digest."""
    there = keys(root, name)
    if not there:
        raise ModelError(f"no model {name!r} in {root}; there are: {', '.join(names(root)) or 'none'}")
    matches = [k for k in there if len(version) >= 6 and (k.startswith(version) or version.startswith(k))]
    if len(matches) != 1:
        raise ModelError(f"no model {name}@{version} in {root}; there are: {', '.join(there)}")
    path = place(root, name, matches[0])
    model = f"{name}@{matches[0]}"
    manifest = read_manifest(path, model)
    key = str(manifest["digest"])
    of_another = manifest["name"] != name or not key.startswith(matches[0])
    if of_another or not (key.startswith(version) or version.startswith(key)):
        raise ModelError(f"model {model} is damaged: its manifest belongs to {reference(manifest)}")
    fs, folder = files.filesystem(path)
    if isinstance(fs, pafs.LocalFileSystem):
        verify(Path(folder), manifest["files"], model, trust=trust)
        screen(Path(folder))
        path = folder
    return Model(name, path, key, manifest)


def _is_whole(folder: str, key: str) -> bool:
    """Return True if a folder holds the undamaged model with this digest.

    In an object store only the manifest is checked.
    """
    try:
        manifest = read_manifest(folder, folder)
        fs, path = files.filesystem(folder)
        if isinstance(fs, pafs.LocalFileSystem):
            verify(Path(path), manifest["files"], folder)
            screen(Path(path))
    except ModelError:
        return False
    return bool(manifest["digest"] == key)
