"""The registry: what is visible is whole, what is damaged is named, what is live is one model or the other."""

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow.fs as pafs
import pytest
from safetensors.numpy import save_file

from shopbatch.core.errors import Stopped, UserError
from shopbatch.models import folder as folders
from shopbatch.models import live, registry
from shopbatch.models.folder import ModelError
from shopbatch.warehouse import files


def builder(value=1.0):
    """A model of three files, one of them in a folder."""

    def build(folder):
        save_file({"w": np.full(100, value, np.float32)}, folder / "model.safetensors")
        (folder / "config.json").write_text('{"a": 1}')
        (folder / "part").mkdir()
        (folder / "part" / "vocab.txt").write_text("a\nb\n")

    return build


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "_models")


def publish(root, value=1.0, **more):
    return registry.publish(root, "toy", builder(value), **more)


def test_what_is_published_is_found_under_each_of_its_names(root):
    model = publish(root, base="nothing", licence="MIT", metrics={"accuracy": 0.5})
    for reference in ("toy@live", model.reference, f"toy@{model.digest}", f"toy@{model.digest[:6]}", model.path):
        found = registry.resolve(root, reference)
        assert (found.digest, found.manifest) == (model.digest, model.manifest)
        assert Path(found.path) == Path(model.path)
    assert model.manifest["licence"] == "MIT"
    assert model.manifest["metrics"] == {"accuracy": 0.5}
    assert set(model.manifest["files"]) == {"model.safetensors", "config.json", "part/vocab.txt"}
    assert sorted(p.name for p in Path(root, "toy").iterdir()) == sorted([model.digest[:12], "live.json"])


def test_the_same_model_twice_is_one_model(root):
    first = publish(root, metrics={"accuracy": 0.5})
    again = publish(root, metrics={"accuracy": 0.7})
    assert again == first
    assert publish(root, 2.0).digest != first.digest
    assert len(list(Path(root, "toy").glob("*/manifest.json"))) == 2


def test_live_changes_only_when_asked(root):
    old, new = publish(root), publish(root, 2.0, live=False)
    assert registry.resolve(root, "toy@live") == old
    registry.point(root, new)
    assert registry.resolve(root, "toy@live") == new
    publish(root)
    assert registry.resolve(root, "toy@live") == old


@pytest.mark.parametrize("spoil", [None, "model.safetensors"], ids=["whole", "damaged"])
def test_a_candidate_of_the_same_files_as_a_published_model_is_that_model_and_no_refusal_deletes_it(root, spoil):
    known = publish(root, origin="a", rows=["one"])
    if spoil:
        flip(Path(known.path, spoil))
    again = publish(root, live=False, candidate=True, origin="b")
    assert (again.digest, again.manifest["origin"], again.manifest["rows"]) == (known.digest, "a", ["one"])
    registry.withdraw(root, again)
    assert registry.resolve(root, "toy@live").digest == known.digest
    assert [m["digest"] for m, _ in registry.listed(root)] == [known.digest]


def test_a_candidate_is_gone_once_it_is_refused_and_listed_once_it_is_published(root):
    other = publish(root, 2.0, live=False, candidate=True)
    assert list(registry.listed(root)) == []
    registry.withdraw(root, other)
    assert not Path(other.path).exists()
    publish(root, 3.0, live=False, candidate=True)
    published = publish(root, 3.0)
    assert [m["digest"] for m, _ in registry.listed(root)] == [published.digest]


