"""Whatever names a file says: nothing outside its folder is written, read or shown, and the answer is one line."""

from __future__ import annotations

import json
import os
import socket
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.capabilities.sentiment.model import sentiment
from shopbatch.cli import main as cli
from shopbatch.cluster import bundle
from shopbatch.core.errors import UserError
from shopbatch.core.inside import inside, relative_name
from shopbatch.load.archives import unpacked
from shopbatch.models import erasure, registry
from shopbatch.models.erasure_key import KEY
from shopbatch.models.folder import contents, digest
from shopbatch.models.loading import load_tokenizer
from shopbatch.training.checkpoint_files import marker_text, read_whole
from shopbatch.warehouse.candidates import candidate_of
from shopbatch.warehouse.store import Store

pytestmark = pytest.mark.timeout(60)  # a pipe that is opened waits for ever
CANARY = "canary-5e1d"
NAMES = ["../outside/canary.json", "/etc/passwd", "part/../../../outside/canary.json", "..\\outside\\canary.json",
         "a\\b.json", "a\0.json", "a\n.json", "..", ".", "", "part//a.json", "./a.json", "C:/a.json", "file:a.json",
         "\u202enosj.a", "x" * 2000]  # fmt: skip
Attack = Callable[["Place"], object]


class Place:
    """A warehouse with a model, and beside it what must stay as it is: a model too, whose files hold a canary."""

    def __init__(self, root: Path) -> None:
        self.root, self.outside = root, root / "outside"
        self.store = Store(str(root / "warehouse"))
        self.models = f"{self.store.root}/_models"
        for folder in (self.outside, root / "folder"):
            self.fill(folder)
        (self.outside / "canary.json").write_text(f'{{"digest": "{CANARY}"}}')
        self.model = Path(registry.publish(self.models, "toy", self.fill).path)

    @staticmethod
    def fill(folder: Path) -> None:
        (folder / "part").mkdir(parents=True, exist_ok=True)
        save_file({"w": np.zeros(3, np.float32)}, folder / "model.safetensors")
        for name in ("config.json", "part/a.json"):
            (folder / name).write_text('{"a": 1}')

    @property
    def folder(self) -> Path:
        return self.root / "folder"

    def resolve(self) -> object:
        return registry.resolve(self.models, "toy@live")

    def copy(self) -> object:
        return registry.base(self.models, str(self.folder))

    def replace(self, path: Path, make: Callable[[Path], object]) -> None:
        """Put something else where a file or folder was."""
        path.rename(self.root / f"was-{path.name}")
        make(path)

    def everything_else(self) -> dict[str, bytes | None]:
        """What is outside the warehouse and the model's folder."""
        others = [p for p in self.root.rglob("*") if p.parts[len(self.root.parts)] not in ("warehouse", "folder")]
        return {str(p): p.read_bytes() if p.is_file() else None for p in others if "was-" not in str(p)}


def manifest(name: str) -> Attack:
    def attack(place: Place) -> object:
        tree = json.loads((place.model / "manifest.json").read_text())
        tree["files"][name] = tree["files"]["config.json"]
        tree["digest"] = digest(tree["files"])
        (place.folder / "manifest.json").write_text(json.dumps(tree))
        place.model.with_name(tree["digest"][:12]).symlink_to(place.outside)
        return place.copy()

    return attack


