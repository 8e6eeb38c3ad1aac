"""The findings of the doctor: what is wrong, why it matters and what to do, on one line without secrets."""

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
    """One thing that is wrong.

    check: the check that made the finding. level: `error` if a run fails or loses something, `warning` if it may.
    """

    check: str
    level: Level
    what: str
    why: str
    do: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, without secrets."""
        return {name: scrub(value) for name, value in asdict(self).items()}

    def line(self) -> str:
        """Return the finding as one line, without secrets."""
        fields = self.to_dict()
        return f"{fields['level']:7} {fields['check']}: {fields['what']}; {fields['why']} -> {fields['do']}"


def error(check: str, what: str, why: str, do: str) -> Finding:
    """Make a finding of the level `error`."""
    return Finding(check, "error", what, why, do)


def warning(check: str, what: str, why: str, do: str) -> Finding:
    """Make a finding of the level `warning`."""
    return Finding(check, "warning", what, why, do)


def scrub(text: str) -> str:
    """Return a text as one line, with secrets hidden that are known by their form or from a variable."""
    for name in _SECRET_VARIABLES:
        if len(value := os.environ.get(name, "").strip()) >= 6:  # a shorter value also occurs in ordinary words
            text = text.replace(value, HIDDEN)
    return redact_text(one_line(text))


def brief(problem: BaseException) -> str:
    """Return the type and message of an error, short enough to be part of a line."""
    text = one_line(getattr(problem, "strerror", None) or problem)
    return f"{type(problem).__name__}: {text[:200]}" if text else type(problem).__name__
