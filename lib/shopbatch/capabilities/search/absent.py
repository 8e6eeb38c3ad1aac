"""The words of a query that no product has: then the vectors alone rank, and whoever asks should know."""

from __future__ import annotations

from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.terms import CHARACTER, PAIR, WORD, is_unspaced, pieces, word_terms
from shopbatch.capabilities.search.understanding.spelling import correct
from shopbatch.capabilities.search.understanding.vocabulary import fold
from shopbatch.capabilities.search.understanding.words import listed


def absent_words(index: SearchIndex, text: str) -> list[str]:
    """Return the words of a query if no product has any of them; else nothing.

    Words such as "the" or 我想买 do not count. Of Chinese a pair of characters counts: 狗粮 is not there because some
    product has a 狗.
    """
    empty, known = listed("stop") | listed("filler"), index.lexical.numbers
    words = [piece for piece in dict.fromkeys(pieces(text.lower())) if piece not in empty]
    return [] if any(not known.keys().isdisjoint(_terms(word)) for word in words) else words


def _terms(word: str) -> list[str]:
    """The terms of which one must be there."""
    if not is_unspaced(word[0]):
        return word_terms(word)
    return [PAIR + word[at : at + 2] for at in range(len(word) - 1)] or [CHARACTER + word]


def better_words(index: SearchIndex, query: str) -> list[str]:
    """Return the words of the catalogue that misspelt words of a query are near to."""
    if index.stated is None:
        return []
    corrections = correct(fold(query), index.stated.vocabulary).corrections
    return [better for _, better in corrections if WORD + better in index.lexical.numbers]
