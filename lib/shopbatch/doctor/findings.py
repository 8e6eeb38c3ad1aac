"""A finding of the doctor, a line each: what, why it matters, what to do. For every check, and for `command.py`."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, Literal

from shopbatch.core.privacy import HIDDEN, redact_text

Level = Literal["error", "warning"]
# of these variables the doctor knows the values, or the libraries that it calls do: none may be in what they say
_SECRET_VARIABLES = ("RAY_AUTH_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. check: which check found it. error: a run fails or loses something; warning: it may."""

    check: str
    level: Level
    what: str
    why: str
    do: str

    def to_dict(self) -> dict[str, Any]:
        """Its fields, without secrets."""
        return {name: scrub(value) for name, value in asdict(self).items()}

    def line(self) -> str:
        """All of it on one line, without secrets."""
        told = self.to_dict()
        return f"{told['level']:7} {told['check']}: {told['what']}; {told['why']} -> {told['do']}"


def error(check: str, what: str, why: str, do: str) -> Finding:
    return Finding(check, "error", what, why, do)


def warning(check: str, what: str, why: str, do: str) -> Finding:
    return Finding(check, "warning", what, why, do)


def scrub(text: str) -> str:
    """`text` as one line without the secrets whose form, or whose variable, gives them away."""
    for name in _SECRET_VARIABLES:
        if len(value := os.environ.get(name, "").strip()) >= 6:  # a shorter one is a part of ordinary words
            text = text.replace(value, HIDDEN)
    return redact_text(" ".join(text.split()))


def brief(problem: BaseException) -> str:
    """What an error says, short enough for a line that says more."""
    text = " ".join(str(getattr(problem, "strerror", None) or problem).split())
    return f"{type(problem).__name__}: {text[:200]}" if text else type(problem).__name__
