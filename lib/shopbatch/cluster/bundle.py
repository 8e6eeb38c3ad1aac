"""Builds the bundle of files that is sent to a cluster with a job: code, conf and the lock file, and nothing else.

The nodes run the code of the bundle, whatever version their image contains, with the libraries of the image. When the
job starts, these libraries are compared with the lock file (see `runs.environment`).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from hashlib import sha256
from pathlib import Path

import yaml

import shopbatch
from shopbatch.core import config
from shopbatch.core.errors import UserError
from shopbatch.core.inside import inside
from shopbatch.core.privacy import find_secrets, redact_config
from shopbatch.core.yaml_values import NotPlain, parse_yaml

MAX_BYTES = 20 * 2**20
LOCK = "requirements.lock"
OVERLAY = "overlay.yaml"
_PATTERNS = {"jobs": ("*.py",), "conf": ("*.yaml", "*.yml", "*.md", "*.txt", "*.json", "*.jinja")}
_SECRET_FILE = re.compile(
    r"(?i)\.env(\..*)?|.*\.(pem|key|p12|pfx|jks|keytab)|id_(rsa|dsa|ecdsa|ed25519)|\.?netrc|credentials"
)


def build(folder: Path, overlay: str | None = None, named: Collection[Path] = ()) -> str:
    """Copy the files of the bundle into a folder, after checking them for secrets.

    The bundle contains jobs/ and conf/ of the project, the package as `shopbatch/` with the packaged project, the lock
    file, and the overlay as `overlay.yaml`.

    Args:
        folder: Where to copy the files.
        overlay: Path of the YAML file that takes precedence over conf/; None for no such file.
        named: Files that the configuration refers to. They are only checked: each must be part of the bundle.

    Returns:
        The SHA-256 digest over the names and contents of all files, as hex digits.

    Raises:
        UserError: A file holds a secret (the message has file and line, never the secret), a named file is not part of
            the bundle, or the bundle is larger than MAX_BYTES.
    """
    files = sorted(_files(overlay), key=lambda pair: pair[1])
    total, content_digest, bundled = 0, sha256(), {source.resolve() for source, _ in files}
    for path in named:
        if path.resolve() not in bundled:
            raise UserError(f"{path}: the configuration names it, and only files of conf/ travel; move it there")
    for source, name in files:
        data = source.read_bytes()
        # words in the package's data files, such as an intent named "password", announce no secret
        refuse_secrets(source, data, True if name == OVERLAY else False if name.startswith("shopbatch/") else None)
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        total += len(data)
        content_digest.update(f"{name}\0{len(data)}\0".encode() + data)
    if total > MAX_BYTES:
        limit = f"at most {MAX_BYTES:,} may travel; move large files elsewhere"
        raise UserError(f"{config.root()}: jobs, conf and code have {total:,} bytes, {limit}")
    return content_digest.hexdigest()


def refuse_secrets(path: Path, data: bytes, is_config: bool | None = None) -> None:
    """Check that a file of the bundle holds no secret.

    Args:
        path: The file's path; its name alone may show that it holds secrets.
        data: The file's content.
        is_config: Whether it is a configuration in YAML, whose keys may announce secrets; None to decide by its name.

    Raises:
        UserError: The name of the file is that of a file for secrets (`.env`, `id_rsa`), or its content holds a secret.
    """
    if _SECRET_FILE.fullmatch(path.name):
        raise UserError(f"{path}: a file of that name holds secrets and may not travel; move it out of the project")
    text = data.decode("utf-8", "replace")
    is_config = path.suffix in (".yaml", ".yml", ".json") if is_config is None else is_config
    instead = "name a variable of the nodes' environment instead"
    for number, what in find_secrets(text, yaml=is_config):
        raise UserError(f"{path}: line {number} holds a secret ({what}); {instead}")
    try:
        tree = parse_yaml(text) if is_config else None
    except NotPlain as error:
        raise UserError(f"{path}: it cannot be searched for secrets: {error.problem}; write its values out") from None
    except (yaml.YAMLError, ValueError):  # reported when the configuration is loaded
        tree = None
    if redact_config(tree) != tree:
        raise UserError(f"{path}: the name of a key shows that it holds a secret; {instead}")


def override_holds_secret(item: str) -> bool:
    """Return True if an override `key.path=value` holds a secret.

    Raises:
        UserError: The item is not an override.
    """
    tree = config.override(item)
    return bool(redact_config(tree) != tree)


def lock_digest() -> str | None:
    """Return the SHA-256 digest of the lock file as hex digits; None if the project has no lock file."""
    path = config.root() / LOCK
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _files(overlay: str | None) -> Iterator[tuple[Path, str]]:
    """Yield each file of the bundle with its name in the bundle.

    Raises:
        UserError: jobs/ or conf/ contains a file for secrets.
    """
    root = config.root()
    yield from _project_files(root, "")
    package = Path(shopbatch.__file__).parent
    packaged = config.packaged()
    if not packaged.is_relative_to(package) and packaged != root.resolve():
        yield from _project_files(packaged, "shopbatch/_project/")  # its place in the installed package
    for path in package.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path, f"shopbatch/{path.relative_to(package).as_posix()}"
    if (root / LOCK).is_file():
        yield root / LOCK, LOCK
    if overlay is not None:
        yield config.overlay_file(overlay), OVERLAY


def _project_files(root: Path, prefix: str) -> Iterator[tuple[Path, str]]:
    """Yield each file of jobs/ and conf/ in a project folder with its name in the bundle.

    Args:
        root: The project folder.
        prefix: Start of the names in the bundle.
    """
    for folder, patterns in _PATTERNS.items():
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                if _SECRET_FILE.fullmatch(path.name):
                    refuse_secrets(path, b"")
                if any(path.match(p) for p in patterns):
                    name = path.relative_to(root).as_posix()
                    yield inside(root, name, f"project {root}", store=root.resolve()), prefix + name
