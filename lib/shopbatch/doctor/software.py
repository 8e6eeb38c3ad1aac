"""Checks the software of this machine: the version of Python, the locked libraries, Java for Spark."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from shopbatch.core.errors import UserError
from shopbatch.doctor.findings import Finding, error, warning
from shopbatch.runs import environment


def judge_python(here: str, supported: str | None) -> list[Finding]:
    """Return an error finding if shopbatch does not support this version of Python; else [].

    Args:
        here: The version in use, such as 3.11.7.
        supported: A version specifier such as >=3.11,<3.13; None (package not installed) gives no finding.
    """
    from packaging.specifiers import SpecifierSet

    if supported is None or SpecifierSet(supported).contains(here):
        return []
    what = f"this is Python {here}, shopbatch runs on {supported}"
    why = "the locked libraries have no builds for it, and nodes with another Python may not read what it pickles"
    return [error("python", what, why, "make PYTHON=python3.11 install")]


def supported_python() -> str | None:
    """Return the version specifier of Python from the installed package's metadata (">=3.11,<3.13").

    None if the package is not installed or states none.
    """
    try:
        package = metadata.metadata("shopbatch")
    except metadata.PackageNotFoundError:
        return None
    return str(package["Requires-Python"]) if "Requires-Python" in package else None


def python_here() -> str:
    """Return the version of the running Python, such as "3.11.7"."""
    return ".".join(str(part) for part in sys.version_info[:3])


def judge_libraries(lock: Path) -> list[Finding]:
    """Return a warning finding if installed packages differ from the lock file; else [].

    Only packages that affect a result or a file are compared. A lock file that cannot be read is a warning, too.

    Args:
        lock: Path of `requirements.lock`.
    """
    try:
        differ = environment.differences(lock)
    except (OSError, ValueError, IndexError) as problem:
        why = "the versions of the libraries cannot be checked"
        return [warning("libraries", f"{lock} cannot be read ({type(problem).__name__})", why, "restore the file")]
    if not differ:
        return []
    why = "only the locked versions are tested, and a submitted run with other versions is refused"
    do = f"pip install --no-deps -r {lock.name}, or write a new lock file"
    return [warning("libraries", f"different from {lock.name}: {', '.join(differ)}", why, do)]


def judge_java() -> list[Finding]:
    """Return an error finding if Spark would find no Java that it supports, or `java -version` does not answer."""
    from shopbatch.core import sessions

    why = "no Spark job starts"
    try:
        with tempfile.TemporaryDirectory(prefix="shopbatch-doctor-") as folder:
            sessions.java_home(Path(folder))
    except UserError as missing:
        seen = os.environ.get("JAVA_HOME") or shutil.which("java")
        what = f"{seen} is not Java {sessions.JAVA} or newer" if seen else "there is no Java"
        return [error("java", what, why, str(missing).rpartition(": ")[2])]
    except subprocess.TimeoutExpired:
        return [error("java", "java -version does not answer", why, "set JAVA_HOME to a Java that runs")]
    return []
