"""Gates: conditions that a candidate must meet before it becomes visible, and the one way to refuse it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shopbatch.core.errors import GateRefused


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
