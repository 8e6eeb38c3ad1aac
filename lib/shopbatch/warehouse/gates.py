"""Gates: conditions that a candidate must meet before readers see it, and the function that refuses a candidate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from shopbatch.core.errors import GateRefused, bounded


@dataclass(frozen=True)
class Gate:
    """One judged condition on a candidate.

    Attributes:
        name: Name of the gate, as reports show it.
        value: The measured value.
        limit: The limit of the value.
        passed: Whether the condition is met.
        detail: A note; for a failed gate what is wrong, why it matters and what to do (see `explain`).
    """

    name: str
    value: float | str | None
    limit: float | str | None
    passed: bool
    detail: str = ""

    def __post_init__(self) -> None:
        """Shorten texts, because they may quote values of any length."""
        for name in ("name", "value", "limit", "detail"):
            if isinstance(text := getattr(self, name), str):
                object.__setattr__(self, name, bounded(text))


FEW_ROWS = 20  # a table with fewer rows may lose some of them without being refused
DEFECT = "no key sets this aside: it is a defect of the job, so keep this run's report.json and report it"


def explain(passed: bool, what: str, why: str, do: str, note: str = "") -> str:
    """Return the `detail` of a gate: a note if it passed, else "WHAT; WHY; DO".

    Args:
        passed: Whether the gate passed.
        what: What is wrong, with the numbers and the name of the setting that is the limit.
        why: Why it matters.
        do: What to do, with the setting to change; DEFECT if the user can do nothing.
        note: The measured numbers, as text; the detail of a passed gate.
    """
    return note if passed else f"{what}; {why}; {do}"


def shrinking(share: float | Literal["any"], source: str, read: int, published: int, before: int) -> Gate:
    """Judge the number of rows to publish: a source that was emptied or cut must not empty the live table.

    A live table of fewer than FEW_ROWS rows may shrink, but not to nothing.

    Args:
        share: `gates.rows` of the job: the least share of the live rows that may be published; `any` lets all pass.
        source: Name of the source table.
        read: Number of rows of the source.
        published: Number of rows that would be published.
        before: Number of rows of the live table.
    """
    limit = 0 if share == "any" else math.ceil(share * before)
    few = published > 0 and before < FEW_ROWS
    passed = share == "any" or ((published >= limit or few) and read > 0)
    what = f"{published:,} rows would be published, less than gates.rows={share} of the {before:,} that are live"
    if not read:
        what = f"{source} has no rows"
    why = "a source mostly shrinks like that because a load went wrong"
    do = f"look at {source}; if it is intended, set gates.rows=any"
    return Gate("shrinking", published, limit, passed, explain(passed, what, why, do, f"{before:,} rows are live"))


def shrunken_sources(share: float | Literal["any"], read: Mapping[str, int], before: Mapping[str, int]) -> list[Gate]:
    """Judge the number of rows of each source table: one that was emptied or cut would change the results unnoticed.

    Args:
        share: `gates.rows` of the job: the least share of a source's former rows; `any` lets every number pass.
        read: Number of rows of each source now; 0 for one that does not exist.
        before: Number of rows of each source when the live version was made. Sources that are not named here are not
            judged.

    Returns:
        One gate per judged source.
    """
    return [_shrunken(share, name, rows, before[name]) for name, rows in read.items() if name in before]


def _shrunken(share: float | Literal["any"], source: str, read: int, before: int) -> Gate:
    limit = 0 if share == "any" else math.ceil(share * before)
    passed = read >= limit or (read > 0 and before < FEW_ROWS)
    few = f"{source} has {read:,} row{'' if read == 1 else 's'}"
    what = f"{few}, less than gates.rows={share} of the {before:,} that the live version is made of"
    if not read:
        what = f"{source} has no rows" + (f", and the live version is made of {before:,}" if before > 1 else "")
    why = "a source mostly shrinks like that because a load went wrong, and results would be made without it"
    do = f"look at {source}; if it is intended, set gates.rows=any"
    note = f"the live version is made of {before:,} rows"
    return Gate(f"rows of {source}", read, limit, passed, explain(passed, what, why, do, note))


def refusal(gate: Gate) -> str:
    """Return one line that says why a gate failed."""
    return f"gate {gate.name!r}: {gate.detail or f'{gate.value}, limit {gate.limit}'}"


def refuse_if_failed(gates: Iterable[Gate], subject: str = "") -> None:
    """Raise GateRefused, which ends the run with exit code 3, if a gate did not pass.

    Args:
        gates: The gates that were judged.
        subject: What they judged (a day, a language), if a run judges several candidates. The message begins with it.

    Raises:
        GateRefused: The message names every gate that failed, with its explanation.
    """
    if failed := [refusal(gate) for gate in gates if not gate.passed]:
        raise GateRefused((f"{subject}: " if subject else "") + "; ".join(failed))
