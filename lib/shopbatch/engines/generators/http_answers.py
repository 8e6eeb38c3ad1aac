"""What an OpenAI-compatible server says: its answers, its refusals, and when to ask again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from shopbatch.engines.base import Finish

_LONGEST_RETRY_AFTER = 300.0  # seconds; one who asks for more is asked again too early, and refuses again
_SAID_CHARACTERS = 300
_BROKEN_OFF = ("abort", "error")  # what some servers give as the reason of an end that the model did not choose
_SILENT = ("length", "content_filter")  # ends that explain an answer without text


class Later(Exception):
    """No sound answer this time. after: seconds that the server wants to be left alone."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


@dataclass(frozen=True)
class Answer:
    """The text as the server gave it. tokens: 0 where the server does not say."""

    text: str
    tokens_in: int
    tokens_out: int
    finish: Finish

    def cut(self, stop: Sequence[str]) -> tuple[str, Finish]:
        """(text before the first stop text, why it ended). Some servers keep the stop text, some do not look for it."""
        found = [at for s in stop if (at := self.text.find(s)) >= 0]
        return (self.text[: min(found)], "stop") if found else (self.text, self.finish)


def read(content: bytes) -> Answer:
    """The answer in the body of a response. Raises Later if it has none.

    A text that a filter took away is an empty one, and so is one that the model had no tokens left for.
    """
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason")
        text = message.get("content") if finish in _SILENT else message["content"]
        usage = body.get("usage")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise Later("an answer that is cut off or no chat completion") from None
    if finish in _BROKEN_OFF or not (text or finish):
        raise Later("an answer that was broken off")
    if not isinstance(text or "", str):
        raise Later("an answer that is not text")
    counts = usage if isinstance(usage, dict) else {}
    return Answer(
        (text or "").encode(errors="replace").decode(),  # half a surrogate pair can not be stored
        _count(counts.get("prompt_tokens")),
        _count(counts.get("completion_tokens")),
        "length" if finish == "length" else "stop",
    )


def refusal(content: bytes) -> str:
    """What the body of a refusal says, whichever of the usual forms it has."""
    text = content.decode(errors="replace")
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for name in ("error", "message", "detail"):
        if isinstance(said, dict) and said.get(name):
            said = said[name]
    return said if isinstance(said, str) else json.dumps(said)


def without(text: str, contents: Sequence[str], key: str) -> str:
    """One line of at most 300 characters, ended before it repeats any part of the contents or of the key."""
    line = _line(text)[: 4 * _SAID_CHARACTERS]
    ends = [_repeats(line, key, 6)]
    for content in contents:
        for form in {content, repr(content)[1:-1], json.dumps(content)[1:-1], json.dumps(content, ensure_ascii=False)}:
            ends.append(_repeats(line, _line(form), 16))
    return line[: min(ends)].rstrip()[:_SAID_CHARACTERS]


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds: the header has seconds or a date, which is compared with the server's own clock."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", value):
        return min(float(value), _LONGEST_RETRY_AFTER)
    try:
        left = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return 0.0
    return min(max(left.total_seconds(), 0.0), _LONGEST_RETRY_AFTER)


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < 2**31 else 0


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _repeats(text: str, secret: str, size: int) -> int:
    """Where `text` begins to repeat `size` characters of the secret (all of a shorter one); its length: nowhere."""
    size = min(size, len(secret))
    if size < 4:  # so little is in every text
        return len(text)
    return next((i for i in range(len(text) - size + 1) if text[i : i + size] in secret), len(text))
