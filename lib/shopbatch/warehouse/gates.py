"""Gates: conditions that a candidate must meet before it becomes visible."""

from __future__ import annotations

from dataclasses import dataclass


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
