"""How alike a text and its translation are to a multilingual encoder: as a whole, and clause by clause.

It sees a part that is missing or added, and another text. It is blind to a dropped negation and a changed number.
Vectors are taken from the mean of some sentences of their language (anchors.yaml): else all texts of it are alike.
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
_LEAST = 21  # letters of a clause that can be compared; of Chinese a third


@dataclass(frozen=True)
class Thresholds:
    """Least likeness of the whole, of each clause of the text, and of each clause of the translation, -1 to 1.

    Where the translation is shorter or longer than expected as well, or has fewer sentences, a clause needs `margin`
    more.
    """

    whole: float = 0.12
    covered: float = 0.04
    backed: float = -0.02
    margin: float = 0.12


THRESHOLDS = Thresholds()
LONGER = 0.2  # logarithm of the length from which a translation is longer or shorter than expected


@dataclass(frozen=True)
class Likeness:
    """How alike a text and its translation are, as cosines of centred vectors.

    Attributes:
        whole: Of the two texts.
        covered: Of the clause of the text that is least alike to anything in the translation.
        backed: Of the clause of the translation that is least alike to anything in the text.
        clause: The clause that `covered` is of.
        added: The clause that `backed` is of.
    """

    whole: float
    covered: float = 1.0
    backed: float = 1.0
    clause: str = ""
    added: str = ""

    def faults(self, thresholds: Thresholds, longer: float, fewer: bool = False) -> list[tuple[str, str]]:
        """Return (kind, detail) of what lies under the thresholds.

        Args:
            thresholds: The thresholds.
            longer: By how much the translation is longer than expected, as a logarithm.
            fewer: Whether it has fewer sentences.
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
    """Compares texts with translations by an encoder."""

    def __init__(self, encoder: Encoder, prefix: str = "") -> None:
        """Take an encoder, and what is put before every text."""
        self.encoder, self.prefix = encoder, prefix
        self._means: dict[str, np.ndarray] = {}

    def _mean(self, language: str) -> np.ndarray:
        if language not in self._means:
            texts = _anchors().get(language) or tuple(t for every in _anchors().values() for t in every)
            self._means[language] = self._vectors(texts).mean(axis=0)
        return self._means[language]

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        vectors = encode_all(self.encoder, pa.array([self.prefix + text for text in texts], pa.string())).vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-9))

    def compare(self, pairs: Sequence[tuple[str, str, tuple[str, str]]]) -> list[Likeness]:
        """Compare texts with their translations: (text, translation, languages) each."""
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
    """The whole text first, then its clauses, short ones with the next one, then neighbours together."""
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
    return len(pieces) // 2 if len(pieces) > 1 else 0


def _likeness(before: Sequence[str], after: Sequence[str], cosines: np.ndarray) -> Likeness:
    covered = backed = 1.0
    clause = added = ""
    if n := _singles(before):
        best = cosines[1 : 1 + n].max(axis=1)
        covered, clause = float(best.min()), before[1 + int(best.argmin())]
    if n := _singles(after):
        best = cosines[:, 1 : 1 + n].max(axis=0)
        backed, added = float(best.min()), after[1 + int(best.argmin())]
    return Likeness(float(cosines[0, 0]), covered, backed, clause, added)
