"""Finds the words of a query that no product contains, so that `shopbatch search` can tell the shopper.

If no product contains any word of a query, only the vectors rank the products.
"""

from __future__ import annotations

from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.terms import CHARACTER, PAIR, WORD, is_unspaced, pieces, word_terms
from shopbatch.capabilities.search.understanding.spelling import correct
from shopbatch.capabilities.search.understanding.vocabulary import fold
from shopbatch.capabilities.search.understanding.words import listed


def absent_words(index: SearchIndex, text: str) -> list[str]:
    """Return the words of a query if no product contains any of them; an empty list if some product contains one.

    Words such as "the" or 我想买 are ignored. In Chinese, a pair of characters must match: 狗粮 counts as absent
    although some product contains 狗.

    Args:
        index: The index.
        text: The query.
    """
    empty, known = listed("stop") | listed("filler"), index.lexical.numbers
    words = [piece for piece in dict.fromkeys(pieces(text.lower())) if piece not in empty]
    return [] if any(not known.keys().isdisjoint(_terms(word)) for word in words) else words


def _terms(word: str) -> list[str]:
    """Return the index terms of a word; a product contains the word if it contains at least one of these terms.

    They are the whole word and its stem, or the pairs of neighbouring characters in a script without spaces (Chinese).
    """
    if not is_unspaced(word[0]):
        return word_terms(word)
    return [PAIR + word[at : at + 2] for at in range(len(word) - 1)] or [CHARACTER + word]


def better_words(index: SearchIndex, query: str) -> list[str]:
    """Suggest spellings: return the catalogue's words that misspelt words of a query probably stand for.

    Args:
        index: The index.
        query: The query.

    Returns:
        The corrected words that the index contains; empty if the index was built without `understand`.
    """
    if index.stated is None:
        return []
    corrections = correct(fold(query), index.stated.vocabulary).corrections
    return [better for _, better in corrections if WORD + better in index.lexical.numbers]
