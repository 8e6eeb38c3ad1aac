"""Why a review has its label: how much each word speaks for it. Called by `shopbatch why` and bench/explain.py.

The vector of a text is the mean over its tokens, and the head is linear. So the margin between two labels is exactly
the mean over the tokens of the margin that the head gives to each token. Nothing is estimated, and one pass
of the encoder is enough. The vector of a text in windows is the mean over the tokens of all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from shopbatch.capabilities.sentiment.head import LABELS, SentimentHead
from shopbatch.core.errors import UserError
from shopbatch.engines.encoders.torch_encoder import Pooled, load_pooled
from shopbatch.engines.tokens import Reader
from shopbatch.engines.windows import WindowCutter
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.loading import model_config, token_limit
from shopbatch.text.language import guess_language, load_classifier

_SPACELESS = "\u3040\u30ff\u3400\u9fff\uac00\ud7af"  # first and last of kana, Han, Hangul: each token is a word there


@dataclass(frozen=True)
class Word:
    """A word of a text.

    Attributes:
        text: The word.
        start, end: Where it stands, in characters.
        share: What it adds to the margin, in logits: above 0 it speaks for the label, below 0 for the next likely one.
    """

    text: str
    start: int
    end: int
    share: float


@dataclass(frozen=True)
class Explanation:
    """Why a text has its label.

    Attributes:
        label: The label.
        instead: The next likely label.
        margin: The logit of `label` minus that of `instead`, after the temperature.
        words: The words, in their order.
        rest: What the special tokens, the prefix and punctuation add; `margin` is the sum of this and all shares.
    """

    label: str
    instead: str
    margin: float
    words: tuple[Word, ...]
    rest: float

    def telling(self, count: int) -> tuple[list[Word], list[Word]]:
        """Return the words that speak most for the label and those that speak most against it, `count` of each."""
        order = sorted(self.words, key=lambda word: (-word.share, word.start))
        pros = [word for word in order if word.share > 0][:count]
        return pros, [word for word in reversed(order) if word.share < 0][:count]


class Explainer:
    """Explains the labels that a head gives with its encoder.

    Args:
        encoder: The encoder's folder.
        head: The head.
        max_tokens: Tokens that the engine reads at once; at most as many as the model reads.
        windows: Most windows in which a longer text is read, as `score_reviews` reads it; 1: it is cut.

    Raises:
        UserError: The encoder pools otherwise than by the mean, so that its vectors are no sum over tokens.
        ModelError: The encoder is damaged.
    """

    def __init__(self, encoder: Path, head: SentimentHead, max_tokens: int = 512, windows: int = 1) -> None:
        spec = EncoderSpec.load(encoder)
        if spec.pooling != ("mean",):
            raise UserError(f"this encoder pools by {', '.join(spec.pooling)}: only a mean can be split into words")
        self.model: Pooled = load_pooled(encoder)
        most = min(max_tokens, token_limit(encoder, model_config(encoder)))
        self.reader = Reader(encoder, spec.prefix, most, most)
        self.cutter = WindowCutter(encoder, most, windows)
        self.head, self.prefix = head, spec.prefix
        load_classifier()  # of languages; it takes a second

    def explain(self, text: str) -> Explanation:
        """Explain the label of one text."""
        pieces, places = [], list[tuple[int, int] | None]()
        for first, end in self.cutter.cut([text])[0]:
            encoded = self.reader.tokenizer.encode(self.prefix + text[first:end][: self.reader.characters])
            pieces.append(self._states(encoded.ids))
            places += _places(encoded, len(self.prefix), first)
        states = np.concatenate(pieces)
        language = guess_language(pa.array([text], pa.string()))
        vector = states.mean(axis=0, keepdims=True).astype(np.float32)
        best, second = np.argsort(-self.head.probabilities(vector, language)[0], kind="stable")[:2].tolist()
        row = next(i for i, rows in enumerate(self.head.rows_by_language(language)) if len(rows))
        weights, bias = self.head.weights[row].astype(float), self.head.bias[row].astype(float)
        direction, offset = weights[:, best] - weights[:, second], bias[best] - bias[second]
        shares = (states @ direction + offset) / float(self.head.temperature[row]) / len(states)
        words = tuple(_words(text, places, shares.tolist()))
        margin = math.fsum(shares)
        rest = margin - math.fsum(word.share for word in words)
        return Explanation(LABELS[best], LABELS[second], margin, words, rest)

    def _states(self, ids: list[int]) -> np.ndarray:
        """The states that the vector is the mean of, float64 [tokens, dim]."""
        with torch.inference_mode():
            tokens = torch.tensor([ids])
            hidden = self.model.model(tokens, attention_mask=torch.ones_like(tokens), output_hidden_states=True)
            layers = [hidden.hidden_states[depth][0] for depth in self.model.depths]
        return np.asarray(torch.cat(layers, 1).double().numpy())


def _places(encoded: object, prefix: int, first: int) -> list[tuple[int, int] | None]:
    """Where each token of the window that begins at `first` stands in the text; None for special and prefix tokens."""
    pairs = zip(encoded.offsets, encoded.special_tokens_mask, strict=True)  # type: ignore[attr-defined]
    return [
        None if special or end <= prefix else (first + max(0, start - prefix), first + end - prefix)
        for (start, end), special in pairs
    ]


def _words(text: str, places: list[tuple[int, int] | None], shares: list[float]) -> list[Word]:
    """Join the tokens of each word: neighbours without a blank between them, in scripts that write blanks."""
    words: list[Word] = []
    for place, share in zip(places, shares, strict=True):
        if place is None:
            continue
        start, end = place
        start += len(text[start:end]) - len(text[start:end].lstrip())
        piece = text[start:end]
        last = words[-1] if words else None
        if last is not None and start < last.end:  # one more token of a letter that several tokens spell
            words[-1] = replace(last, share=last.share + share)
            continue
        if not any(c.isalnum() for c in piece):
            continue
        if last is not None and last.end == start and not _is_spaceless(piece[0]) and not _is_spaceless(last.text[-1]):
            words[-1] = Word(last.text + piece, last.start, end, last.share + share)
        else:
            words.append(Word(piece, start, end, share))
    return words


def _is_spaceless(character: str) -> bool:
    return any(a <= character <= b for a, b in zip(_SPACELESS[::2], _SPACELESS[1::2], strict=True))
