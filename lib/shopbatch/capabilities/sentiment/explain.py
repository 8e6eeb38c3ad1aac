"""Explain why a review has its label: how much each word speaks for it.

Called by `shopbatch why` and bench/explain.py. The vector of a text is the mean over its tokens, and the head is
linear. So the margin between two labels is exactly the mean over the tokens of the margins that the head gives to the
single tokens. Nothing is estimated, and one pass of the encoder is enough. The vector of a text that is read in several
windows is the mean over the tokens of all its windows.
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

_SPACELESS = "\u3040\u30ff\u3400\u9fff\uac00\ud7af"  # ranges of kana, Han and Hangul: each token is a word


@dataclass(frozen=True)
class Word:
    """A word of an explained text, and its effect on the label.

    Attributes:
        text: The word.
        start: Position of its first character in the text.
        end: Position after its last character.
        share: What the word adds to the margin, in logits. Above 0 it speaks for the label, below 0 for the second most
            probable label.
    """

    text: str
    start: int
    end: int
    share: float


@dataclass(frozen=True)
class Explanation:
    """The reasons for the label of one text.

    Attributes:
        label: The label.
        instead: The second most probable label.
        margin: The logit of `label` minus that of `instead`, after division by the temperature.
        words: The words, in the order of the text.
        rest: Contribution of the special tokens, the prefix and punctuation, in logits. `margin` is the sum of `rest`
            and the shares of all words.
    """

    label: str
    instead: str
    margin: float
    words: tuple[Word, ...]
    rest: float

    def telling(self, count: int) -> tuple[list[Word], list[Word]]:
        """Return the `count` words that speak most for the label, and the `count` words that speak most against it.

        Words with a share of 0 are in neither list, so the lists may be shorter.
        """
        order = sorted(self.words, key=lambda word: (-word.share, word.start))
        pros = [word for word in order if word.share > 0][:count]
        return pros, [word for word in reversed(order) if word.share < 0][:count]


class Explainer:
    """Explains the labels that a sentiment head gives on the vectors of its encoder.

    Args:
        encoder: The encoder's folder.
        head: The head.
        max_tokens: Largest number of tokens that the engine reads at once; never more than the model can read.
        windows: Largest number of windows in which a longer text is read, as in `score_reviews`; with 1 the text is
            cut.

    Raises:
        UserError: The encoder's pooling is not the mean, so its vectors are not sums over tokens.
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
        load_classifier()  # of languages; loading takes a second

    def explain(self, text: str) -> Explanation:
        """Return the label of one text, and how much each of its words adds to the margin."""
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
        """Return the hidden states of the tokens, whose mean is the text's vector, float64 [tokens, dim]."""
        with torch.inference_mode():
            tokens = torch.tensor([ids])
            hidden = self.model.model(tokens, attention_mask=torch.ones_like(tokens), output_hidden_states=True)
            layers = [hidden.hidden_states[depth][0] for depth in self.model.depths]
        return np.asarray(torch.cat(layers, 1).double().numpy())


def _places(encoded: object, prefix: int, first: int) -> list[tuple[int, int] | None]:
    """Return the (start, end) of each token in the text, in characters; None for special tokens and the prefix.

    Args:
        encoded: Tokens of a window, with the prefix before it.
        prefix: Length of the prefix in characters.
        first: Position in the text at which the window begins.
    """
    pairs = zip(encoded.offsets, encoded.special_tokens_mask, strict=True)  # type: ignore[attr-defined]
    return [
        None if special or end <= prefix else (first + max(0, start - prefix), first + end - prefix)
        for (start, end), special in pairs
    ]


def _words(text: str, places: list[tuple[int, int] | None], shares: list[float]) -> list[Word]:
    """Merge the tokens of each word and add up their shares.

    Neighbouring tokens without a blank between them belong to one word. In scripts that are written without blanks,
    each token is a word. Tokens without letters or digits are left out.

    Args:
        text: The text.
        places: Position of each token (see `_places`).
        shares: What each token adds to the margin, in logits.
    """
    words: list[Word] = []
    for place, share in zip(places, shares, strict=True):
        if place is None:
            continue
        start, end = place
        start += len(text[start:end]) - len(text[start:end].lstrip())
        piece = text[start:end]
        last = words[-1] if words else None
        if last is not None and start < last.end:  # a further token of a character that several tokens encode
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
