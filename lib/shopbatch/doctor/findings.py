"""`Finding`: one problem that the doctor found, with consequence and remedy, printed as one line without secrets."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, Literal

from shopbatch.core.errors import one_line
from shopbatch.core.privacy import HIDDEN, redact_text

Level = Literal["error", "warning"]
# the doctor or the libraries that it calls use the values of these variables, so error messages might contain them
_SECRET_VARIABLES = ("RAY_AUTH_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY")


@dataclass(frozen=True)
class Finding:
    """One problem that a check found.

    Attributes:
        check: Name of the check ("disk", "cluster", ...).
        level: `error` if a run fails or loses something, `warning` if it may.
        what: The problem.
        why: Its consequence.
        do: The remedy: what the user should do.
    """

    check: str
    level: Level
    what: str
    why: str
    do: str

    def to_dict(self) -> dict[str, Any]:
        """Return {field: text}, with secrets hidden."""
        return {name: scrub(value) for name, value in asdict(self).items()}

    def line(self) -> str:
        """Return the finding as one line "LEVEL CHECK: WHAT; WHY -> DO", with secrets hidden."""
        fields = self.to_dict()
        return f"{fields['level']:7} {fields['check']}: {fields['what']}; {fields['why']} -> {fields['do']}"


def error(check: str, what: str, why: str, do: str) -> Finding:
    """Return a finding of level `error`; the arguments are the fields of `Finding`."""
    return Finding(check, "error", what, why, do)


def warning(check: str, what: str, why: str, do: str) -> Finding:
    """Return a finding of level `warning`; the arguments are the fields of `Finding`."""
    return Finding(check, "warning", what, why, do)


def scrub(text: str) -> str:
    """Return a text as one line with secrets replaced.

    A secret is recognised by its form, or because it is the value of one of `_SECRET_VARIABLES` (6 characters or more).
    """
    for name in _SECRET_VARIABLES:
        if len(value := os.environ.get(name, "").strip()) >= 6:  # a shorter value also occurs in ordinary words
            text = text.replace(value, HIDDEN)
    return redact_text(one_line(text))


def brief(problem: BaseException) -> str:
    """Return an error as "Type: message", with at most 200 characters of the message, to be put into a line."""
    text = one_line(getattr(problem, "strerror", None) or problem)
    return f"{type(problem).__name__}: {text[:200]}" if text else type(problem).__name__
