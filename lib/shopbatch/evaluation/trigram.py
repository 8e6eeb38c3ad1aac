"""The baseline that a language model has to beat: a token trigram model with interpolated Kneser-Ney smoothing.

Kneser and Ney 1995; the interpolated form of Chen and Goodman 1999, with one discount for each order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

_WORD = 21  # bits of a token id in a packed key
_BEGIN = (1 << _WORD) - 1  # padding token before the first token


class Trigram:
    """A trigram model of token ids, counted from training documents. exp(mean of `losses`) is the perplexity.

    Args:
        documents: Token ids of the training documents.
        vocabulary: Number of different tokens.

    Raises:
        ValueError: There is no document.
    """

    def __init__(self, documents: Iterable[Sequence[int]], vocabulary: int) -> None:
        streams = [_keys(document) for document in documents]
        if not streams:
            raise ValueError("a trigram model needs at least one document")
        three = np.concatenate(streams)
        mask2, mask1 = (1 << 2 * _WORD) - 1, (1 << _WORD) - 1
        self.vocabulary = vocabulary
        self.triples, counts3 = np.unique(three, return_counts=True)
        self.counts3 = counts3.astype(float)
        # Kneser-Ney: a lower order counts in how many contexts a sequence was seen, not how often
        self.pairs, counts2 = np.unique(self.triples & mask2, return_counts=True)
        self.counts2 = counts2.astype(float)
        self.singles, counts1 = np.unique(self.pairs & mask1, return_counts=True)
        self.counts1 = counts1.astype(float)
        self.discounts = [_discount(c) for c in (self.counts3, self.counts2, self.counts1)]
        self.contexts3 = _sums(self.triples >> _WORD, self.counts3)
        self.contexts2 = _sums(self.pairs >> _WORD, self.counts2)

    def losses(self, document: Sequence[int]) -> np.ndarray:
        """Return the negative log probability of each token given the two tokens before it, float64 [tokens].

        The logarithm is the natural one.
        """
        three = _keys(document)
        mask2, mask1 = (1 << 2 * _WORD) - 1, (1 << _WORD) - 1
        two, one = three & mask2, three & mask1
        d3, d2, d1 = self.discounts
        total = self.counts1.sum()
        p1 = np.maximum(_find(self.singles, self.counts1, one) - d1, 0) / total
        p1 += d1 * len(self.singles) / total / self.vocabulary
        p2 = _interpolate(_find(self.pairs, self.counts2, two), *_context(self.contexts2, two >> _WORD), d2, p1)
        p3 = _interpolate(_find(self.triples, self.counts3, three), *_context(self.contexts3, three >> _WORD), d3, p2)
        return np.asarray(-np.log(p3))


def _keys(document: Sequence[int]) -> np.ndarray:
    """Pack each token and the two tokens before it into one integer key, int64 [tokens]."""
    ids = np.concatenate([[_BEGIN, _BEGIN], np.asarray(document, np.int64)])
    return np.asarray((ids[:-2] << 2 * _WORD) | (ids[1:-1] << _WORD) | ids[2:])


def _discount(counts: np.ndarray) -> float:
    """Return the Kneser-Ney discount n1 / (n1 + 2 n2), the estimate of Ney et al. 1994; 0.5 where it is undefined.

    n1 and n2 are the numbers of sequences that were counted once and twice.
    """
    ones, twos = float((counts == 1).sum()), float((counts == 2).sum())
    return ones / (ones + 2 * twos) if ones and twos else 0.5


def _sums(contexts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum the counts of all sequences that share a context.

    Returns:
        The different contexts (sorted keys), the sum of the counts of each, and the number of different continuations
        of each; [contexts] each.
    """
    keys, where, kinds = np.unique(contexts, return_inverse=True, return_counts=True)
    return keys, np.bincount(where, counts), kinds.astype(float)


def _find(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0.0)


def _context(contexts: tuple[np.ndarray, np.ndarray, np.ndarray], wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    keys, sums, kinds = contexts
    return _find(keys, sums, wanted), _find(keys, kinds, wanted)


def _interpolate(
    count: np.ndarray, total: np.ndarray, kinds: np.ndarray, discount: float, lower: np.ndarray
) -> np.ndarray:
    """Return the smoothed probability of one order, mixed with that of the next lower order, float64 [tokens].

    After a context that was never seen, the lower order alone decides.

    Args:
        count: Count of each sequence.
        total: Sum of the counts of its context.
        kinds: Number of different continuations of its context.
        discount: Discount of this order.
        lower: Probability by the next lower order.
    """
    safe = np.maximum(total, 1)
    return np.where(total > 0, np.maximum(count - discount, 0) / safe + discount * kinds / safe * lower, lower)
