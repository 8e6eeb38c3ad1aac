"""Texts as batches of tokens, the same for every backend; and what of the model's layers becomes the vector."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError
from tokenizers import Tokenizer

from shopbatch.config import Strict
from shopbatch.errors import UserError
from shopbatch.models.folder import ModelError

# A tokenizer reads the whole text before it cuts it to max_tokens; the longest pieces have about 16 characters, so
# that what lies beyond this many characters for each token is out of reach for all but runs of white space.
_CHARACTERS_A_TOKEN = 32


class EncoderSpec(Strict):
    """`encoder.json` of a model folder: how its vectors are made. Without the file: the mean of the last layer.

    prefix: put before every text. layers: 0 is the embedding, -1 the last; those above the highest are not computed.
    pooling: over the tokens of a text. The vector is every pooling of every layer, joined: pooling-major.
    """

    prefix: str = ""
    layers: tuple[int, ...] = (-1,)
    pooling: tuple[Literal["mean", "max", "cls"], ...] = ("mean",)

    @classmethod
    def load(cls, folder: Path) -> EncoderSpec:
        """Raises ModelError if the file is there and wrong."""
        path = folder / "encoder.json"
        if not path.exists():
            return cls()
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ModelError(f"{path}: {where}: {first['msg']}") from None

    def depths(self, layers: int) -> tuple[int, ...]:
        """The layers counted from 0, of a model that has `layers`. Raises ModelError if it has not so many."""
        found = tuple(layer if layer >= 0 else layer + layers + 1 for layer in self.layers)
        if not found or not self.pooling or not all(0 <= depth <= layers for depth in found):
            raise ModelError(f"encoder.json asks for layers {list(self.layers)}; the model has {layers}")
        return found


@dataclass(frozen=True)
class Batch:
    """ids, mask: int64 [n, longest]; mask is 1 where there is a token. lengths: int32 [n], tokens of each text."""

    ids: np.ndarray
    mask: np.ndarray
    lengths: np.ndarray


class Reader:
    """The tokenizer of one model folder."""

    def __init__(self, folder: Path, prefix: str, max_tokens: int, batch_tokens: int) -> None:
        config = model_config(folder)
        self.tokenizer = load_tokenizer(folder)
        limit = longest(folder, config)
        if max_tokens > limit:
            raise UserError(f"max_tokens={max_tokens}: the model in {folder.name} reads at most {limit}")
        self.tokenizer.enable_truncation(max_tokens)
        self.tokenizer.no_padding()
        self.prefix, self.batch_tokens = prefix, batch_tokens
        self.characters = max_tokens * _CHARACTERS_A_TOKEN
        self.pad = int(config.get("pad_token_id") or 0)

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        """Row numbers sorted by length and cut so that rows x longest <= batch_tokens (a single row may be longer)."""
        lengths = np.array([len(ids) for ids in self.rows(texts)], np.int64)
        order = np.argsort(lengths, kind="stable")
        lengths, batches, first = lengths[order], [], 0
        while first < len(order):
            window = lengths[first : first + self.batch_tokens // int(lengths[first]) + 1]
            fits = np.searchsorted(window * np.arange(1, len(window) + 1), self.batch_tokens, side="right")
            batches.append(order[first : first + max(1, int(fits))])
            first += max(1, int(fits))
        return batches

    def batch(self, texts: pa.Array) -> Batch:
        """Pads to the longest of `texts` (at least one)."""
        rows = self.rows(texts)
        lengths = np.array([len(ids) for ids in rows], np.int32)
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids = np.full(mask.shape, self.pad, np.int64)
        ids[mask] = np.concatenate([np.asarray(r, np.int64) for r in rows])
        return Batch(ids, mask.astype(np.int64), lengths)

    def rows(self, texts: pa.Array) -> list[list[int]]:
        """Token ids of each text, with the special ones, cut to max_tokens."""
        cut = pc.utf8_slice_codeunits(texts, 0, self.characters).to_pylist()
        return [e.ids for e in self.tokenizer.encode_batch_fast([self.prefix + t for t in cut])]


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
