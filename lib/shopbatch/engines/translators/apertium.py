"""Translation by the program Apertium (GPL), which runs as a separate process and is not part of this package.

Several texts are sent in one call, separated by lines with a marker and a number. If these lines do not come back
unchanged, the texts are translated one by one instead.
"""

from __future__ import annotations

import hashlib
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from shopbatch.core.errors import UserError
from shopbatch.engines.base import EngineError, Generated
from shopbatch.engines.translator_configs import ApertiumConfig

# ISO 639-3 codes, by which Apertium names its pairs
_CODES = {
    "af": "afr", "ar": "ara", "be": "bel", "bg": "bul", "ca": "cat", "cy": "cym", "da": "dan", "de": "deu", "en": "eng",
    "eo": "epo", "es": "spa", "eu": "eus", "fr": "fra", "gl": "glg", "hi": "hin", "id": "ind", "is": "isl", "it": "ita",
    "kk": "kaz", "mk": "mkd", "mt": "mlt", "nl": "nld", "no": "nob", "oc": "oci", "pl": "pol", "pt": "por", "ro": "ron",
    "ru": "rus", "sv": "swe", "tr": "tur", "uk": "ukr", "ur": "urd",
}  # fmt: skip
_GROWTH = 8  # maximum size of a translation: _GROWTH times the bytes of its text, plus _ROOM
_ROOM = 65_536
_CHUNK = 65_536


def mode_of(config: ApertiumConfig, pair: tuple[str, str]) -> str:
    """Return the name of Apertium's mode (one direction of translation) for a language pair: ("en", "es") -> "eng-spa".

    Args:
        config: Its `modes` override the default name.
        pair: ISO 639-1 codes of the source language and of the target language.
    """
    named = config.modes.get("-".join(pair))
    return named or "-".join(_CODES.get(code, code) for code in pair)


def has_pair(config: ApertiumConfig, pair: tuple[str, str]) -> bool:
    """Return True if Apertium's files for a language pair are installed."""
    return _mode_file(config, pair).is_file()


def digest_of(config: ApertiumConfig, pair: tuple[str, str]) -> str:
    """Return a SHA-256, in hex, of Apertium's files for a language pair: the mode file, and the files that it names.

    It is part of the recipe, so that an update of the pair leads to new translations.

    Args:
        config: Settings of Apertium.
        pair: ISO 639-1 codes of the source language and of the target language.

    Raises:
        UserError: The program or the pair is not installed.
    """
    program(config)
    mode = _mode_file(config, pair)
    if not mode.is_file():
        raise UserError(
            f"engine apertium has no pair {mode_of(config, pair)} in {config.data}: install it, or set engine.modes"
        )
    said, seen = hashlib.sha256(), mode.read_text("utf-8", "replace")
    said.update(seen.encode())
    for path in sorted(set(re.findall(r"'(/[^']+)'", seen))):
        if Path(path).is_file():
            said.update(Path(path).read_bytes())
    return said.hexdigest()


def _mode_file(config: ApertiumConfig, pair: tuple[str, str]) -> Path:
    """Return the path of the file that defines the mode of a language pair; the file may not exist."""
    return Path(config.data) / "modes" / f"{mode_of(config, pair)}.mode"


def program(config: ApertiumConfig) -> str:
    """Return the path of the program Apertium; raise UserError if it is not installed."""
    path = shutil.which(config.program)
    if path is None:
        raise UserError(f"engine apertium: no program {config.program!r}; install Apertium, or set engine.program")
    return path


class ApertiumTranslator:
    """A translator that calls the program Apertium, as `ApertiumConfig` describes it."""

    def __init__(self, config: ApertiumConfig) -> None:
        """Find the program on the PATH; raise UserError if it is not installed."""
        self.config, self.program = config, program(config)

    def translate(self, texts: Sequence[str], pair: tuple[str, str], attempt: int) -> Generated:
        """Translate texts, in order (see `Translator.translate`); each word counts as one token.

        `attempt` has no effect, because Apertium always translates a text in the same way.
        """
        out: list[str] = []
        batch: list[str] = []
        for text in texts:
            if batch and sum(len(t.encode()) for t in batch) + len(text.encode()) > self.config.batch_bytes:
                out += self._batch(batch, pair)
                batch = []
            batch.append(text)
        out += self._batch(batch, pair) if batch else []
        tokens = [np.array([len(t.split()) for t in side], np.int32) for side in (texts, out)]
        return Generated(out, tokens[0], tokens[1], ["stop"] * len(out))

    def _batch(self, texts: list[str], pair: tuple[str, str]) -> list[str]:
        """Translate several texts in one call of the program, or one by one if its separating lines are changed."""
        if len(texts) == 1:
            return [self._call(texts[0], pair).strip("\n")]
        sign = _sign(texts)
        whole = self._call("".join(f"\n\n⟦{sign}:{n}⟧\n\n{text}" for n, text in enumerate(texts)), pair)
        pieces = re.split(rf"\s*⟦{sign}:(\d+)⟧\s*", whole)
        if pieces[1::2] != [str(n) for n in range(len(texts))] or pieces[0].strip():
            return [self._call(text, pair).strip("\n") for text in texts]
        return [piece.strip("\n") for piece in pieces[2::2]]

    def _call(self, text: str, pair: tuple[str, str]) -> str:
        """Run the program once on a text and return its output.

        Raises:
            EngineError: The program fails, takes longer than `timeout` seconds, or writes much more than the text's
                length.
        """
        config, data = self.config, text.encode()
        most = _GROWTH * len(data) + _ROOM
        command = [self.program, "-d", config.data, "-n", "-u", mode_of(config, pair)]
        variables = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write(data)
            given.seek(0)
            process = subprocess.Popen(
                command, stdin=given, stdout=subprocess.PIPE, stderr=said, env=variables, start_new_session=True
            )
            try:
                answer = _read(process.stdout, most, time.monotonic() + config.timeout)
                code = process.wait(timeout=config.timeout)
            except (EngineError, subprocess.TimeoutExpired) as error:
                raise EngineError(f"apertium {mode_of(config, pair)}: {error}") from None
            finally:
                _end(process)
            if code:
                said.seek(0)
                words = said.read(300).decode("utf-8", "replace").split("\n")[0]
                raise EngineError(f"apertium {mode_of(config, pair)}: exit code {code}: {words}")
        return answer.decode("utf-8", "replace")


def _read(pipe: IO[bytes] | None, most: int, until: float) -> bytes:
    """Read the output of a program to its end.

    Args:
        pipe: The program's standard output.
        most: Maximum number of bytes.
        until: Time on `time.monotonic` at which the output must be complete.

    Raises:
        EngineError: The output is larger than `most`, or not complete in time.
    """
    if pipe is None:
        return b""
    os.set_blocking(pipe.fileno(), False)
    parts, size = list[bytes](), 0
    while True:
        left = until - time.monotonic()
        if left <= 0:
            raise EngineError("no answer in time")
        ready, _, _ = select.select([pipe], [], [], left)
        if not ready:
            continue
        part = os.read(pipe.fileno(), _CHUNK)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > most:
            raise EngineError(f"more than {most} bytes for an answer")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and the processes that it started, unless it has exited."""
    if process.stdout is not None:
        process.stdout.close()
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _sign(texts: Sequence[str]) -> str:
    """Return a number as text that occurs in none of the texts, to mark the separating lines."""
    number = int.from_bytes(hashlib.blake2b("\0".join(texts).encode(), digest_size=4).digest())
    while any(str(number) in text for text in texts):
        number += 1
    return str(number)