def test_a_run_replaces_no_model_that_came_after_it_had_looked(root):
    """A gate has compared with the one that was live; an older run must not replace a newer model."""
    first, mine, other = publish(root), publish(root, 2.0, live=False), publish(root, 3.0, live=False)
    with live.watched():
        assert registry.find_live(root, "toy") == first
        registry.point(root, mine)
        registry.point(root, other)  # its own
        assert registry.find_live(root, "toy") == other
    with live.watched():
        assert registry.live_with_origin(root, "toy", "x") is None and registry.find_live(root, "new") is None
        other_run = threading.Thread(target=registry.point, args=(root, first))
        other_run.start()
        other_run.join()
        with pytest.raises(Stopped, match="another run has published toy"):
            registry.point(root, mine)
        registry.point(root, first)  # the same as the other run's
        assert registry.publish(root, "new", builder(), live=True) == registry.find_live(root, "new")
    assert registry.find_live(root, "toy") == first


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "part/vocab.txt", "manifest.json"])
def test_damage_is_named_in_one_line_and_repaired_by_publishing_again(root, damage, name):
    model = publish(root)
    damage(Path(model.path, name))
    for reference in ("toy@live", model.reference):
        with pytest.raises(ModelError) as error:
            registry.resolve(root, reference)
        assert name in str(error.value)
        assert "toy@" in str(error.value)
        assert "\n" not in str(error.value)
    assert publish(root).digest == model.digest
    registry.resolve(root, "toy@live")
    assert [p.name for p in Path(root, "toy").iterdir() if p.name.startswith(".")] == []


def test_a_manifest_that_was_edited_is_found_out(root):
    model = publish(root)
    save_file({"w": np.zeros(100, np.float32)}, Path(model.path, "model.safetensors"))
    path = Path(model.path, "manifest.json")
    tree = json.loads(path.read_text())
    tree["files"] = folders.contents(Path(model.path))
    path.write_text(json.dumps(tree))
    with pytest.raises(ModelError, match=r"manifest\.json contradicts itself"):
        registry.resolve(root, "toy@live")
    tree["digest"] = folders.digest(tree["files"])
    path.write_text(json.dumps(tree))
    with pytest.raises(ModelError, match="damaged"):
        registry.resolve(root, "toy@live")


def test_a_build_that_fails_leaves_nothing_behind(root):
    model = publish(root)

    def fails(folder):
        builder(3.0)(folder)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        registry.publish(root, "toy", fails)
    with pytest.raises(ModelError, match="nothing was built"):
        registry.publish(root, "toy", lambda folder: None)
    assert registry.resolve(root, "toy@live") == model
    assert len(list(Path(root, "toy").iterdir())) == 2


@pytest.mark.parametrize(
    "name",
    ["a.bin", "a.pt", "a.pkl", "A.PT", "deep/er/a.pkl", "a.py", "a.so", "a.gguf", "a", "a.json.exe", "LICENSE.sh"],
)
def test_only_known_kinds_of_file_are_taken(root, tmp_path, name):
    def with_pickle(folder):
        builder()(folder)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\x80\x04.")

    with pytest.raises(ModelError, match=name):
        registry.publish(root, "toy", with_pickle)
    (tmp_path / "plain").mkdir()
    with_pickle(tmp_path / "plain")
    with pytest.raises(ModelError, match=name):
        registry.resolve(root, str(tmp_path / "plain"))
    model = publish(root)
    Path(model.path, name).parent.mkdir(parents=True, exist_ok=True)
    Path(model.path, name).write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match=name):
        registry.resolve(root, "toy@live")


def test_a_reader_always_finds_one_model_or_the_other(root):
    models = [publish(root), publish(root, 2.0)]
    stop, seen = threading.Event(), []

    def read():
        while not stop.is_set():
            seen.append(registry.resolve(root, "toy@live").digest)

    thread = threading.Thread(target=read)
    thread.start()
    for i in range(300):
        registry.point(root, models[i % 2])
    stop.set()
    thread.join()
    assert set(seen) <= {m.digest for m in models}
    assert len(seen) > 1


@pytest.mark.slow
def test_processes_that_publish_the_same_model_at_once_all_succeed(root):
    code = (
        "import sys\nfrom shopbatch.models import registry\n"
        "def build(folder):\n    (folder / 'vocab.txt').write_bytes(bytes(5_000_000))\n"
        "print(registry.publish(sys.argv[1], 'toy', build).digest)\n"
    )
    command = [sys.executable, "-c", code, root]
    all_of_them = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {p.communicate(timeout=60)[0].strip() for p in all_of_them}
    assert [p.returncode for p in all_of_them] == [0, 0, 0]
    assert answers == {registry.resolve(root, "toy@live").digest}
    assert len(list(Path(root, "toy").iterdir())) == 2


