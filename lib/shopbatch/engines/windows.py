"""Long texts in windows: a text that one call of the encoder would cut is read at its head, its middle and its tail.

A text of up to `count` times the encoder's limit is cut into equal windows that cover all of it. Of a longer one,
windows of the limit's size are read at even distances, the first at its head and the last at its tail. The vector of
the text is the mean of its windows' vectors, weighted by their tokens. For an encoder that pools by the mean, this is
the mean over all tokens read. A text that fits into one call gets exactly the vector that the encoder alone gives it.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from tokenizers import Encoding

from shopbatch.engines.base import Encoded, Encoder, encode_all
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.loading import load_tokenizer

_SPARE = 2  # tokens that a window may gain because it begins and ends elsewhere than the text


class WindowCutter:
    """Cuts texts into windows that an encoder can read whole.

    Args:
        folder: The encoder's folder.
        max_tokens: Tokens that the encoder reads of a text, with the prefix and the special tokens.
        count: Most windows of a text, at least 1.
    """

    def __init__(self, folder: Path, max_tokens: int, count: int) -> None:
        self.tokenizer = load_tokenizer(folder)
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.prefix = EncoderSpec.load(folder).prefix
        self.max_tokens, self.count = max_tokens, count
        self.size = max(1, max_tokens - len(self.tokenizer.encode(self.prefix).ids) - _SPARE)

    def cut(self, texts: list[str]) -> list[list[tuple[int, int]]]:
        """Return the windows of each text, (first, end) in characters; [(0, length)] for a text that fits."""
        cuts = [[(0, len(text))] for text in texts]
        if self.count == 1:
            return cuts
        # a token has at least one character, so most texts need not be read twice
        long = [row for row, text in enumerate(texts) if len(text) > self.size]
        whole = self.tokenizer.encode_batch([self.prefix + texts[row] for row in long])
        for row, encoded in zip(long, whole, strict=True):
            if len(encoded.ids) > self.max_tokens:
                cuts[row] = self._spans(texts[row], encoded) or cuts[row]
        return cuts

    def tokens(self, text: str) -> tuple[int, int]:
        """Count the tokens that the encoder reads of a text: in windows, and if it is cut."""
        whole = len(self.tokenizer.encode(self.prefix + text).ids)
        cut = min(whole, self.max_tokens)
        if self.count == 1 or whole <= self.max_tokens:
            return cut, cut
        around = self.max_tokens - self.size - _SPARE  # the prefix and the special tokens, in each window
        spans = token_windows(whole - around, self.size, self.count)
        return sum(end - first + around for first, end in spans), cut

    def _spans(self, text: str, encoded: Encoding) -> list[tuple[int, int]]:
        """The windows of a text that is too long; those without a visible character are left out."""
        shift = len(self.prefix)
        pairs = zip(encoded.offsets, encoded.special_tokens_mask, strict=True)
        places = [(max(0, a - shift), b - shift) for (a, b), special in pairs if not special and b > shift]
        spans = [(places[i][0], places[j - 1][1]) for i, j in token_windows(len(places), self.size, self.count)]
        return [span for span in spans if text[slice(*span)].strip()]


def token_windows(tokens: int, size: int, count: int) -> list[tuple[int, int]]:
    """Return the windows of a text, (first, end) in tokens.

    Args:
        tokens: Tokens of the text.
        size: Most tokens of a window.
        count: Most windows.
    """
    count = min(count, -(-tokens // size))
    if tokens <= count * size:
        edges = np.linspace(0, tokens, count + 1).round().astype(int).tolist()
        return list(pairwise(edges))
    firsts = np.linspace(0, tokens - size, count).round().astype(int).tolist() if count > 1 else [0]
    return [(first, first + size) for first in firsts]


class WindowedEncoder:
    """An encoder that reads long texts in windows.

    Args:
        encoder: Reads one window.
        cutter: Cuts the texts.
    """

    def __init__(self, encoder: Encoder, cutter: WindowCutter) -> None:
        self.encoder, self.cutter, self.dim = encoder, cutter, encoder.dim

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        """Split the rows into batches, as the encoder itself does; a batch of long texts is several calls."""
        return self.encoder.plan(texts)

    def encode(self, texts: pa.Array) -> Encoded:
        """Encode one batch; the tokens of a text are those of all its windows."""
        strings = texts.to_pylist()
        cuts = self.cutter.cut(strings)
        if all(len(spans) == 1 for spans in cuts):
            return self.encoder.encode(texts)
        windows = [text[first:end] for text, spans in zip(strings, cuts, strict=True) for first, end in spans]
        encoded = encode_all(self.encoder, pa.array(windows, pa.string()))
        starts = np.cumsum([0, *(len(spans) for spans in cuts[:-1])])
        weights = encoded.tokens.astype(np.float64)
        sums = np.add.reduceat(encoded.vectors * weights[:, None], starts, axis=0)
        vectors = (sums / np.add.reduceat(weights, starts)[:, None]).astype(np.float32)
        single = np.array([len(spans) == 1 for spans in cuts])
        vectors[single] = encoded.vectors[starts[single]]  # to the last bit what the encoder gives
        return Encoded(vectors, np.add.reduceat(encoded.tokens, starts).astype(np.int32))
