"""The registry of models: `<warehouse>/_models/<name>/<12 digits of the digest>/`, whose files never change.

`live.json` beside these folders names the model that `name@live` means. A model's files are written into a staging
folder, the manifest last, and then the folder is renamed into place: a visible model is complete. An object store
cannot rename; there a model is complete once it has its manifest.
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


def publish(root: str, name: str, build: Callable[[Path], None], *, live: bool = True, **manifest: Any) -> Model:
    """Build a model in a staging folder and publish it when it is complete.

    A model whose files are already there is not stored a second time. Its manifest stays too, unless the new `origin`
    differs from its own. One that was published before does not become a mere candidate, which a refusal deletes.

    Args:
        root: The registry's folder or URI.
        name: The model's name: small letters, digits, - and _.
        build: Writes the files into the empty folder that it is given.
        live: Whether `name@live` means this model from now on.
        manifest: What to remember (base, licence, metrics, config, ...), in JSON's types. The digest ignores it.

    Raises:
        ModelError: The name is not allowed, or `build` left a pickle or nothing.
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
        for file in staging.rglob("*"):  # some libraries write private files, but every worker has to read them
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
        model = describe(root, model, **manifest)  # the new origin tells its job that nothing is to do
    if live:
        point(root, model)
    return model


def _former(target: str, key: str) -> Mapping[str, Any]:
    """The manifest of a damaged model that these files repair, if it was published; {} for any other."""
    with suppress(ModelError):
        former = read_manifest(target, target)
        if former["digest"] == key and not former.get("candidate"):
            return former
    return {}


def describe(root: str, model: Model, **manifest: Any) -> Model:
    """Add to the manifest of a published model, or replace what is there; it is then no longer a mere candidate."""
    path = place(root, model.name, model.digest[:DIGITS])
    tree = {k: v for k, v in read_manifest(path, model.reference).items() if k != "candidate"} | manifest
    files.write_bytes(f"{path}/{MANIFEST}", dump(tree))
    return _published(root, model.name, model.digest[:DIGITS])


def withdraw(root: str, model: Model) -> None:
    """Delete a model that was published only as a candidate and then refused. Any other model stays."""
    if model.manifest.get("candidate"):
        fs, path = files.filesystem(place(root, model.name, model.digest[:DIGITS]))
        fs.delete_dir(path)


def withdraw_candidates(root: str) -> None:
    """Delete all mere candidates: no run is under way, so killed ones have left them."""
    for name in names(root):
        for version in keys(root, name):
            with suppress(ModelError):
                manifest = read_manifest(f"{root}/{name}/{version}", f"{name}@{version}")
                withdraw(root, Model(name, "", str(manifest["digest"]), manifest))


def listed(root: str) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield the manifest of each complete model except mere candidates, and whether it is live. Verifies no file."""
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
    """Let `name@live` mean this model from now on. Readers see the old model or the new one.

    Raises:
        Stopped: Another run has published a model of that name meanwhile (see `live`).
    """
    live_models.check(root, model.name, model.digest)
    files.write_bytes(f"{place(root, model.name)}/{LIVE}", dump({"digest": model.digest}))


def resolve(root: str, reference: str) -> Model:
    """Find the model that a reference means, and verify it.

    Args:
        root: The registry's folder or URI.
        reference: `name@live` or `name@digest` (published here), a folder (path or URI), or `owner/name[@revision]` on
            the model hub.

    Raises:
        NoLiveModel: `name@live` means no model.
        ModelError: The model is missing, half-written, truncated, changed, or has files that no model needs.
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
    # no such user, a link to itself, a name that is too long, no such kind of store
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
    """Find a model of this registry by `name@live` or `name@digest`, and verify it. What files name is found so.

    Args:
        root: The registry's folder or URI.
        reference: The reference.
        trust: Whether a large file that did not change since it was last read is not read again (see `digests`).

    Raises:
        NoLiveModel, ModelError: As `resolve`; or the reference is of another form.
    """
    name, at, version = reference.partition("@")
    if not at or not NAME.fullmatch(name):
        raise ModelError(f"model {reference[:100]!a}: expected name@live or name@digest of {root}")
    return _published(root, name, live_version(root, name) if version == "live" else version, trust)


def find_live(root: str, name: str) -> Model | None:
    """Return the model that `name@live` means; None if there is none.

    Raises:
        ModelError: It is damaged. No older model takes its place.
    """
    live_models.look(root, name)
    try:
        return find(root, f"{name}@live")
    except NoLiveModel:
        return None


def live_with_origin(root: str, name: str, origin: str) -> Model | None:
    """Return the live model if it was made from `origin`, so that its job has nothing to do.

    None otherwise, also if it is damaged: its job makes the same files again, which repairs it.
    """
    with suppress(ModelError):
        live = find_live(root, name)
        return live if live is not None and live.manifest.get("origin") == origin else None
    return None


def base(root: str, reference: str) -> Model:
    """Find the model to build on, as a model of the registry: models built on it name its digest, so it has to stay.

    `e5-small`, `e5-small-search`, `e5-small-aspects`, `efficientnet-lite0` and `smollm2-135m` are built from packages
    the first time. A folder or a model of the hub is copied once.
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
    """Return the live model of this name. One that is missing or damaged is built from its package.

    Raises:
        ModelError: The live one is damaged, and the package that is installed makes another one.
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
    """Copy the live models of another registry that have no live version here, with the models that they name.

    Returns:
        The live models that were copied.

    Raises:
        ModelError: A live model there is damaged.
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
    """Copy a model from elsewhere into the registry, with the same digest.

    Args:
        root: The registry's folder or URI.
        model: The model.
        live: Whether `name@live` means it from now on; not so for one that no gate has judged.
    """
    source = local(model.path)
    # in another registry the folder is named by digest, so the name is in the manifest
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
    """Return the model in a folder. If it has a manifest (it was published elsewhere and copied), that verifies it."""
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
    """Return a published model by its digest, or by at least the first 6 digits of it."""
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
    """Whether this model is there already and undamaged. The files of an object store are taken to be undamaged."""
    try:
        manifest = read_manifest(folder, folder)
        fs, path = files.filesystem(folder)
        if isinstance(fs, pafs.LocalFileSystem):
            verify(Path(path), manifest["files"], folder)
            screen(Path(path))
    except ModelError:
        return False
    return bool(manifest["digest"] == key)
