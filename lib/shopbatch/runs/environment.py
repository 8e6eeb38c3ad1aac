"""Compares the installed libraries with the lock file, since a cluster's image may be older than the code that it runs.

It only reads their package metadata and imports none of them.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

# packages that affect a result, a file, or the communication between driver and nodes
RELEVANT = (
    "ray",
    "pyarrow",
    "deltalake",
    "numpy",
    "pandas",
    "polars",
    "torch",
    "transformers",
    "tokenizers",
    "openvino",
    "openvino-genai",
    "pyspark",
    "xxhash",
)


def locked(lock: Path) -> dict[str, str]:
    """Return the version of each package in a lock file (lines `name==version`), by normalised package name."""
    pins = (line.split("==", 1) for line in lock.read_text("utf-8").splitlines() if "==" in line)
    return {name.strip().lower().replace("_", "-"): version.split()[0].split(";")[0] for name, version in pins}


def installed(name: str) -> str | None:
    """Return the installed version of a package without local part (2.13.0+cpu -> 2.13.0); None if not installed."""
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def differences(lock: Path) -> list[str]:
    """Return the packages whose installed version differs from the lock file: ["pyarrow 25.0.0 (locked: 26.0.1)"].

    Only packages in RELEVANT are compared: those that affect a result, a file, or the communication between driver and
    nodes.
    """
    pins = locked(lock)
    versions = ((name, installed(name), pins[name].partition("+")[0]) for name in RELEVANT if name in pins)
    return [f"{name} {version or 'is missing'} (locked: {pin})" for name, version, pin in versions if version != pin]
