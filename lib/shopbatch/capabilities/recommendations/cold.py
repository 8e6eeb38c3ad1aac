"""Score products that nobody has bought yet (cold products) by how similar their text is to what the user bought."""

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
_CELLS = 16_000_000  # greatest users x words, or users x items, of a matrix


@dataclass(frozen=True)
class TextVectors:
    """Texts as sparse vectors of length 1: text t has the elements starts[t] to starts[t + 1] of `word` and `weight`.

    A text without words has the zero vector.

    Attributes:
        starts: Index of each text's first element and, last, the number of elements, int64 [texts + 1].
        word: Dimension of each element: the number of a word, or of an encoder's output, int64 [n].
        weight: Value of each element, float32 [n].
        words: Number of dimensions.
    """

    starts: np.ndarray
    word: np.ndarray
    weight: np.ndarray
    words: int

    @classmethod
    def tf_idf(cls, texts: Sequence[str | None]) -> TextVectors:
        """Build word vectors (tf-idf) from texts; None counts as an empty text.

        The weight of a word is (1 + log count) x (1 + log((texts + 1) / (texts with the word + 1))), before each vector
        is scaled to length 1. Words are runs of letters and digits in lower case; a run with Chinese, Japanese or
        Korean characters is split into pairs of neighbouring characters.
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
        """Build text vectors from an encoder's output, float [texts, dims]; each vector is scaled to length 1."""
        texts, dims = vectors.shape
        scaled = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        number = np.tile(np.arange(dims), texts)
        return cls(np.arange(texts + 1) * dims, number, scaled.astype(np.float32).ravel(), dims)

    def rows(self, texts: np.ndarray) -> np.ndarray:
        """Return the vectors of some texts as a dense matrix, float32 [len(texts), words]."""
        starts, at = gathered(self.starts, texts)
        out = np.zeros((len(texts), self.words), np.float32)
        out[np.repeat(np.arange(len(texts)), np.diff(starts)), self.word[at]] = self.weight[at]
        return out


def words_of(text: str) -> list[str]:
    """Split a text into lower-case words ("Oat Milk 1l" -> ["oat", "milk", "1l"]).

    A run with Chinese, Japanese or Korean characters, which are written without spaces, becomes its pairs of
    neighbouring characters.
    """
    out = []
    for term in _WORD.findall(text.lower()):
        if any("\u3040" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7af" for c in term):
            out += [term[i : i + 2] for i in range(max(1, len(term) - 1))]
        else:
            out.append(term)
    return out


def score_cold(history: History, texts: TextVectors, cold: np.ndarray, decay: float = 0.7, keep: int = 100) -> Scored:
    """Score items that hardly anybody has bought yet by how similar their texts are to the texts of the user's items.

    The score of a cold item is the sum, over the items that the user bought, of decay^d x cosine of the two texts. Here
    d is the number of later days on which the user bought something.

    Args:
        history: The users' purchases.
        texts: A text vector for every item.
        cold: The items to score, as indexes into `texts`, int [n].
        decay: Factor by which the weight of an item of the user falls for each later day on which the user bought
            something.
        keep: Number of items kept for each user: those with the highest scores above 0.

    Returns:
        The scores of the kept items.
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
    """Return the text profile of each user, float32 [users, words].

    The profile is the weighted sum of the text vectors of the items that the user bought.

    Args:
        texts: A text vector for every item.
        own: Item of each (user, item) pair, where the user bought the item, int [n].
        weight: Weight of each pair, float [n].
        user: User of each pair, from 0, int [n].
        users: Number of users.
    """
    starts, at = gathered(texts.starts, own)
    sizes = np.diff(starts)
    cell = np.repeat(user, sizes) * texts.words + texts.word[at]
    summed = np.bincount(cell, np.repeat(weight, sizes) * texts.weight[at], users * texts.words)
    return np.asarray(summed.reshape(users, texts.words), np.float32)


def _best(profile: np.ndarray, texts: TextVectors, candidates: np.ndarray, keep: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `keep` items of each user whose texts are most similar to the user's text profile, best first.

    Args:
        profile: Weighted sum of the text vectors of each user's items, float32 [users, words].
        texts: A text vector for every item.
        candidates: The items to score, as indexes into `texts`, ascending, int [n].
        keep: Number of items to return for each user, at most n.

    Returns:
        The items as indexes into `texts`, int64 [users, keep], and their scores, float32 [users, keep].
    """
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
