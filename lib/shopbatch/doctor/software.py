"""Checks the software of this machine: Python, the locked libraries, Java."""

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
    """Check the version of Python.

    Args:
        here: The version, such as 3.11.7.
        supported: A version specifier such as >=3.11,<3.13; None if the package is not installed.
    """
    from packaging.specifiers import SpecifierSet

    if supported is None or SpecifierSet(supported).contains(here):
        return []
    what = f"this is Python {here}, shopbatch runs on {supported}"
    why = "the locked libraries have no builds for it, and nodes with another Python may not read what it pickles"
    return [error("python", what, why, "make PYTHON=python3.11 install")]


def supported_python() -> str | None:
    """Return the versions of Python that the installed package supports, None if it is not installed."""
    try:
        package = metadata.metadata("shopbatch")
    except metadata.PackageNotFoundError:
        return None
    return str(package["Requires-Python"]) if "Requires-Python" in package else None


def python_here() -> str:
    """Return the version of this Python, such as 3.11.7."""
    return ".".join(str(part) for part in sys.version_info[:3])


def judge_libraries(lock: Path) -> list[Finding]:
    """Compare the installed packages that affect a result or a file with the lock file."""
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
    """Check that there is a Java that Spark supports, where a session would look for it."""
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
