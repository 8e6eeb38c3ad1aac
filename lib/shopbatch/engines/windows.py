"""Encodes texts that are longer than an encoder's limit, by splitting them into windows and averaging the vectors.

A text of up to `count` times the limit is split into windows of equal length that cover all of it. Of a longer text,
`count` windows of maximum length are read at even distances, the first at the beginning and the last at the end of the
text. The vector of the text is the mean of its windows' vectors, weighted by their token counts. For an encoder with
mean pooling, this is the mean over all tokens that are read. A text that fits into one window gets exactly the vector
that the encoder without windows gives it.
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

_SPARE = 2  # extra tokens that a window can have, because its ends are cut within the text


class WindowCutter:
    """Splits texts into windows that are short enough for an encoder.

    Args:
        folder: The encoder's folder.
        max_tokens: Maximum number of tokens of a window, the prefix and the special tokens included.
        count: Maximum number of windows of a text, at least 1.
    """

    def __init__(self, folder: Path, max_tokens: int, count: int) -> None:
        self.tokenizer = load_tokenizer(folder)
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.prefix = EncoderSpec.load(folder).prefix
        self.max_tokens, self.count = max_tokens, count
        self.size = max(1, max_tokens - len(self.tokenizer.encode(self.prefix).ids) - _SPARE)

    def cut(self, texts: list[str]) -> list[list[tuple[int, int]]]:
        """Choose the windows of each text.

        Returns:
            For each text its windows as (first, end) in characters; [(0, length)] for a text that fits into one window.
        """
        cuts = [[(0, len(text))] for text in texts]
        if self.count == 1:
            return cuts
        # a token has at least one character, so short texts need not be tokenised to see that they fit
        long = [row for row, text in enumerate(texts) if len(text) > self.size]
        whole = self.tokenizer.encode_batch([self.prefix + texts[row] for row in long])
        for row, encoded in zip(long, whole, strict=True):
            if len(encoded.ids) > self.max_tokens:
                cuts[row] = self._spans(texts[row], encoded) or cuts[row]
        return cuts

    def tokens(self, text: str) -> tuple[int, int]:
        """Count how many tokens of a text the encoder reads, with and without windows.

        Returns:
            The number of tokens in all windows together, and the number if the text were cut at `max_tokens` instead.
            Both include the prefix and the special tokens, which every window repeats.
        """
        whole = len(self.tokenizer.encode(self.prefix + text).ids)
        cut = min(whole, self.max_tokens)
        if self.count == 1 or whole <= self.max_tokens:
            return cut, cut
        around = self.max_tokens - self.size - _SPARE  # the prefix and the special tokens, in each window
        spans = token_windows(whole - around, self.size, self.count)
        return sum(end - first + around for first, end in spans), cut

    def _spans(self, text: str, encoded: Encoding) -> list[tuple[int, int]]:
        """Return the windows of a text that is too long, as (first, end) in characters.

        Windows that hold only white space are left out.

        Args:
            text: The text.
            encoded: The tokens of the prefix and the text together.
        """
        shift = len(self.prefix)
        pairs = zip(encoded.offsets, encoded.special_tokens_mask, strict=True)
        places = [(max(0, a - shift), b - shift) for (a, b), special in pairs if not special and b > shift]
        spans = [(places[i][0], places[j - 1][1]) for i, j in token_windows(len(places), self.size, self.count)]
        return [span for span in spans if text[slice(*span)].strip()]


def token_windows(tokens: int, size: int, count: int) -> list[tuple[int, int]]:
    """Choose the windows of a text: `count` or fewer, of at most `size` tokens each.

    They cover the whole text if it has at most `count * size` tokens; otherwise they are spread evenly, with gaps.

    Args:
        tokens: Number of tokens of the text.
        size: Maximum number of tokens of a window.
        count: Maximum number of windows.

    Returns:
        The windows as (first, end) in tokens; `end` is exclusive.
    """
    count = min(count, -(-tokens // size))
    if tokens <= count * size:
        edges = np.linspace(0, tokens, count + 1).round().astype(int).tolist()
        return list(pairwise(edges))
    firsts = np.linspace(0, tokens - size, count).round().astype(int).tolist() if count > 1 else [0]
    return [(first, first + size) for first in firsts]


class WindowedEncoder:
    """An encoder that reads long texts in windows; it can be used wherever an `Encoder` is expected.

    Args:
        encoder: The encoder that reads each window.
        cutter: Splits the texts into windows.
    """

    def __init__(self, encoder: Encoder, cutter: WindowCutter) -> None:
        self.encoder, self.cutter, self.dim = encoder, cutter, encoder.dim

    def plan(self, texts: pa.Array) -> list[np.ndarray]:
        """Return the row numbers of each batch, as the inner encoder plans them.

        `encode` may call the inner encoder several times for one batch of long texts.
        """
        return self.encoder.plan(texts)

    def encode(self, texts: pa.Array) -> Encoded:
        """Compute the vectors of one batch; the token count of a text is the sum over its windows."""
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
        vectors[single] = encoded.vectors[starts[single]]  # exactly the encoder's vector, without rounding by the mean
        return Encoded(vectors, np.add.reduceat(encoded.tokens, starts).astype(np.int32))
