"""Checks that the sizes in a model's configuration fit its weights, before loading allocates memory for them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from shopbatch.models.errors import ModelError

_LARGEST_HEADER = 32 << 20
_SIZE = re.compile(
    r"size|dim|layers?|heads?|positions?|embd|embeddings|inner|experts?|labels|ctx|rank|groups?|ff|model"
)
_LIMITS = {  # last word of a key -> maximum, above that of all known models; _MOST for other keys
    "layers": 2048, "layer": 2048, "heads": 4096, "head": 4096, "experts": 8192, "labels": 1_000_000,
    "positions": 1 << 24, "embeddings": 1 << 24, "ctx": 1 << 15,
}  # fmt: skip
_MOST = 1 << 27
_ROTARY = ("rope_theta", "rope_parameters", "rope_scaling", "rotary_emb_base")  # models without a position table
# models that always allocate a table of positions, or of pairs of positions
_TABLED = ("gpt2", "gptj", "gpt_neo", "gpt_bigcode", "codegen", "ctrl", "xglm", "m2m_100", "fsmt", "imagegpt", "clvp")
_TABLED_MOST = 1 << 15
_HIDDEN = ("hidden_size", "n_embd", "d_model", "dim", "hidden_dim")
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers", "decoder_layers")
_NUMBERS = (*_HIDDEN, *_LAYERS, "vocab_size", "max_position_embeddings", "intermediate_size", "head_dim",
            "num_attention_heads", "num_key_value_heads")  # fmt: skip
_PACKED = 16  # maximum number of weights that a quantised model packs into one number
_SLACK = 1 << 22
_IGNORED = ("vision_feature_layer", "vision_feature_select_layer")  # may be negative, counting from the end


def tensor_shapes(path: Path, what: str) -> dict[str, tuple[int, ...]]:
    """Read the shapes of the tensors in a safetensors file, without the tensors themselves.

    Args:
        path: The file.
        what: Name of the file in an error message.

    Returns:
        Tensor name -> shape.

    Raises:
        ModelError: The header is more than 32 MiB, or the file is damaged or truncated.
    """
    try:
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
        if header > _LARGEST_HEADER:
            raise ModelError(f"{what} cannot be read: it states a header of {header:,} bytes")
        with safe_open(path, "numpy") as tensors:
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{what} cannot be read: {error}") from None


def check_sizes(config: Mapping[str, Any], shapes: Sequence[tuple[int, ...]], what: str) -> None:
    """Refuse a configuration whose sizes are implausible or need far more weights than the files hold.

    Args:
        config: The content of `config.json`.
        shapes: The shapes of all tensors; empty if the folder has no weights.
        what: Name of the configuration in an error message.

    Raises:
        ModelError: A size is negative or larger than that of any model, or the sizes need many more weights than the
            files hold.
    """
    stored = sum(math.prod(shape) for shape in shapes)
    room = (_PACKED if "quantization_config" in config else 4) * stored + _SLACK
    for part in _parts(config):
        for key, value in part.items():
            if key in _NUMBERS and isinstance(value, str | dict):
                raise ModelError(f"{what}: {key}={str(value)[:40]!r} is no number")
            if isinstance(value, bool) or not isinstance(value, int | float) or key in _IGNORED:
                continue
            last = key.rpartition("_")[2]
            most = _LIMITS.get(last, _MOST)
            if last in ("positions", "embeddings") and not key.startswith("original_") and _needs_table(part):
                most = _TABLED_MOST
            if _SIZE.fullmatch(last) and not 0 <= value <= most:
                raise ModelError(f"{what}: {key}={value:.6g} is no size of a model; expected 0 to {most:,}")
        hidden, layers = _first(part, _HIDDEN), _first(part, _LAYERS)
        for name, needed in (
            ("vocab_size", _first(part, ("vocab_size",)) * hidden),
            ("num_hidden_layers", layers * hidden * hidden),
        ):
            if shapes and needed > room:
                raise ModelError(
                    f"{what}: {name} and hidden_size ask for {needed:,} weights and more; the files hold {stored:,}"
                )


def check_ids(config: Mapping[str, Any], what: str) -> None:
    """Raise ModelError if a configuration has a token id that is not an integer below 2^31 in absolute value.

    Args:
        config: The content of a configuration; its keys that end with `_token_id` are checked.
        what: Name of the configuration in the error message.
    """
    for key, value in config.items():
        if key.endswith("_token_id"):
            for one in value if isinstance(value, list) else [value]:
                if one is not None and not (isinstance(one, int) and abs(one) < 1 << 31):
                    raise ModelError(f"{what}: {key}={str(one)[:40]!r} is no id of a token")


def _parts(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a configuration and all configurations nested in it."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _needs_table(part: Mapping[str, Any]) -> bool:
    """Return True if a model of this configuration allocates memory for every position."""
    return part.get("model_type") in _TABLED or not any(key in part for key in _ROTARY)


def _first(part: Mapping[str, Any], keys: Sequence[str]) -> int:
    """Return the first integer that a configuration has under one of the keys; 0 if it has none."""
    values = [part[key] for key in keys if isinstance(part.get(key), int)]
    return int(values[0]) if values else 0
