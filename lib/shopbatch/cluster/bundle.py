"""What travels with a job: code, conf and the lock file, and nothing else. Called by `submit.py`.

The nodes run this code, whatever version their image holds; the libraries are the image's, and are held against the
lock file when the job starts (`environment.py`).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import yaml

import shopbatch
from shopbatch.core import config
from shopbatch.core.errors import UserError
from shopbatch.core.privacy import find_secrets, redact_config

MAX_BYTES = 20 * 2**20
LOCK = "requirements.lock"
OVERLAY = "overlay.yaml"
_WHAT = {"jobs": ("*.py",), "conf": ("*.yaml", "*.yml", "*.md", "*.txt", "*.json", "*.jinja")}
_NEVER = re.compile(
    r"(?i)\.env(\..*)?|.*\.(pem|key|p12|pfx|jks|keytab)|id_(rsa|dsa|ecdsa|ed25519)|\.?netrc|credentials"
)


def build(folder: Path, overlay: str | None = None, named: Collection[Path] = ()) -> str:
    """Copy what travels into `folder`; returns its digest (SHA-256 over names and contents).

    jobs/ and conf/ of the project, the package as `shopbatch/`, the lock file, and the overlay as `overlay.yaml`.
    named: files that must be among them. Raises UserError for a secret in it (file and line, never the secret), a
    file that would stay behind, and where it is larger than MAX_BYTES.
    """
    files = sorted(_files(overlay), key=lambda pair: pair[1])
    total, whole, there = 0, sha256(), {source.resolve() for source, _ in files}
    for path in named:
        if path.resolve() not in there:
            raise UserError(f"{path}: the configuration names it, and only files of conf/ travel; move it there")
    for source, name in files:
        data = source.read_bytes()
        refuse_secrets(source, data, keys=name == OVERLAY)
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        total += len(data)
        whole.update(f"{name}\0{len(data)}\0".encode() + data)
    if total > MAX_BYTES:
        raise UserError(f"{config.root()}: jobs, conf and code are {total:,} bytes, more than {MAX_BYTES:,} may travel")
    return whole.hexdigest()


def refuse_secrets(path: Path, data: bytes, keys: bool = False) -> None:
    """UserError if a file is of the kind that holds secrets, or holds one. keys: it is YAML, whatever its name says."""
    if _NEVER.fullmatch(path.name):
        raise UserError(f"{path}: a file of that name holds secrets and may not travel; take it out of the project")
    keys, text = keys or path.suffix in (".yaml", ".yml", ".json"), data.decode("utf-8", "replace")
    instead = "name a variable of the nodes' environment instead"
    for number, what in find_secrets(text, yaml=keys):
        raise UserError(f"{path}: line {number} holds a secret ({what}); {instead}")
    tree = None
    with suppress(yaml.YAMLError, ValueError):  # one that is no YAML is told when it is read
        tree = yaml.safe_load(text) if keys else None
    if redact_config(tree) != tree:
        raise UserError(f"{path}: it holds a secret, by the name of a key; {instead}")


def override_holds_secret(item: str) -> bool:
    """Whether `key.path=value`, its value in YAML, holds a secret. UserError if it is no override."""
    told = config.override(item)
    return bool(redact_config(told) != told)


def lock_digest() -> str | None:
    """SHA-256 of the lock file, None where the project has none."""
    path = config.root() / LOCK
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _files(overlay: str | None) -> Iterator[tuple[Path, str]]:
    root = config.root()
    for folder, patterns in _WHAT.items():
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                if _NEVER.fullmatch(path.name):
                    refuse_secrets(path, b"")
                if any(path.match(p) for p in patterns):
                    yield path, path.relative_to(root).as_posix()
    package = Path(shopbatch.__file__).parent
    for path in package.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path, f"shopbatch/{path.relative_to(package).as_posix()}"
    if (root / LOCK).is_file():
        yield root / LOCK, LOCK
    if overlay is not None:
        yield Path(overlay), OVERLAY
