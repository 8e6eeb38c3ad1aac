"""Loads tokenizers of translation models: `tokenizer.json`, or the sentencepiece files of OPUS-MT.

The sentencepiece library is not needed. A sentencepiece model is a protocol buffer whose field 1 repeats (piece, score,
type). Nothing else in it is needed to split a text into pieces by the unigram model.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from shopbatch.models import json_files
from shopbatch.models.folder import ModelError
from shopbatch.models.tokenizer_files import check_tokenizer

_MARK = "▁"
_UNKNOWN = 2
_MOST = 64 << 20  # maximum size of a file in bytes


@dataclass(frozen=True)
class Pieces:
    """A tokenizer that splits texts into subword pieces, as strings, and joins pieces to text."""

    tokenizer: Tokenizer

    def pieces(self, text: str) -> list[str]:
        """Split a text into subword pieces, without special tokens."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).tokens)

    def text(self, pieces: Sequence[str]) -> str:
        """Join pieces to a text."""
        return "".join(pieces).replace(_MARK, " ").strip()


def load_pieces(folder: Path) -> tuple[Pieces, Pieces]:
    """Load the tokenizers of a translation model, one for source texts and one for translations.

    Args:
        folder: The model folder, with `source.spm` and `target.spm`, or with a `tokenizer.json` for both.

    Raises:
        ModelError: The folder has no tokenizer, or a damaged one.
    """
    names = ("source.spm", "target.spm")
    if all((folder / name).is_file() for name in names):
        source, target = (Pieces(_unigram(folder / name)) for name in names)
        return source, target
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ModelError(f"model {folder}: no tokenizer.json, and no source.spm with target.spm")
    check_tokenizer(json_files.read(path, str(path), json_files.LARGE), str(path))
    tokenizer = Tokenizer.from_file(str(path))
    return Pieces(tokenizer), Pieces(tokenizer)


def _unigram(path: Path) -> Tokenizer:
    """Load a sentencepiece file as a unigram tokenizer; raise ModelError if it is damaged or too large."""
    data = path.read_bytes()
    if len(data) > _MOST:
        raise ModelError(f"{path} has {len(data):,} bytes: not what a model needs")
    try:
        entries = [_entry(field) for number, field in _fields(data) if number == 1 and isinstance(field, bytes)]
    except (IndexError, struct.error, UnicodeDecodeError):
        raise ModelError(f"{path}: no sentencepiece model") from None
    unknown = next((i for i, (_, _, kind) in enumerate(entries) if kind == _UNKNOWN), None)
    if unknown is None:
        raise ModelError(f"{path}: no sentencepiece model, since it has no unknown piece")
    tokenizer = Tokenizer(models.Unigram([(piece, score) for piece, score, _ in entries], unk_id=unknown))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(_MARK, "always")
    tokenizer.decoder = decoders.Metaspace(_MARK)
    return tokenizer


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield the number and value of each field of a protocol buffer: an int for a varint field, else the bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        size, at = _varint(data, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
        if at + size > len(data):
            raise IndexError("a field ends behind the file")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a variable-length integer at an offset; return it and the offset after it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _entry(data: bytes) -> tuple[str, float, int]:
    """Parse a vocabulary entry: (piece, score, type), where type 2 is the unknown piece."""
    piece, score, kind = "", 0.0, 1
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            piece = value.decode()
        elif number == 2 and isinstance(value, bytes):
            score = struct.unpack("<f", value)[0]
        elif number == 3 and isinstance(value, int):
            kind = value
    return piece, score, kind
