"""Formats the numbers, durations and names that the report's page shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

LANGUAGES = {
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "und": "unknown language",
    "zh": "Chinese",
}


# by exit code: what has to be done before the same command, which would end in the same way if nothing were changed
_FIRST = {2: "put right what the message names", 3: "change what the refusing gate names"}


def first_do(report: Mapping[str, Any]) -> str:
    """Return what has to be done before a run's command is called again; empty if the command alone goes on.

    Args:
        report: What `Report.to_dict` returns.
    """
    code = report.get("exit_code")
    return _FIRST.get(code, "") if isinstance(code, int) else ""


def written(report: Mapping[str, Any]) -> list[str]:
    """Return the tables of which a run has published a version, each with that version.

    Args:
        report: What `Report.to_dict` returns; parts of another form are left out.
    """
    tables = report.get("tables")
    uses = tables.items() if isinstance(tables, Mapping) else ()
    return [f"{table} version {use['written']}" for table, use in uses if isinstance(use, Mapping) and "written" in use]


def became(report: Mapping[str, Any]) -> str:
    """Return what became of the rows that passed: of a run that has published nothing they are held back.

    A gate may refuse some of several lists; then nobody knows of a row what became of it.

    Args:
        report: What `Report.to_dict` returns.
    """
    if report.get("outcome") not in ("refused", "incomplete", "superseded", "stopped", "failed"):
        return "published"
    return "published or held back" if written(report) else "held back"


def language(code: str) -> str:
    """Return the English name of a language code, or the code itself if it is unknown."""
    return LANGUAGES.get(code, code)


def words(name: Any) -> str:
    """Return a name with blanks in place of `_`."""
    return str(name).replace("_", " ")


def count(value: Any) -> str:
    """Format a whole number with separators: 22,641. Anything else is a dash."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else "–"


def number(value: Any) -> str:
    """Format a number for people: 22,641; 0.013; 3.2. Anything that is not a number stays text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):.10f}".rstrip("0").rstrip(".")


def percent(value: Any) -> str:
    """Format a share between 0 and 1: 37 %; below 10 % with one decimal, 3.4 %."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "–"
    share = 100 * value
    return f"{share:.1f} %" if 0 < abs(share) < 9.95 else f"{share:.0f} %"


def rate(value: float) -> str:
    """Format a measure that is not a percentage, with three decimals below 1."""
    return f"{value:.3f}" if abs(value) < 1 else number(value)


def seconds(value: Any) -> str:
    """Format a duration: 0.4 s, 12 s, 3 min 05 s, 2 h 10 min."""
    if not isinstance(value, int | float):
        return "–"
    if value < 10:
        return f"{value:.1f} s"
    if value < 60:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def when(value: Any) -> str:
    """Format an ISO time in UTC: 22 November 2026, 06:30 UTC. A time without a zone is taken as UTC."""
    try:
        time = datetime.fromisoformat(str(value))
        return f"{time.astimezone(UTC) if time.tzinfo else time:%-d %B %Y, %H:%M} UTC"
    except ValueError:
        return "–"


def took(report: Mapping[str, Any]) -> float | None:
    """Return the seconds between start and end of a run; None if one of them is not known."""
    try:
        start, end = (datetime.fromisoformat(str(report.get(key))) for key in ("started_at", "ended_at"))
        return (end - start).total_seconds()
    except (ValueError, TypeError):  # a time is missing or has no time zone
        return None
