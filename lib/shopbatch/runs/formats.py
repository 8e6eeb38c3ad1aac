"""Formats numbers, durations and names for report.html, for the terminal summary and for `shopbatch runs`."""

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


# exit code -> what the user must do first, since the same command alone would end in the same way
_FIRST = {2: "put right what the message names", 3: "change what the refusing gate names"}


def first_do(report: Mapping[str, Any]) -> str:
    """Return what the user must do before the same command can succeed; "" if calling the command again is enough.

    Args:
        report: The report, as `Report.to_dict` returns it.
    """
    code = report.get("exit_code")
    return _FIRST.get(code, "") if isinstance(code, int) else ""


def written(report: Mapping[str, Any]) -> list[str]:
    """Return the tables of which a run has published a version, as texts: ["review_sentiment version 3"].

    Args:
        report: The report, as `Report.to_dict` returns it; malformed parts are ignored.
    """
    tables = report.get("tables")
    uses = tables.items() if isinstance(tables, Mapping) else ()
    return [f"{table} version {use['written']}" for table, use in uses if isinstance(use, Mapping) and "written" in use]


def became(report: Mapping[str, Any]) -> str:
    """Return what happened to a run's rows that have a result: "published", "held back", "published or held back".

    The last one means that the run ended badly but had published at least one table, so that the report does not show
    which rows are published.

    Args:
        report: The report, as `Report.to_dict` returns it.
    """
    if report.get("outcome") not in ("refused", "incomplete", "superseded", "stopped", "failed"):
        return "published"
    return "published or held back" if written(report) else "held back"


def language(code: str) -> str:
    """Return the English name of a language code ("de" -> "German"), or the code itself if it is unknown."""
    return LANGUAGES.get(code, code)


def words(name: Any) -> str:
    """Return a name with spaces in place of underscores."""
    return str(name).replace("_", " ")


def count(value: Any) -> str:
    """Format a whole number with separators (22641 -> "22,641"); anything else becomes a dash."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else "–"


def number(value: Any) -> str:
    """Format a number for people (22641 -> "22,641", 0.01312 -> "0.0131"): three significant digits below 1000.

    None becomes a dash; any other value that is not a number becomes its text.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):.10f}".rstrip("0").rstrip(".")


def percent(value: Any) -> str:
    """Format a share between 0 and 1 as a percentage: 0.37 -> "37 %"; below 10 % with one decimal, 0.034 -> "3.4 %"."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return "–"
    share = 100 * value
    return f"{share:.1f} %" if 0 < abs(share) < 9.95 else f"{share:.0f} %"


def rate(value: float) -> str:
    """Format a measure that is not a percentage, such as a loss: below 1 with three decimals, else as `number`."""
    return f"{value:.3f}" if abs(value) < 1 else number(value)


def seconds(value: Any) -> str:
    """Format a duration in seconds as "0.4 s", "12 s", "3 min 05 s" or "2 h 10 min"; anything else becomes a dash."""
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
    """Return how many seconds a run took, from its start to its end; None if one of the times is unknown."""
    try:
        start, end = (datetime.fromisoformat(str(report.get(key))) for key in ("started_at", "ended_at"))
        return (end - start).total_seconds()
    except (ValueError, TypeError):  # a time is missing or has no time zone
        return None
