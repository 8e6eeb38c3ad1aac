"""Checks every file of a model folder before anything loads it, so that a hostile folder can do no harm.

Nothing in the folder is run. Sizes, depths and structures have limits that no real model reaches, so the result does
not depend on the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from shopbatch.models import json_files
from shopbatch.models.errors import ModelError
from shopbatch.models.listing import is_digested, listed
from shopbatch.models.shapes import check_ids, check_sizes, tensor_shapes
from shopbatch.models.tokenizer_files import check_tokenizer, check_tokenizer_config

MOST_TEMPLATE = 128 << 10  # maximum bytes of a chat template
_WORD_LISTS = ("tokenizer.json", "vocab.json", "added_tokens.json")  # may be large, and have words as keys
# transformers would fetch any other name from the hub, as compiled code
_ATTENTION = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
_CODE = ("auto_map", "custom_pipelines", "trust_remote_code", "custom_generate")
_ADAPTER = "adapter_config.json"
State = tuple[str, int, int, int, int]  # name, size, mtime and ctime in ns, inode


def screen(folder: Path) -> None:
    """Check every file of a model folder; a folder that did not change since the last call is not read again.

    Args:
        folder: The model folder on this machine.

    Raises:
        ModelError: Names the first file that a model should not contain, in one line.
    """
    states = []
    for name, path in listed(folder).items():
        if is_digested(name):
            stat = path.stat()
            states.append((name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))
    _screen(folder.absolute(), tuple(states))


@lru_cache(maxsize=16)
def _screen(folder: Path, states: tuple[State, ...]) -> None:
    """Check the listed files of a model folder; the last 16 folders that passed are cached.

    Args:
        folder: The model folder on this machine.
        states: Name, size, times and inode of each file. If one of them differs from the cached call, the folder is
            checked again.
    """
    shapes: list[tuple[int, ...]] = []
    for name, size, *_ in states:
        path, what = folder / name, f"model {folder}: {name}"
        kind = PurePosixPath(name).suffix
        if kind == ".safetensors":
            shapes += tensor_shapes(path, what).values()
        elif kind == ".json":
            _check_json(folder, name)
        elif size > (MOST_TEMPLATE if kind == ".jinja" else json_files.LARGE):
            raise ModelError(f"{what} has {size:,} bytes: not what a model needs")
        elif kind == ".jinja":
            _check_template(path.read_bytes(), what)
    if "config.json" in {name for name, *_ in states}:
        config = json_files.read(folder / "config.json", f"model {folder}: config.json")
        check_sizes(config, shapes, f"model {folder}: config.json")


def _check_json(folder: Path, name: str) -> None:
    """Check a JSON file of a model folder: size, requests for code, tokenizer steps, chat templates, weight files."""
    what, base = f"model {folder}: {name}", PurePosixPath(name).name
    words = base in _WORD_LISTS
    tree = json_files.read(folder / name, what, json_files.LARGE if words else json_files.SMALL)
    if base == "tokenizer.json":
        check_tokenizer(tree, what)
    if words:
        return
    if base in ("config.json", "tokenizer_config.json", "generation_config.json") and not isinstance(tree, Mapping):
        raise ModelError(f"{what} cannot be read: it is not an object")
    if base == _ADAPTER:
        raise ModelError(f"{what}: adapters name a base outside the model; merge them into its weights")
    _refuse_code(folder, tree, what)
    if base in ("config.json", "generation_config.json"):
        check_ids(tree, what)
    if base == "tokenizer_config.json":
        check_tokenizer_config(tree, what)
        stated = tree.get("chat_template")
        for each in stated if isinstance(stated, list) else [stated]:
            source = each.get("template") if isinstance(each, Mapping) else each
            if source is not None:
                _check_template(str(source).encode("utf-8", "replace"), what)
    # an index of pickles, which a hub folder may also have, is never read
    is_index = base.endswith(".safetensors.index.json") and isinstance(tree, Mapping)
    if is_index and isinstance(shards := tree.get("weight_map"), Mapping):
        _check_shards(folder, PurePosixPath(name).parent, shards.values(), what)


def _check_template(source: bytes, what: str) -> None:
    """Raise ModelError if a chat template is too large or hostile (see `chat_templates.check`)."""
    from shopbatch.models.chat_templates import check

    if len(source) > MOST_TEMPLATE:
        raise ModelError(f"{what}: its chat template has more than {MOST_TEMPLATE:,} bytes")
    check(source.decode("utf-8", "replace"), what)


def _check_shards(folder: Path, parent: PurePosixPath, names: Iterable[Any], what: str) -> None:
    """Check that all files that a configuration names exist in the model folder.

    Args:
        folder: The model folder.
        parent: Folder, relative to it, in which the names are looked up.
        names: The names.
        what: Name of the configuration in the error message.

    Raises:
        ModelError: A file is not in the folder.
    """
    there = listed(folder)
    for name in dict.fromkeys(map(str, names)):
        if "/".join([*parent.parts, name]) not in there:
            raise ModelError(f"{what} names {name[:100]!r}, which is not in the folder")


def _refuse_code(folder: Path, tree: Any, what: str) -> None:
    """Raise ModelError if a configuration asks, at any depth, for custom code or for weights from elsewhere."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        if not isinstance(node, Mapping):
            continue
        for key, value in node.items():
            if key in _CODE and value:
                raise ModelError(f"{what}: {key} asks for code of the model's own, which is never run; remove this key")
            if "attn_implementation" in key or "experts_implementation" in key:
                asked = value.values() if isinstance(value, Mapping) else [value]
                if other := [a for a in asked if a is not None and a not in _ATTENTION]:
                    raise ModelError(
                        f"{what}: {key}={str(other[0])[:60]!r} is code from elsewhere, which is never run; "
                        f"expected {', '.join(_ATTENTION)}"
                    )
            if key == "transformers_weights" and value:
                _check_shards(folder, PurePosixPath(), [value], what)
            if key == "kernel_config" and value:
                raise ModelError(f"{what}: {key} asks for code from elsewhere, which is never run; remove this key")
        waiting += node.values()
