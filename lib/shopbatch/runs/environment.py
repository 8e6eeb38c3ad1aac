"""Whether the libraries here are those of the lock file: a cluster's image grows old while the code moves on.

Called by `job.py` on the cluster and by `shopbatch doctor`. Imports none of the libraries.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

# those that a result, a file, or the talk between driver and nodes depends on
MATTER = (
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
    """Version by package of a lock file (`name==version` lines)."""
    pins = (line.split("==", 1) for line in lock.read_text("utf-8").splitlines() if "==" in line)
    return {name.strip().lower().replace("_", "-"): version.split()[0].split(";")[0] for name, version in pins}


def installed(name: str) -> str | None:
    """The installed version without its local part (2.13.0+cpu is 2.13.0), None where it is not installed."""
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def differences(lock: Path) -> list[str]:
    """What differs here from the lock file, of the packages that matter: `pyarrow 25.0.0 (locked: 26.0.1)`."""
    pins = locked(lock)
    found = ((name, installed(name), pins[name].partition("+")[0]) for name in MATTER if name in pins)
    return [f"{name} {there or 'is missing'} (locked: {pin})" for name, there, pin in found if there != pin]
