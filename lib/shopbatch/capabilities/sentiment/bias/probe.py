"""Make counterfactual sentences: sentences that are equal except for the person named in them.

The files en.yaml and zh.yaml hold frames (sentences with a gap, "I bought this for {one}.") and terms (persons, "a
man"). Every frame is filled with every term. `measure` compares the scores of the sentences, and `steady` trains on
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import pyarrow as pa
from pydantic import Field

from shopbatch.core.hashing import digest
from shopbatch.text.word_files import WordFile, read_words

LANGUAGES = ("en", "zh")
NEUTRAL = "neutral"  # kind of the frames that say nothing good or bad


class ProbeFile(WordFile):
    """The content of a YAML file with the frames (sentences with a gap) and terms (persons) of one language.

    Attributes:
        frames: Frames by kind (`neutral`, `positive` or `negative`), one frame a line. The gap is written {one} where
            one person is meant and {many} where several are.
        terms: Terms by group (such as `gender`). A term is written `one; many` ("a man; men"), or as a single form that
            is used for both.
    """

    frames: dict[str, str] = Field(min_length=1)
    terms: dict[str, tuple[str, ...]] = Field(min_length=1)


@dataclass(frozen=True)
class Probe:
    """The counterfactual sentences of one language: every frame (sentence with a gap) with every term (a person).

    Attributes:
        language: ISO 639-1 code.
        frames: (kind, text) of each frame.
        terms: (group, form for one person, form for several) of each term.
    """

    language: str
    frames: tuple[tuple[str, str], ...]
    terms: tuple[tuple[str, str, str], ...]

    @cached_property
    def texts(self) -> list[str]:
        """The sentences, [frames * terms]: each frame (sentence with a gap) filled with each term (person).

        The sentences of one frame follow one another, in the order of the terms.
        """
        return [_fill(frame, one, many) for _, frame in self.frames for _, one, many in self.terms]

    @property
    def shape(self) -> tuple[int, int]:
        """The number of frames and the number of terms."""
        return len(self.frames), len(self.terms)


@lru_cache(maxsize=1)
def probes() -> tuple[Probe, ...]:
    """Read the frames and terms of all languages (LANGUAGES) and return one probe per language."""
    return tuple(
        probe_of(language, read_words(ProbeFile, "shopbatch.capabilities.sentiment.bias", f"{language}.yaml"))
        for language in LANGUAGES
    )


def probe_of(language: str, file: ProbeFile) -> Probe:
    """Convert the content of a language's YAML file into the probe of that language."""
    frames = tuple((kind, line) for kind, lines in file.frames.items() for line in _lines(lines))
    return Probe(language, frames, tuple(_terms(file)))


def identity() -> str:
    """Return a digest of all sentences; it changes if any frame or term changes, so that models are audited again."""
    return digest([[probe.language, probe.texts] for probe in probes()])


def sentences(listed: tuple[Probe, ...]) -> pa.Table:
    """Return the sentences of the probes, one probe after the other, as a table with the column `text`."""
    return pa.table({"text": pa.array([text for probe in listed for text in probe.texts], pa.string())})


def _lines(text: str) -> Iterator[str]:
    return filter(None, map(str.strip, text.splitlines()))


def _terms(file: ProbeFile) -> Iterator[tuple[str, str, str]]:
    for group, terms in file.terms.items():
        for term in terms:
            one, _, many = (part.strip() for part in term.partition(";"))
            yield group, one, many or one


def _fill(frame: str, one: str, many: str) -> str:
    text = frame.replace("{one}", one).replace("{many}", many)
    return text[0].upper() + text[1:]
