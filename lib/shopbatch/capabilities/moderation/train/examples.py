"""The examples that the model learns from: example files (examples/KIND.LANGUAGE.yaml), and a shop's own reviews.

A line of a file is one example in several wordings: `{a|b}` is either, `#` a digit. All wordings of a line stay in one
part of the cross-validation, so that a figure is always of lines that were not learnt from. A shop's own examples are
text files of the same names (KIND.LANGUAGE.txt), one example a line.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from shopbatch.capabilities.moderation.model import KINDS
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest
from shopbatch.core.yaml_values import read_bounded
from shopbatch.text.word_files import WordFile, read_words

LANGUAGES = ("en", "zh")
BENIGN = "benign"
_LONGEST_FILE = 2**22  # bytes
_PACKAGE = "shopbatch.capabilities.moderation.train"
_SLOT = re.compile(r"\{([^{}]*)\}")
_BLANK_BESIDE_HAN = re.compile(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])")
# a text of one of these kinds may as well be of the other one, and is no example against it
_OVERLAPPING = frozenset({("contact", "advert"), ("insult", "slander"), ("insult", "threat"), ("slander", "threat")})


class ExampleFile(WordFile):
    """What a file of examples holds: one line an example."""

    lines: str


@dataclass(frozen=True)
class Line:
    """A line of a file of examples: its text, kinds and language, and whether it is of a file of the shop's own."""

    text: str
    kinds: frozenset[str]
    language: str
    own: bool = False


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


def read_lines(own: Sequence[str] = ()) -> list[Line]:
    """Read the example files of the package, and those of the shop's own.

    Raises:
        UserError: A file of the shop's own cannot be read, or its name says no kind and language.
    """
    folder = resources.files(_PACKAGE).joinpath("examples")
    lines = []
    for name in sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml")):
        kinds, language = _named(name)
        lines += _split(read_words(ExampleFile, _PACKAGE, f"examples/{name}").lines, kinds, language, False)
    for path in own:
        try:
            kinds, language = _named(Path(path).name)
            text = read_bounded(Path(path), _LONGEST_FILE)
        except (OSError, ValueError):
            raise UserError(
                f"examples.own: {path} is no text file named KIND.LANGUAGE.txt, such as threat.en.txt; KIND is "
                f"{BENIGN} or one of {', '.join(KINDS)}, or several with + between"
            ) from None
        lines += _split(text, kinds, language, True)
    return lines


def examples_of(lines: Sequence[Line], wordings: int, own_weight: float = 1.0) -> Examples:
    """Word lines.

    Args:
        lines: The lines.
        wordings: Most wordings of a line.
        own_weight: How many lines of the package one of the shop's own counts as.
    """
    once: dict[str, int] = {}
    for number, line in enumerate(lines):
        for text in [line.text] if line.own else worded(line.text, wordings, line.language):
            once.setdefault(text, number)
    number_of = np.fromiter(once.values(), np.int64, len(once))
    share = np.sqrt(np.bincount(number_of, minlength=len(lines)))  # many wordings say more than one, but not as often
    counts = np.array([own_weight if line.own else 1.0 for line in lines])
    kinds = [lines[n].kinds for n in number_of.tolist()]
    language = np.array([lines[n].language for n in number_of.tolist()])
    return Examples(list(once), kinds, language, number_of, (counts / np.maximum(share, 1))[number_of])


def with_neighbours(examples: Examples, share: float, seed: int) -> Examples:
    """Return examples with a harmless sentence before or after them, as they stand in reviews.

    Args:
        examples: What they are made of.
        share: Share of the examples that are taken.
        seed: Seed of what is drawn.
    """
    draw = random.Random(seed)
    harmless: dict[str, list[str]] = {}
    for text, kinds, language in zip(examples.texts, examples.kinds, examples.language.tolist(), strict=True):
        if not kinds:
            harmless.setdefault(language, []).append(text)
    rows = [row for row in range(len(examples.texts)) if draw.random() < share]
    texts = []
    for row in rows:
        language = str(examples.language[row])
        pair = [_ended(draw.choice(harmless.get(language, [""])), language), _ended(examples.texts[row], language)]
        if draw.random() < 0.4:
            pair.reverse()
        texts.append(("" if language == "zh" else " ").join(pair).strip())
    take = np.array(rows, np.int64)
    their_kinds = [examples.kinds[row] for row in rows]
    return Examples(texts, their_kinds, examples.language[take], examples.line[take], examples.weight[take])


def identity(lines: Sequence[Line]) -> str:
    """Return a digest of lines."""
    return digest([[sorted(line.kinds), line.language, line.text, line.own] for line in lines])


def worded(line: str, most: int, language: str) -> list[str]:
    """Return at most so many wordings of a line, always the same ones."""
    draw = random.Random(line)
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


def _ended(text: str, language: str) -> str:
    return text if not text or text[-1] in ".!?。！？" else text + ("。" if language == "zh" else ".")


def _named(name: str) -> tuple[frozenset[str], str]:
    """The kinds and the language that a file's name says. Raises ValueError."""
    kind, language, *_ = name.split(".")
    kinds = frozenset() if kind == BENIGN else frozenset(kind.split("+"))
    if not kinds <= set(KINDS) or language not in LANGUAGES:
        raise ValueError(name)
    return kinds, language


def _split(text: str, kinds: frozenset[str], language: str, own: bool) -> list[Line]:
    return [Line(line, kinds, language, own) for line in map(str.strip, text.splitlines()) if line]
