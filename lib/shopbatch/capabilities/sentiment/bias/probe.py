"""Counterfactual sentences: frames (en.yaml, zh.yaml) in which one person after the other is put."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import pyarrow as pa
from pydantic import Field

from shopbatch.core.hashing import digest
from shopbatch.text.word_files import WordFile, read_words

LANGUAGES = ("en", "zh")
NEUTRAL = "neutral"  # the kind of the frames that say nothing good or bad


class ProbeFile(WordFile):
    """What a file of frames and terms holds.

    Attributes:
        frames: By kind, one frame a line; {one} is a person, {many} are several.
        terms: By group; `one; many`, or a form that serves for both.
    """

    frames: dict[str, str] = Field(min_length=1)
    terms: dict[str, tuple[str, ...]] = Field(min_length=1)


@dataclass(frozen=True)
class Probe:
    """The sentences of one language: every frame with every term.

    Attributes:
        language: ISO 639-1 code.
        frames: Kind and text of each frame.
        terms: Group, form for one person and form for several, of each term.
    """

    language: str
    frames: tuple[tuple[str, str], ...]
    terms: tuple[tuple[str, str, str], ...]

    @cached_property
    def texts(self) -> list[str]:
        """The sentences, frame by frame, [frames * terms]."""
        return [_fill(frame, one, many) for _, frame in self.frames for _, one, many in self.terms]

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of frames and terms."""
        return len(self.frames), len(self.terms)


@lru_cache(maxsize=1)
def probes() -> tuple[Probe, ...]:
    """Read the probes of all languages."""
    return tuple(
        probe_of(language, read_words(ProbeFile, "shopbatch.capabilities.sentiment.bias", f"{language}.yaml"))
        for language in LANGUAGES
    )


def probe_of(language: str, file: ProbeFile) -> Probe:
    """Make a probe of what a file holds."""
    frames = tuple((kind, line) for kind, lines in file.frames.items() for line in _lines(lines))
    return Probe(language, frames, tuple(_terms(file)))


def identity() -> str:
    """Return a digest of all sentences."""
    return digest([[probe.language, probe.texts] for probe in probes()])


def sentences(listed: tuple[Probe, ...]) -> pa.Table:
    """Return the sentences of probes, one after the other: text."""
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
