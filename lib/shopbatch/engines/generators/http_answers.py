"""The responses of an OpenAI-compatible server: its answers, its refusals, and when to ask once more."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from shopbatch.engines.base import Finish

_LONGEST_RETRY_AFTER = 300.0  # seconds; a server that asks for more gets the next request too early, and refuses it
_QUOTED_CHARACTERS = 300  # of what a server says, in an error
_INTERRUPTED = ("abort", "error")  # reasons that some servers give for an end that the model did not choose
_SILENT = ("length", "content_filter")  # reasons that explain an answer without text


class RetryLater(Exception):
    """No valid answer this time.

    Attributes:
        after: Seconds that the server wants the client to wait.
    """

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


@dataclass(frozen=True)
class Answer:
    """The text as the server gave it. A number of tokens is 0 where the server gives none."""

    text: str
    tokens_in: int
    tokens_out: int
    finish: Finish

    def cut(self, stop: Sequence[str]) -> tuple[str, Finish]:
        """Return the text before the first stop text, and why it ended.

        Some servers keep the stop text in the answer, some do not look for it.
        """
        ends = [at for s in stop if (at := self.text.find(s)) >= 0]
        return (self.text[: min(ends)], "stop") if ends else (self.text, self.finish)


def read(content: bytes) -> Answer:
    """Read the answer in the body of a response.

    The answer is empty if a filter removed the text, or the model had no tokens left for one.

    Raises:
        RetryLater: The body has no complete answer.
    """
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason")
        text = message.get("content") if finish in _SILENT else message["content"]
        usage = body.get("usage")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise RetryLater("an answer that is cut off or is not a chat completion") from None
    if finish in _INTERRUPTED or not (text or finish):
        raise RetryLater("an answer that was interrupted")
    if not isinstance(text or "", str):
        raise RetryLater("an answer that is not text")
    counts = usage if isinstance(usage, dict) else {}
    return Answer(
        (text or "").encode(errors="replace").decode(),  # half a surrogate pair cannot be stored
        _count(counts.get("prompt_tokens")),
        _count(counts.get("completion_tokens")),
        "length" if finish == "length" else "stop",
    )


def refusal(content: bytes) -> str:
    """Return the message in the body of a refusal, in whichever of the usual forms it comes."""
    text = content.decode(errors="replace")
    try:
        message: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for name in ("error", "message", "detail"):
        if isinstance(message, dict) and message.get(name):
            message = message[name]
    return message if isinstance(message, str) else json.dumps(message)


def without(text: str, contents: Sequence[str], key: str) -> str:
    """Make a message one line of at most 300 characters that repeats no part of the contents or of the key.

    The line ends before the first repetition.
    """
    line = _printable_line(text)[: 4 * _QUOTED_CHARACTERS]
    ends = [_repeats(line, key, 6)]
    for content in contents:
        for form in {content, repr(content)[1:-1], json.dumps(content)[1:-1], json.dumps(content, ensure_ascii=False)}:
            ends.append(_repeats(line, _printable_line(form), 16))
    return line[: min(ends)].rstrip()[:_QUOTED_CHARACTERS]


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait before the next request, 0 if the server names none.

    The header holds seconds, or a date, which is compared with the server's own clock.
    """
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


def _printable_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _repeats(text: str, secret: str, size: int) -> int:
    """Where `text` begins to repeat `size` characters of the secret (all of a shorter one); its length if nowhere."""
    size = min(size, len(secret))
    if size < 4:  # so few characters occur in every text
        return len(text)
    return next((i for i in range(len(text) - size + 1) if text[i : i + size] in secret), len(text))
