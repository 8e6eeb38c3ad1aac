"""Measures by a multilingual encoder how similar a text and its translation are, as a whole and clause by clause.

This finds missing parts, added parts, and translations of another text. It does not notice a dropped negation or a
changed number. The mean vector of some sentences of the language (anchors.yaml) is subtracted from each vector, because
otherwise all texts of a language are similar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.translation.atoms import atoms
from shopbatch.engines.base import Encoder, encode_all
from shopbatch.text.clauses import clauses
from shopbatch.text.word_files import WordFile, read_words

VERSION = 2
_LEAST = 21  # a clause needs so many letters to be compared; a third of it in Chinese


@dataclass(frozen=True)
class Thresholds:
    """Lower limits of the cosines in `Likeness`; a translation below one of them has a fault.

    Attributes:
        whole: Least cosine of the whole text and the whole translation, -1 to 1.
        covered: Least cosine of each clause of the text with the most similar part of the translation, -1 to 1.
        backed: Least cosine of each clause of the translation with the most similar part of the text, -1 to 1.
        margin: Added to `covered` where the translation is shorter than expected or has fewer sentences, and to
            `backed` where it is longer than expected.
    """

    whole: float = 0.12
    covered: float = 0.04
    backed: float = -0.02
    margin: float = 0.12


THRESHOLDS = Thresholds()
LONGER = 0.2  # log length ratio from which a translation counts as longer (or, negative, shorter)


@dataclass(frozen=True)
class Likeness:
    """How similar a text and its translation are: cosines (-1 to 1) of centred vectors.

    Each clause of one side is compared with the most similar part of the other side.

    Attributes:
        whole: Cosine of the whole text and the whole translation.
        covered: The lowest of these cosines among the clauses of the text; 1 if the text is a single clause.
        backed: The lowest among the clauses of the translation; 1 if the translation is a single clause.
        clause: The clause of the text whose cosine is `covered`; its translation may be missing.
        added: The clause of the translation whose cosine is `backed`; the text may not contain it.
    """

    whole: float
    covered: float = 1.0
    backed: float = 1.0
    clause: str = ""
    added: str = ""

    def faults(self, thresholds: Thresholds, longer: float, fewer: bool = False) -> list[tuple[str, str]]:
        """Return (kind, detail) of each cosine below its limit; the kinds are meaning, missing and added.

        Args:
            thresholds: The limits.
            longer: Natural logarithm of the translation's length divided by the expected one; below 0 it is shorter.
            fewer: Whether the translation has fewer sentences than the text.
        """
        faults = []
        covered = thresholds.covered + (thresholds.margin if longer < -LONGER or fewer else 0.0)
        backed = thresholds.backed + (thresholds.margin if longer > LONGER else 0.0)
        if self.whole < thresholds.whole:
            faults.append(("meaning", f"likeness {self.whole:.2f} of the whole"))
        if self.covered < covered:
            faults.append(("missing", f"nothing like: {self.clause}"))
        if self.backed < backed:
            faults.append(("added", f"nothing like: {self.added}"))
        return faults


class _Anchors(WordFile):
    sentences: dict[str, tuple[str, ...]]


@lru_cache(maxsize=1)
def _anchors() -> Mapping[str, tuple[str, ...]]:
    return read_words(_Anchors, "shopbatch.capabilities.translation.checks", "anchors.yaml").sentences


class Comparer:
    """Compares texts with translations by the vectors of an encoder; `TranslationScorer` uses it after translating."""

    def __init__(self, encoder: Encoder, prefix: str = "") -> None:
        """Keep the encoder.

        Args:
            encoder: A multilingual encoder.
            prefix: Text put before every text that is encoded.
        """
        self.encoder, self.prefix = encoder, prefix
        self._means: dict[str, np.ndarray] = {}

    def _mean(self, language: str) -> np.ndarray:
        """Return the mean vector [dim] of the anchor sentences of a language, or of all languages if it has none."""
        if language not in self._means:
            texts = _anchors().get(language) or tuple(t for every in _anchors().values() for t in every)
            self._means[language] = self._vectors(texts).mean(axis=0)
        return self._means[language]

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Encode texts into vectors of length 1, float [n, dim]."""
        vectors = encode_all(self.encoder, pa.array([self.prefix + text for text in texts], pa.string())).vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-9))

    def compare(self, pairs: Sequence[tuple[str, str, tuple[str, str]]]) -> list[Likeness]:
        """Return the similarity of each text and its translation, in the order of the pairs.

        Args:
            pairs: (text, translation, (language of the text, language of the translation)) each.
        """
        pieces = [(parts(one, codes[0]), parts(other, codes[1])) for one, other, codes in pairs]
        every: dict[tuple[str, str], int] = {}
        for (before, after), (_, _, codes) in zip(pieces, pairs, strict=True):
            for text in before:
                every.setdefault((text, codes[0]), len(every))
            for text in after:
                every.setdefault((text, codes[1]), len(every))
        if not every:
            return []
        vectors = self._vectors([text for text, _ in every])
        for (_, code), row in every.items():
            vectors[row] -= self._mean(code)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        out = []
        for (before, after), (_, _, codes) in zip(pieces, pairs, strict=True):
            a = vectors[[every[text, codes[0]] for text in before]]
            b = vectors[[every[text, codes[1]] for text in after]]
            out.append(_likeness(before, after, a @ b.T))
        return out


def parts(text: str, language: str) -> list[str]:
    """Return the pieces of a text to encode: the whole text, its n clauses, its n - 1 pairs of neighbouring clauses.

    A clause with fewer than 21 letters (7 Chinese, Japanese or Korean characters) is joined to the next clause; the
    last clause is joined to the one before it. URLs, tags and placeholders are left out. A text of one clause gives
    only itself.

    Returns:
        A list of 1 or of 2 n pieces.
    """
    for atom in reversed(atoms(text)):
        if atom.kind in ("address", "tag", "placeholder"):
            text = text[: atom.start] + " " + text[atom.end :]
    least = _LEAST / 3 if language in ("zh", "ja", "ko") else _LEAST
    joint = "" if language in ("zh", "ja") else " "
    single: list[str] = []
    open_ended = False
    for clause in clauses(text):
        if single and open_ended:
            single[-1] += joint + clause
        else:
            single.append(clause)
        open_ended = sum(c.isalpha() for c in single[-1]) < least
    if open_ended and len(single) > 1:
        last = single.pop()
        single[-1] += joint + last
    if len(single) < 2:
        return [text]
    return [text, *single, *(joint.join(single[i : i + 2]) for i in range(len(single) - 1))]


def _singles(pieces: Sequence[str]) -> int:
    """Return the number n of single clauses in a list that `parts` made; 0 if it holds only the whole text."""
    return len(pieces) // 2 if len(pieces) > 1 else 0


def _likeness(before: Sequence[str], after: Sequence[str], cosines: np.ndarray) -> Likeness:
    """Summarise the cosines of the pieces of a text and of its translation.

    Args:
        before: Pieces of the text, see `parts`.
        after: Pieces of the translation.
        cosines: Cosine of each piece of the text with each piece of the translation, [before, after].
    """
    covered = backed = 1.0
    clause = added = ""
    if n := _singles(before):
        best = cosines[1 : 1 + n].max(axis=1)
        covered, clause = float(best.min()), before[1 + int(best.argmin())]
    if n := _singles(after):
        best = cosines[:, 1 : 1 + n].max(axis=0)
        backed, added = float(best.min()), after[1 + int(best.argmin())]
    return Likeness(float(cosines[0, 0]), covered, backed, clause, added)
