"""Loads tokenizers and configurations from model folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from shopbatch.models.folder import ModelError


def model_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a model folder. Raises ModelError if there is none."""
    try:
        return dict(json.loads((folder / "config.json").read_bytes()))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} is not a model folder: config.json can not be read ({error})") from None


def load_tokenizer(folder: Path) -> Tokenizer:
    """The fast tokenizer of a model folder. Raises ModelError if there is none."""
    path = folder / "tokenizer.json"
    if path.exists():  # without transformers, whose import costs seconds in every worker
        text = path.read_text("utf-8")
        try:
            json.loads(text)  # of a damaged file the library itself raises a bare Exception
        except ValueError as error:
            raise ModelError(f"{path}: can not be read ({error})") from None
        return Tokenizer.from_str(text)
    from transformers import AutoTokenizer

    try:
        slow = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} has no tokenizer ({' '.join(str(error).split())[:200]})") from None
    return Tokenizer.from_str(slow.backend_tokenizer.to_str())


def longest(folder: Path, config: dict[str, Any]) -> int:
    """Tokens that the model reads at most: the tokenizer's limit where it states one, else the positions there are."""
    limit = int(config.get("max_position_embeddings") or 2**30)
    if str(config.get("model_type", "")) in ("roberta", "xlm-roberta", "camembert"):
        limit -= int(config.get("pad_token_id") or 0) + 1  # their positions begin behind the padding's
    path = folder / "tokenizer_config.json"
    try:
        stated = json.loads(path.read_bytes()).get("model_max_length") if path.exists() else None
    except ValueError as error:
        raise ModelError(f"{path}: can not be read ({error})") from None
    return min(limit, int(stated)) if stated else limit
