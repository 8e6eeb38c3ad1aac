"""Gates: conditions that a candidate must meet before it becomes visible, and the one way to refuse it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from shopbatch.core.errors import GateRefused, bounded


@dataclass(frozen=True)
class Gate:
    """A condition that the result had to meet: what was measured, the limit, and a sentence of explanation.

    `detail` of a gate that refuses is what `explain` makes: what is wrong, why it matters, and what to do.
    """

    name: str
    value: float | str | None
    limit: float | str | None
    passed: bool
    detail: str = ""

    def __post_init__(self) -> None:
        """Cut what quotes a value of any length."""
        for name in ("name", "value", "limit", "detail"):
            if isinstance(text := getattr(self, name), str):
                object.__setattr__(self, name, bounded(text))


FEW_ROWS = 20  # of a smaller table some rows may go without a question
DEFECT = "no key sets this aside: it is a defect of the job, so keep this run's report.json and report it"


def explain(passed: bool, what: str, why: str, do: str, note: str = "") -> str:
    """Return the detail of a gate.

    Args:
        passed: Whether the gate passed; its detail is then only `note`.
        what: What is wrong, with the numbers and the key that sets the limit.
        why: Why it matters.
        do: What to do, with the key to set; DEFECT if the user can do nothing.
        note: What was measured.
    """
    return note if passed else f"{what}; {why}; {do}"


def shrinking(share: float | Literal["any"], source: str, read: int, published: int, before: int) -> Gate:
    """Judge how many rows are left: a source that was emptied or cut must not empty what is live.

    Args:
        share: `gates.rows` of the job: the least share of the live rows that may be published; `any` lets all pass.
        source: Name of the source.
        read: Rows of the source.
        published: Rows that would be published.
        before: Rows that are live.
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
    """Judge each table that a result is made of beside its first one: a table that was emptied or cut changes results
    in silence, as orders do by which tickets are answered.

    Args:
        share: `gates.rows` of the job.
        read: Rows of each table that was read; 0 for one that is not there.
        before: Rows of each table that the live version was made of; a table that it does not name is not judged.
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
    """One line that says why a gate refused."""
    return f"gate {gate.name!r}: {gate.detail or f'{gate.value}, limit {gate.limit}'}"


def refuse_if_failed(gates: Iterable[Gate], subject: str = "") -> None:
    """Let the run end with exit code 3 if a gate did not pass.

    Args:
        gates: The gates that were judged.
        subject: What they judged, if a run judges several candidates (a day, a language). It begins the message.

    Raises:
        GateRefused: The message names every gate that failed, with its explanation.
    """
    if failed := [refusal(gate) for gate in gates if not gate.passed]:
        raise GateRefused((f"{subject}: " if subject else "") + "; ".join(failed))
