"""Parses the responses of an OpenAI-compatible server: answers, error messages, and when a request may be retried."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from shopbatch.engines.base import Finish

_LONGEST_RETRY_AFTER = 300.0  # maximum seconds; a server that asks for more may refuse the next request
_QUOTED_CHARACTERS = 300  # maximum length of a server's message in an error
_INTERRUPTED = ("abort", "error")  # finish reasons of answers that were interrupted
_SILENT = ("length", "content_filter")  # finish reasons with which an answer may have no text


class RetryLater(Exception):
    """A request got no valid answer, but may succeed when it is repeated.

    Attributes:
        after: Seconds that the server asks the client to wait before the next request; 0 if it asks for none.
    """

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


@dataclass(frozen=True)
class Answer:
    """One answer of the server, before it is cut at stop texts.

    Attributes:
        text: The text of the answer.
        tokens_in: Number of tokens of the prompt; 0 if the server does not report it.
        tokens_out: Number of tokens of the answer; 0 if the server does not report it.
        finish: Why the server ended the answer, "stop" or "length".
    """

    text: str
    tokens_in: int
    tokens_out: int
    finish: Finish

    def cut(self, stop: Sequence[str]) -> tuple[str, Finish]:
        """Cut the answer before the first stop text in it, because some servers leave it in or do not look for it.

        Returns:
            The text, and why it ended ("stop" or "length").
        """
        ends = [at for s in stop if (at := self.text.find(s)) >= 0]
        return (self.text[: min(ends)], "stop") if ends else (self.text, self.finish)


def read(content: bytes) -> Answer:
    """Parse the body of a successful response.

    Returns:
        The answer. Its text is "" if a content filter removed it, or the model used up its tokens before writing any.

    Raises:
        RetryLater: The body holds no complete answer.
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
        (text or "").encode(errors="replace").decode(),  # replaces half surrogate pairs, which cannot be stored
        _count(counts.get("prompt_tokens")),
        _count(counts.get("completion_tokens")),
        "length" if finish == "length" else "stop",
    )


def refusal(content: bytes) -> str:
    """Return the error message in the body of an error response, whichever of the usual JSON forms it has."""
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
    """Shorten a server's message to one line that reveals neither the prompt's contents nor the API key.

    The line has at most 300 characters, and ends before the first passage that repeats a part of the contents or of the
    key.

    Args:
        text: The server's message.
        contents: Texts of the request's messages. 16 equal characters count as a repetition.
        key: The API key. 6 equal characters count as a repetition.
    """
    line = _printable_line(text)[: 4 * _QUOTED_CHARACTERS]
    ends = [_repeats(line, key, 6)]
    for content in contents:
        for form in {content, repr(content)[1:-1], json.dumps(content)[1:-1], json.dumps(content, ensure_ascii=False)}:
            ends.append(_repeats(line, _printable_line(form), 16))
    return line[: min(ends)].rstrip()[:_QUOTED_CHARACTERS]


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait before the next request, from the header Retry-After; 0 if the server names none.

    The header holds a number of seconds, or a date, which is compared with the server's own clock (header Date). The
    result is at most 300 seconds.

    Args:
        headers: Headers of the response, by lower-case name.
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
    """Return a token count that the server reported; 0 if it is not a valid count."""
    return value if type(value) is int and 0 <= value < 2**31 else 0


def _printable_line(text: str) -> str:
    """Return a text as one line, with single spaces for white space and unprintable characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _repeats(text: str, secret: str, size: int) -> int:
    """Return the index at which `text` first repeats a part of `secret`; len(text) if it never does.

    Args:
        text: The text to search.
        secret: The secret. One of fewer than 4 characters is ignored.
        size: Number of equal characters that count as a repetition. A shorter secret must be repeated as a whole.
    """
    size = min(size, len(secret))
    if size < 4:  # so short a secret would be found in any text
        return len(text)
    return next((i for i in range(len(text) - size + 1) if text[i : i + size] in secret), len(text))