@pytest.mark.parametrize(
    ("reference", "named"),
    [
        ("tony@live", "there: toy"),
        ("tony@123456", "there are: toy"),
        ("toy@ffffff", "no model toy@ffffff"),
        ("toy@", "no model toy@"),
        ("toy", "name@live"),
        ("../toy@live", "no such folder"),
        ("/nowhere/model", "no such folder"),
        ("", "no model is named"),
    ],
)
def test_a_reference_to_nothing_says_what_there_is(root, reference, named):
    publish(root)
    with pytest.raises(UserError) as error:
        registry.resolve(root, reference)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_names_that_could_leave_the_registry_are_refused(root):
    for name in ("../toy", "/toy", "", "toy/x", ".toy"):
        with pytest.raises(ModelError, match="model name"):
            registry.publish(root, name, builder())


def test_a_plain_folder_has_the_digest_of_what_makes_the_model(root, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    with pytest.raises(ModelError, match="no safetensors"):
        registry.resolve(root, str(folder))
    builder()(folder)
    model = registry.resolve(root, str(folder))
    assert model.digest == publish(root).digest
    (folder / "README.md").write_text("words")
    (folder / "openvino-abc").mkdir()
    (folder / "openvino-abc" / "model.xml").write_text("derived")
    assert registry.resolve(root, str(folder)).digest == model.digest
    flip(folder / "part" / "vocab.txt")
    assert registry.resolve(root, str(folder)).digest != model.digest


def test_a_base_from_elsewhere_is_kept_but_never_live(root, tmp_path):
    """Its folder has the name of a model that is live here: no gate has seen it."""
    live = publish(root)
    folder = tmp_path / "toy"
    folder.mkdir()
    builder(2.0)(folder)
    found = registry.base(root, str(folder))
    assert found.reference.startswith("toy@") and found.digest != live.digest
    assert registry.resolve(root, found.reference).digest == found.digest
    assert registry.resolve(root, "toy@live").digest == live.digest


def test_a_base_of_another_registry_is_kept_under_its_name(root, tmp_path):
    other = publish(str(tmp_path / "other"), licence="MIT")
    found = registry.base(root, other.path)
    assert found.reference == other.reference and found.manifest["licence"] == "MIT"
    shutil.rmtree(tmp_path / "other")
    assert registry.resolve(root, found.reference).digest == other.digest
    assert registry.base(root, found.reference) == found


def test_the_same_model_of_another_origin_is_known_by_that(root):
    first = publish(root, origin="A", metrics={"accuracy": 0.5})
    again = publish(root, origin="B", metrics={"accuracy": 0.7})
    assert again.digest == first.digest and registry.resolve(root, "toy@live").manifest == again.manifest
    assert again.manifest["origin"] == "B" and again.manifest["metrics"] == {"accuracy": 0.7}
    assert registry.live_with_origin(root, "toy", "B") == again
    assert registry.live_with_origin(root, "toy", "A") is None
    assert registry.live_with_origin(root, "tony", "B") is None


def test_a_published_folder_that_was_copied_is_still_verified(root, tmp_path):
    model = publish(root)
    copy = tmp_path / "copy"
    pafs.copy_files(model.path, str(copy))
    assert registry.resolve(root, str(copy)).digest == model.digest
    flip(copy / "model.safetensors")
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        registry.resolve(root, str(copy))


def test_a_hub_id_is_pinned_to_its_commit_and_brings_no_pickle(root, tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def snapshot_download(repo, revision, allow_patterns):
        asked.append((repo, revision, allow_patterns))
        folder = tmp_path / "snapshots" / "c0ffee"
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "config.json").exists():
            builder()(folder)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    model = registry.resolve(root, "owner/some.Model")
    assert model.path == "hf://owner/some.Model@c0ffee"
    assert folders.local(model.path) == tmp_path / "snapshots" / "c0ffee"
    assert [a[:2] for a in asked] == [("owner/some.Model", None), ("owner/some.Model", "c0ffee")]
    assert not any(p.endswith((".bin", ".pt", "*")) for p in asked[0][2])

    def offline(*_, **__):
        raise huggingface_hub.errors.LocalEntryNotFoundError("no network\nhere")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(ModelError, match="owner/name: not a folder, and the hub does not give it"):
        registry.resolve(root, "owner/name")


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """An object store: a file system that is not this machine's own."""
    (tmp_path / "bucket").mkdir()
    own = files.filesystem

    def filesystem(uri):
        if uri.startswith("s3://"):
            return pafs.SubTreeFileSystem(str(tmp_path / "bucket"), pafs.LocalFileSystem()), uri.removeprefix("s3://")
        return own(uri)

    monkeypatch.setattr(files, "filesystem", filesystem)
    monkeypatch.setattr(files, "write_bytes", lambda uri, data: write_stream(*filesystem(uri), data))
    monkeypatch.setenv("SHOPBATCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "bucket"


def write_stream(fs, path, data):
    fs.create_dir(path.rpartition("/")[0], recursive=True)
    with fs.open_output_stream(path) as out:
        out.write(data)


def test_models_in_an_object_store_come_to_the_workers_cache(bucket, tmp_path):
    root = "s3://shop/_models"
    model = publish(root)
    assert publish(root) == model
    assert model.path == f"{root}/toy/{model.digest[:12]}"
    assert registry.resolve(root, "toy@live") == model
    here = folders.local(model.path)
    assert here.is_relative_to(tmp_path / "cache")
    assert folders.digest(folders.contents(here)) == model.digest
    flip(here / "model.safetensors")
    assert folders.digest(folders.contents(folders.local(model.path))) == model.digest
    stored = bucket / "shop" / "_models" / "toy" / model.digest[:12]
    flip(here / "model.safetensors")
    flip(stored / "model.safetensors")
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        folders.local(model.path)
    (stored / "manifest.json").unlink()
    with pytest.raises(ModelError, match=r"manifest\.json"):
        registry.resolve(root, "toy@live")


def test_a_model_from_an_object_store_can_be_named_by_its_uri(bucket):
    model = publish("s3://shop/_models")
    assert registry.resolve("/nowhere", model.path).digest == model.digest


def test_a_damaged_live_model_is_named_and_no_older_one_takes_its_place(root, tmp_path):
    old, live = publish(root), publish(root, 2.0)
    flip(Path(live.path, "model.safetensors"))
    for way in (
        lambda: registry.find_live(root, "toy"),
        lambda: registry.base(root, "toy@live"),
        lambda: registry.copy_live(str(tmp_path / "copy"), root),
    ):
        with pytest.raises(ModelError, match=rf"toy@{live.digest[:12]} is damaged: model\.safetensors"):
            way()
    assert registry.live_with_origin(root, "toy", "A") is None  # its job makes it again
    assert registry.find(root, old.reference) == old
    assert list(Path(tmp_path / "copy").rglob("manifest.json")) == []
    assert registry.find_live(root, "tony") is None


def test_a_packaged_model_is_built_again_unless_the_package_makes_another_one(root, monkeypatch):
    from shopbatch.models import e5_small

    monkeypatch.setattr(e5_small, "build", builder(1.0))
    model = registry.base(root, e5_small.NAME)
    flip(Path(model.path, "model.safetensors"))
    assert registry.base(root, e5_small.NAME) == model
    flip(Path(model.path, "model.safetensors"))
    monkeypatch.setattr(e5_small, "build", builder(2.0))
    with pytest.raises(ModelError, match=r"damaged.*makes another model"):
        registry.base(root, e5_small.NAME)
    with pytest.raises(ModelError, match="damaged"):
        registry.find(root, "e5-small@live")


def test_a_model_under_the_name_of_another_one_is_damaged(root):
    model = publish(root)
    shutil.copytree(Path(root, "toy"), Path(root, "other"))
    with pytest.raises(ModelError, match=rf"belongs to toy@{model.digest[:12]}"):
        registry.resolve(root, "other@live")
