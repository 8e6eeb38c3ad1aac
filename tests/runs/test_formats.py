"""How reports and pages write times."""

import pytest

from shopbatch.runs.formats import when


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("2026-11-22T06:30:00+00:00", "22 November 2026, 06:30 UTC"),
        ("2026-11-22T06:30:00+08:00", "21 November 2026, 22:30 UTC"),
        ("2026-11-22T06:30:00", "22 November 2026, 06:30 UTC"),
        (None, "–"),
    ],
)
def test_times_are_in_utc(time: str | None, text: str) -> None:
    assert when(time) == text
