"""Gates: conditions that a candidate must meet before it becomes visible, and the one way to refuse it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shopbatch.core.errors import GateRefused


@dataclass(frozen=True)
class Gate:
    """A condition that the result had to meet: what was measured, the limit, and a sentence of explanation."""

    name: str
    value: float | str | None
    limit: float | str | None
    passed: bool
    detail: str = ""


def refusal(gate: Gate) -> str:
    """One line that says why a gate refused."""
    return f"gate {gate.name!r}: {gate.value}, limit {gate.limit}" + (f" ({gate.detail})" if gate.detail else "")


def refuse_if_failed(gates: Iterable[Gate], subject: str = "") -> None:
    """Let the run end with exit code 3 if a gate did not pass.

    Args:
        gates: The gates that were judged.
        subject: What they judged, if a run judges several candidates (a day, a language). It begins the message.

    Raises:
        GateRefused: The message names every gate that failed, with its value and its limit.
    """
    if failed := [refusal(gate) for gate in gates if not gate.passed]:
        raise GateRefused((f"{subject}: " if subject else "") + "; ".join(failed))
