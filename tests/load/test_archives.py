"""Zip files: what is unpacked, what is refused, and that no copy stays behind."""

import errno
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shopbatch.core.errors import Stopped, UserError
from shopbatch.load import archives, bounds
from shopbatch.load.archives import unpacked


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An own folder for temporary files, which is empty after each test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    return tmp_path / "shop.zip"


def write(path: Path, members: dict[str, bytes], mode: int = 0, flags: int = 0) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.filename = name
            member.external_attr = mode << 16
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    if flags:  # in the directory at the end: the module would not write it
        data = bytearray(path.read_bytes())
        data[data.rindex(b"PK\x01\x02") + 8] |= flags
        path.write_bytes(data)


def test_one_file_is_given_itself_and_others_are_left_out(zipped: Path, temporary: Path) -> None:
    write(zipped, {"2024/": b"", "2024/orders.csv": b"id\n1\n", "__MACOSX/2024/._orders.csv": b"x", ".DS_Store": b"x"})
    with unpacked(zipped) as path:
        assert path.read_bytes() == b"id\n1\n"
        assert path.relative_to(temporary).parts[1:] == ("shop.zip", "2024", "orders.csv")


def test_several_files_are_given_as_a_folder(zipped: Path) -> None:
    write(zipped, {"a.csv": b"a", "deep\\er/b.csv": b"b", "./c.csv": b""}, stat.S_IFREG | 0o600)
    with unpacked(zipped) as path:
        assert path.name == "shop.zip"
        files = {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}
    assert files == {"a.csv": b"a", "deep/er/b.csv": b"b", "c.csv": b""}
    assert not path.exists()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (["../x.csv"], "leads out of the archive"),
        (["a/../../x.csv"], "leads out of the archive"),
        (["..\\x.csv"], "leads out of the archive"),
        (["/etc/x.csv"], "leads out of the archive"),
        (["C:\\x.csv"], "leads out of the archive"),
        (["a.csv", "more.ZIP"], "archive inside the archive"),
        (["a.csv", "A.CSV"], "is in it twice"),
        (["a.csv", "a.csv/b.csv"], "cannot be unpacked"),
        (["x" * 300 + ".csv"], "cannot be unpacked"),
        (["folder/", ".hidden"], "holds no files"),
        ([], "holds no files"),
    ],
)
def test_what_must_not_be_unpacked_is_refused(zipped: Path, members: list[str], message: str) -> None:
    write(zipped, dict.fromkeys(members, b"x"))
    with pytest.raises(UserError, match=rf"^[^\n]*shop\.zip: [^\n]*{message}[^\n]*$"), unpacked(zipped):
        pytest.fail("unpacked")


def test_links_and_encrypted_files_are_refused(zipped: Path) -> None:
    write(zipped, {"a.csv": b"/etc/passwd"}, stat.S_IFLNK | 0o777)
    with pytest.raises(UserError, match=r"'a\.csv' is a link"), unpacked(zipped):
        pytest.fail("unpacked")
    write(zipped, {"a.csv": b"x"}, flags=1)
    with pytest.raises(UserError, match=r"'a\.csv' is encrypted"), unpacked(zipped):
        pytest.fail("unpacked")


def test_a_small_file_that_would_fill_the_disk_is_refused(zipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(zipped, {"a.csv": bytes(2**20)})
    with unpacked(zipped) as path:  # one megabyte fills no disk
        assert path.stat().st_size == 2**20
    monkeypatch.setattr(bounds, "LARGE_BYTES", 2**19)
    with pytest.raises(UserError, match=r"bytes would become 1,048,576"), unpacked(zipped):
        pytest.fail("unpacked")


def test_a_file_that_is_larger_than_it_says_is_never_unpacked_further(zipped: Path) -> None:
    write(zipped, {"a.csv": bytes(2**20)})
    data = bytearray(zipped.read_bytes())
    at = data.rindex(b"PK\x01\x02") + 24
    data[at : at + 4] = (1000).to_bytes(4, "little")
    zipped.write_bytes(data)
    with pytest.raises(UserError, match="not a readable zip file"), unpacked(zipped):
        pytest.fail("unpacked")


@pytest.mark.parametrize("content", [b"", b"id,text\n", b"PK\x03\x04 cut"])
def test_what_is_no_zip_file_is_refused(zipped: Path, content: bytes) -> None:
    zipped.write_bytes(content)
    with pytest.raises(UserError, match="not a readable zip file"), unpacked(zipped):
        pytest.fail("unpacked")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, FileNotFoundError])
def test_the_copy_is_removed_whatever_happens(zipped: Path, temporary: Path, error: type[BaseException]) -> None:
    write(zipped, {"a.csv": b"a", "b.csv": b"b"})
    with pytest.raises(error), unpacked(zipped):
        assert len(list(temporary.iterdir())) == 1
        raise error


def test_a_full_disk_stops_the_load(zipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write(zipped, {"a.csv": b"a"})
    monkeypatch.setattr(archives.shutil, "copyfileobj", fail)
    with pytest.raises(Stopped, match="No space left"), unpacked(zipped):
        pytest.fail("unpacked")
