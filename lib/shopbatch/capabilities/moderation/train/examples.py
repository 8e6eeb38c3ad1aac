"""The examples that the model learns from: example files (examples/KIND.LANGUAGE.yaml), and a shop's own reviews.

A line of a file is one example in several wordings: `{a|b}` is either, `#` a digit. All wordings of a line stay in one
part of the cross-validation, so that a figure is always of lines that were not learnt from.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np

from shopbatch.capabilities.moderation.model import KINDS
from shopbatch.core.hashing import digest
from shopbatch.text.word_files import WordFile, read_words

LANGUAGES = ("en", "zh")
BENIGN = "benign"
_PACKAGE = "shopbatch.capabilities.moderation.train"
_SLOT = re.compile(r"\{([^{}]*)\}")
_BLANK_BESIDE_HAN = re.compile(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])")
# a text of one of these kinds may as well be of the other one, and is no example against it
_OVERLAPPING = frozenset(
    {("contact", "advert"), ("insult", "slander"), ("insult", "threat"), ("slander", "threat")}
)


class ExampleFile(WordFile):
    """What a file of examples holds: one line an example."""

    lines: str


@dataclass(frozen=True)
class Examples:
    """Texts and what they are.

    Attributes:
        texts: [n].
        kinds: The kinds of each; empty for a harmless one.
        language: ISO 639-1 code of each, [n] of str.
        line: The line that a text is a wording of, int64 [n].
        weight: What it counts; the wordings of a line share its weight, float64 [n].
    """

    texts: list[str]
    kinds: list[frozenset[str]]
    language: np.ndarray
    line: np.ndarray
    weight: np.ndarray

    @property
    def harmful(self) -> np.ndarray:
        """Which ones are of any kind, bool [n]."""
        return np.array([bool(kinds) for kinds in self.kinds], bool)

    def targets(self) -> np.ndarray:
        """Return 1 where a text is of a kind, 0 where it is not, nan where it may be, float64 [n, kinds]."""
        out = np.zeros((len(self.texts), len(KINDS)))
        for row, kinds in enumerate(self.kinds):
            for column, kind in enumerate(KINDS):
                if kind in kinds:
                    out[row, column] = 1
                elif any((kind, own) in _OVERLAPPING or (own, kind) in _OVERLAPPING for own in kinds):
                    out[row, column] = np.nan
        return out


def shipped(wordings: int) -> Examples:
    """Read the example files of the package.

    Args:
        wordings: Most wordings of a line.
    """
    rows = [(text, kinds, language, (language, line))
            for kinds, language, line in _lines()
            for text in worded(line, wordings, language)]  # fmt: skip
    return collect(rows)


def collect(rows: Sequence[tuple[str, frozenset[str], str, object]]) -> Examples:
    """Put texts, their kinds, languages and lines together, each text once."""
    once = {text: (kinds, language, line) for text, kinds, language, line in reversed(rows)}
    numbers: dict[object, int] = {}
    line = np.array([numbers.setdefault(each, len(numbers)) for _, _, each in once.values()], np.int64)
    share = np.sqrt(np.bincount(line, minlength=len(numbers)))  # a line with many wordings says more than one with one
    kinds = [each for each, _, _ in once.values()]
    return Examples(list(once), kinds, np.array([each for _, each, _ in once.values()]), line, 1 / share[line])


def identity() -> str:
    """Return a digest of all example files."""
    return digest([[sorted(kinds), language, line] for kinds, language, line in _lines()])


def worded(line: str, most: int, language: str) -> list[str]:
    """Return at most so many wordings of a line, always the same ones."""
    draw = random.Random(line)  # noqa: S311 (no secret)
    ways = 1
    for slot in _SLOT.findall(line):
        ways *= slot.count("|") + 1
    texts: dict[str, None] = {}
    for _ in range(3 * most):
        texts[_drawn(line, draw, language)] = None
        if len(texts) >= min(most, ways if "#" not in line else most):
            break
    return list(texts)


def _drawn(line: str, draw: random.Random, language: str) -> str:
    while (slot := _SLOT.search(line)) is not None:  # the innermost ones first
        line = line[: slot.start()] + draw.choice(slot[1].split("|")) + line[slot.end() :]
    text = " ".join("".join(draw.choice("0123456789") if c == "#" else c for c in line).split())
    return _BLANK_BESIDE_HAN.sub("", text) if language == "zh" else text


def _lines() -> Iterator[tuple[frozenset[str], str, str]]:
    """The kinds, language and text of every line."""
    folder = resources.files(_PACKAGE).joinpath("examples")
    for name in sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml")):
        kind, language, _ = name.split(".")
        kinds = frozenset() if kind == BENIGN else frozenset(kind.split("+"))
        for line in read_words(ExampleFile, _PACKAGE, f"examples/{name}").lines.splitlines():
            if line.strip():
                yield kinds, language, line.strip()
