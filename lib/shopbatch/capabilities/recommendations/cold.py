"""Products that nobody has bought yet, found by their text: the likeness to what the user had is the score itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.recommendations.habit import Scored
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.neighbours import newest_rows
from shopbatch.evaluation.ranking import gathered

_WORD = re.compile(r"[^\W_]+")
_CELLS = 16_000_000  # of a tile: users x words, or users x items


@dataclass(frozen=True)
class TextVectors:
    """Texts as vectors of length 1 (0 for a text without words), in sparse form: text t has the entries of starts[t].

    Attributes:
        starts: int64 [texts + 1].
        word: Numbers of the words, or of the dimensions, int64 [n].
        weight: float32 [n].
        words: How many words there are.
    """

    starts: np.ndarray
    word: np.ndarray
    weight: np.ndarray
    words: int

    @classmethod
    def tf_idf(cls, texts: Sequence[str | None]) -> TextVectors:
        """Weigh the words of texts: (1 + log count) x (1 + log((texts + 1) / (texts with the word + 1))).

        Words are runs of letters and digits in lower case; of scripts without blanks, each pair of neighbouring
        characters is a word.
        """
        vocabulary: dict[str, int] = {}
        text, word = [], []
        for n, value in enumerate(texts):
            for term in words_of(value or ""):
                text.append(n)
                word.append(vocabulary.setdefault(term, len(vocabulary)))
        size = max(len(vocabulary), 1)
        cell, count = np.unique(np.array(text, np.int64) * size + np.array(word, np.int64), return_counts=True)
        text_of, number = cell // size, cell % size
        holders = np.bincount(number, minlength=size)
        weight = (1 + np.log(count)) * (1 + np.log((len(texts) + 1) / (holders[number] + 1)))
        length = np.sqrt(np.bincount(text_of, weight**2, len(texts)))
        starts = np.searchsorted(text_of, np.arange(len(texts) + 1))
        return cls(starts, number, (weight / length[text_of]).astype(np.float32), size)

    @classmethod
    def dense(cls, vectors: np.ndarray) -> TextVectors:
        """Take an encoder's vectors, float [texts, dims], scaled to length 1."""
        texts, dims = vectors.shape
        scaled = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        number = np.tile(np.arange(dims), texts)
        return cls(np.arange(texts + 1) * dims, number, scaled.astype(np.float32).ravel(), dims)

    def rows(self, texts: np.ndarray) -> np.ndarray:
        """Return the vectors of some texts as a matrix, float32 [texts, words]."""
        starts, at = gathered(self.starts, texts)
        out = np.zeros((len(texts), self.words), np.float32)
        out[np.repeat(np.arange(len(texts)), np.diff(starts)), self.word[at]] = self.weight[at]
        return out


def words_of(text: str) -> list[str]:
    """Return the words of a text; of a run of Chinese, Japanese or Korean characters its neighbouring pairs."""
    out = []
    for term in _WORD.findall(text.lower()):
        if any("\u3040" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7af" for c in term):
            out += [term[i : i + 2] for i in range(max(1, len(term) - 1))]
        else:
            out.append(term)
    return out


def score_cold(history: History, texts: TextVectors, cold: np.ndarray, decay: float = 0.7, keep: int = 100) -> Scored:
    """Score products without a history by their likeness to each user's own products.

    score = sum over own products of decay^(later days with purchases) x cosine of the texts, for the `keep` best.

    Args:
        history: What each user had.
        texts: A vector for every item.
        cold: Numbers of the items to score, int [n].
        decay: See above.
        keep: Entries kept for each user.
    """
    candidates = np.sort(cold)
    keep = min(keep, len(candidates))
    if not keep:
        return Scored(np.zeros(history.users + 1, np.int64), np.zeros(0, np.int64), np.zeros(0))
    user, own, weight = newest_rows(history, decay)
    starts = np.searchsorted(user, np.arange(history.users + 1))
    step = max(1, _CELLS // max(texts.words, len(candidates)))
    parts = []
    for a in range(0, history.users, step):
        b = min(a + step, history.users)
        rows = slice(starts[a], starts[b])
        profile = _sums(texts, own[rows], weight[rows], user[rows] - a, b - a)
        parts.append(_best(profile, texts, candidates, keep))
    number, score = (np.concatenate(column) for column in zip(*parts, strict=True))
    good = score > 0
    whose, place = np.nonzero(good)
    order = np.lexsort((number[good], whose))
    return Scored(
        np.concatenate([[0], np.cumsum(good.sum(1))]),
        number[whose, place][order],
        score[whose, place][order].astype(float),
    )


def _sums(texts: TextVectors, own: np.ndarray, weight: np.ndarray, user: np.ndarray, users: int) -> np.ndarray:
    """The weighted sum of the own products' vectors, float32 [users, words]."""
    starts, at = gathered(texts.starts, own)
    sizes = np.diff(starts)
    cell = np.repeat(user, sizes) * texts.words + texts.word[at]
    summed = np.bincount(cell, np.repeat(weight, sizes) * texts.weight[at], users * texts.words)
    return np.asarray(summed.reshape(users, texts.words), np.float32)


def _best(profile: np.ndarray, texts: TextVectors, candidates: np.ndarray, keep: int) -> tuple[np.ndarray, np.ndarray]:
    """The best candidates of each profile and their scores, [users, keep], by tiles of candidates."""
    step = max(1, _CELLS // texts.words)
    number = np.zeros((len(profile), 0), np.int64)
    score = np.zeros((len(profile), 0), np.float32)
    for a in range(0, len(candidates), step):
        tile = candidates[a : a + step]
        score = np.concatenate([score, profile @ texts.rows(tile).T], 1)
        number = np.concatenate([number, np.broadcast_to(tile, (len(profile), len(tile)))], 1)
        best = np.argsort(-score, axis=1, kind="stable")[:, :keep]
        number, score = np.take_along_axis(number, best, 1), np.take_along_axis(score, best, 1)
    return number, score
