"""Looks at every file of a model folder before anything loads it: a hostile folder is refused, and does nothing.

Nothing here runs what the folder holds. Sizes, depths and structures have limits that no model reaches, so the answer
does not depend on the machine.
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

MOST_TEMPLATE = 128 << 10  # bytes of a chat template
_WORD_LISTS = ("tokenizer.json", "vocab.json", "added_tokens.json")  # large, and their keys are words
# whatever else is named would be fetched from the hub as compiled code
_ATTENTION = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
_CODE = ("auto_map", "custom_pipelines", "trust_remote_code", "custom_generate")
_ADAPTER = "adapter_config.json"
State = tuple[str, int, int, int, int]  # name, size, and when and where it was written


def screen(folder: Path) -> None:
    """Check every file of a model folder. A folder that did not change since the last call is not read again.

    Raises:
        ModelError: Names the first file that is not what a model needs, in one line.
    """
    states = []
    for name, path in listed(folder).items():
        if is_digested(name):
            stat = path.stat()
            states.append((name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))
    _screen(folder.absolute(), tuple(states))


@lru_cache(maxsize=16)
def _screen(folder: Path, states: tuple[State, ...]) -> None:
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
    # no other index is ever read: that of pickles, which a hub folder may hold, names files that are not taken
    is_index = base.endswith(".safetensors.index.json") and isinstance(tree, Mapping)
    if is_index and isinstance(shards := tree.get("weight_map"), Mapping):
        _check_shards(folder, PurePosixPath(name).parent, shards.values(), what)


def _check_template(source: bytes, what: str) -> None:
    from shopbatch.models.chat_templates import check

    if len(source) > MOST_TEMPLATE:
        raise ModelError(f"{what}: its chat template has more than {MOST_TEMPLATE:,} bytes")
    check(source.decode("utf-8", "replace"), what)


def _check_shards(folder: Path, parent: PurePosixPath, names: Iterable[Any], what: str) -> None:
    """Check that files that something in `parent` names belong to the model folder."""
    there = listed(folder)
    for name in dict.fromkeys(map(str, names)):
        if "/".join([*parent.parts, name]) not in there:
            raise ModelError(f"{what} names {name[:100]!r}, which is not in the folder")


def _refuse_code(folder: Path, tree: Any, what: str) -> None:
    """Refuse a configuration that asks for code of its own, or for weights from elsewhere, wherever in it."""
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