def index(name: str) -> Attack:
    def attack(place: Place) -> object:
        (place.folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": name}}))
        return place.copy()

    return attack


def checkpoint(name: str) -> Attack:
    def attack(place: Place) -> object:
        entry = {"size": 24, "xxh128": "0"}
        (place.folder / "checkpoint.json").write_bytes(marker_text({"key": "k", "state": {}, "files": {name: entry}}))
        return read_whole(str(place.folder))

    return attack


def archive(name: str) -> Attack:
    def attack(place: Place) -> object:
        path = place.folder / "a.zip"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a.csv", "text")
            file.writestr(name, CANARY)
        with unpacked(path) as folder:
            return list(folder.iterdir())

    return attack


def reference(name: str) -> Attack:
    return lambda place: registry.resolve(place.models, name)


def model_name(name: str) -> Attack:
    return lambda place: registry.publish(place.models, name, place.fill)


def table(name: str) -> Attack:
    return lambda place: place.store.snapshot(name)


def run_id(name: str) -> Attack:
    return lambda place: candidate_of(place.store, "review_sentiment", name)


def encoder(name: str) -> Attack:
    def attack(place: Place) -> object:
        SentimentHead(("en",), np.zeros((1, 4, 3)), np.zeros((1, 3)), np.ones(1), name).save(place.folder)
        return sentiment(place.store.root, str(place.folder), "torch")

    return attack


def tokenizer(key: str, value: object) -> Attack:
    def attack(place: Place) -> object:
        (place.folder / "tokenizer_config.json").write_text(json.dumps({key: value}))
        return load_tokenizer(place.folder)

    return attack


def link(path: str, target: str) -> Attack:
    """A link in the folder of a model, or in the registry."""

    def attack(place: Place) -> object:
        where = place.folder / path
        place.replace(where, lambda p: p.symlink_to(place.outside / target))
        return place.copy()

    return attack


def in_registry(path: str, make: Callable[[Path, Path], object], read: Attack = Place.resolve) -> Attack:
    def attack(place: Place) -> object:
        where = Path(place.models, path.replace("VERSION", place.model.name))
        erasure.record(place.store, ["a"])
        registry.describe(place.models, registry.find(place.models, "toy@live"), **erasure.record(place.store, ["a"]))
        place.replace(where, lambda p: make(p, place.outside))
        return read(place)

    return attack


def pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def listen(path: Path, _: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the whole path may be longer than the name of a socket
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


def to_outside(path: Path, outside: Path) -> None:
    path.symlink_to(outside / ("part" if "." not in path.name else "canary.json"))


def ask(place: Place) -> object:
    return erasure.trained_on(place.store, "support_dialogs", "d-1", {})


def in_folder(path: str, make: Callable[[Path, Path], object]) -> Attack:
    def attack(place: Place) -> object:
        place.replace(place.folder / path, lambda p: make(p, place.outside))
        return place.copy()

    return attack


def bundled(place: Place) -> object:
    (place.root / "project" / "conf" / "more.yaml").symlink_to(place.outside / "canary.json")
    return bundle.build(place.folder / "sent")


ATTACKS: dict[str, Attack] = {
    **{f"manifest {name[:20]!a}": manifest(name) for name in NAMES},
    **{f"index {name[:20]!a}": index(name) for name in NAMES},
    **{f"checkpoint {name[:20]!a}": checkpoint(name) for name in NAMES},
    **{f"model {name[:20]!a}": model_name(name) for name in NAMES},
    **{f"table {name[:20]!a}": table(name) for name in NAMES},
    **{f"run {name[:20]!a}": run_id(name) for name in NAMES if name.isprintable()},
    **{f"head's encoder {name[:20]!a}": encoder(name) for name in [*NAMES, "owner/name", "../outside@live"]},
    **{f"archive {name[:20]!a}": archive(name) for name in NAMES[:4]},
    **{
        f"reference {name[:20]!a}": reference(name)
        for name in [
            "../outside@live",
            "toy@../../outside",
            "~nobody-5e1d/x",
            "x" * 5000,
            "toy@live\0",
            "toy\n@live",
            "foo://x/y",
        ]
    },
    "vocabulary elsewhere": tokenizer("vocab_file", "/etc/passwd"),
    "tokenizer elsewhere": tokenizer("tokenizer_file", "../outside/canary.json"),
    "tokenizers elsewhere": tokenizer("fast_tokenizer_files", ["tokenizer.1.json", "../outside/canary.json"]),
    "arguments of the tokenizer": tokenizer("init_inputs", ["/etc/passwd"]),
    "link to a file": link("config.json", "canary.json"),
    "link to weights": link("model.safetensors", "model.safetensors"),
    "link to a folder": link("part", "part"),
    "link to nothing": link("config.json", "nothing.json"),
    "linked version": in_registry("toy/VERSION", to_outside),
    "linked model": in_registry("toy", to_outside),
    "linked model to publish in": in_registry("toy", to_outside, lambda p: registry.publish(p.models, "toy", p.fill)),
    "linked registry": in_registry("", to_outside),
    "linked manifest": in_registry("toy/VERSION/manifest.json", to_outside),
    "linked live.json": in_registry("toy/live.json", to_outside),
    "linked key": in_registry("erasure.key", to_outside, ask),
    "pipe as a manifest": in_registry("toy/VERSION/manifest.json", pipe),
    "pipe as weights": in_registry("toy/VERSION/model.safetensors", pipe),
    "pipe as live.json": in_registry("toy/live.json", pipe),
    "pipe as a key": in_registry("erasure.key", pipe, ask),
    "pipe in a folder": in_folder("config.json", pipe),
    "socket in a folder": in_folder("config.json", listen),
    "folder as a configuration": in_folder("config.json", lambda path, _: path.mkdir()),
    "link in the bundle": bundled,
}


@pytest.fixture(scope="module")
def count() -> Iterator[None]:
    yield
    assert len(ATTACKS) >= 50


@pytest.fixture
def place(project: Path, tmp_path: Path, count: None) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_nothing_outside_is_touched(place: Place, attack: Attack, capfd: pytest.CaptureFixture[str]) -> None:
    before = place.everything_else()
    shown = ""
    try:
        shown = repr(attack(place))
        assert "folder as a configuration" in os.environ["PYTEST_CURRENT_TEST"], f"taken: {shown}"
    except UserError as error:
        shown = str(error)
        assert shown and "\n" not in shown and shown.isprintable()
    after = place.everything_else()
    assert {name: data for name, data in after.items() if name in before} == before
    assert all("project/conf" in name or "sent" in name for name in after.keys() - before.keys())
    inside_now = [p for top in ("warehouse", "folder") for p in (place.root / top).rglob("*")]
    held = b"".join(p.read_bytes() for p in inside_now if p.is_file() and not p.is_symlink() and p.suffix != ".zip")
    assert CANARY not in shown + "".join(capfd.readouterr()) and CANARY.encode() not in held


def test_the_command_line_answers_in_one_line(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["tables", "../../outside"],
        ["show", "../outside", "-n", "1"],
        ["show", "review_sentiment", "--candidate", "../../outside"],
        ["why", "../outside", "x"],
        ["models", "--trained-on", "../outside", "x"],
        ["run", "train_sentiment_head", "encoder=../outside@live"],
        ["init", "--models-from", str(place.outside)],
        ["report", "../outside"],
        ["config", "../outside"],
    ):
        assert cli.main(words) == 2, words
        told = capsys.readouterr()
        lines = [line for line in told.err.splitlines() if line.startswith("shopbatch:")]
        assert len(lines) == 1 and "Traceback" not in told.err and CANARY not in told.out + told.err, words


def test_ordinary_names_are_taken(tmp_path: Path) -> None:
    for name in ("a.json", "part/a b.json", "模型/名.json", "a..b/c", "...", "a/.b"):
        assert relative_name(name, "x") == name
        assert inside(tmp_path, name, "x") == tmp_path / name


def test_a_snapshot_of_the_hubs_cache_may_link_to_its_own_files_only(tmp_path: Path) -> None:
    """The cache keeps files once, in `blobs`, and a snapshot is links to them."""
    repo = tmp_path / "models--owner--name"
    snapshot = repo / "snapshots" / "c0ffee"
    Place.fill(tmp_path / "files")
    snapshot.mkdir(parents=True)
    (repo / "blobs").mkdir()
    for number, name in enumerate(("config.json", "model.safetensors")):
        (repo / "blobs" / str(number)).write_bytes((tmp_path / "files" / name).read_bytes())
        (snapshot / name).symlink_to(f"../../blobs/{number}")
    assert set(contents(snapshot)) == {"config.json", "model.safetensors"}
    (snapshot / "vocab.txt").symlink_to(tmp_path / "files" / "config.json")
    with pytest.raises(UserError, match=r"vocab\.txt is a link"):
        contents(snapshot)


assert KEY.endswith("erasure.key")  # the name that the attacks on it use
