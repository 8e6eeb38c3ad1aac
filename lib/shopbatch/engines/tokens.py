"""Splits texts into batches and tokenises them, in the same way for every encoder backend."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.core.errors import UserError
from shopbatch.models.loading import load_tokenizer, model_config, token_limit

# A tokenizer reads the whole text before it cuts it to max_tokens. The longest tokens have about 16 characters, so
# nothing beyond this many characters per token can be within max_tokens, except after long runs of white space.
_CHARACTERS_PER_TOKEN = 32


@dataclass(frozen=True)
class Batch:
    """Token ids of several texts, padded to the longest text.

    Attributes:
        ids: int64 [n, longest].
        mask: int64 [n, longest], 1 for a token and 0 for padding.
        lengths: int32 [n], the number of tokens of each text.
    """

    ids: np.ndarray
    mask: np.ndarray
    lengths: np.ndarray


class Reader:
    """The tokenizer of one encoder folder, with the limits of a text and of a batch.

    Args:
        folder: The model folder.
        prefix: Text that is put before every text, such as "query: ".
        max_tokens: Maximum number of tokens of a text, prefix and special tokens included; a longer text is cut.
        batch_tokens: Maximum size of a batch in tokens, padding included: number of rows times the length of the
            longest.

    Raises:
        UserError: The model reads fewer than `max_tokens` tokens.
        ModelError: The folder has no tokenizer or no configuration.
    """

    def __init__(self, folder: Path, prefix: str, max_tokens: int, batch_tokens: int) -> None:
        config = model_config(folder)
        self.tokenizer = load_tokenizer(folder)
        limit = token_limit(folder, config)
        if max_tokens > limit:
            raise UserError(f"max_tokens={max_tokens}: the model in {folder.name} reads at most {limit}")
        self.tokenizer.enable_truncation(max_tokens)
        self.tokenizer.no_padding()
        self.prefix, self.batch_tokens = prefix, batch_tokens
        self.characters = max_tokens * _CHARACTERS_PER_TOKEN
        self.pad = int(config.get("pad_token_id") or 0)

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        """Sort texts by length and split them into batches of at most `batch_tokens` tokens, padding included.

        A single text that is longer than that is a batch of its own.

        Returns:
            The row numbers of each batch, int64; every row is in exactly one batch.
        """
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
        """Tokenise at least one text, and pad all texts to the longest."""
        rows = self.rows(texts)
        lengths = np.array([len(ids) for ids in rows], np.int32)
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids = np.full(mask.shape, self.pad, np.int64)
        ids[mask] = np.concatenate([np.asarray(r, np.int64) for r in rows])
        return Batch(ids, mask.astype(np.int64), lengths)

    def rows(self, texts: pa.Array) -> list[list[int]]:
        """Return the token ids of each text, special tokens included, cut to `max_tokens`."""
        cut = pc.utf8_slice_codeunits(texts, 0, self.characters).to_pylist()
        return [e.ids for e in self.tokenizer.encode_batch_fast([self.prefix + t for t in cut])]
