"""What a worker was doing when its process died, so that the next try of its unit finds the row that killed it.

Called by `unit.py`. One small file per unit, written before each engine call and removed when the unit is done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from typing_extensions import TypedDict

from shopbatch.warehouse import files, state_files
from shopbatch.warehouse.checksums import DamagedFile

MAX_DEATHS = 20


class EngineBroken(RuntimeError):
    """The engine fails on every row: a defect of the set-up, not of the rows."""


class State(TypedDict):
    """What the file of a journal holds; the fields are those of `Journal`."""

    inflight: list[int]
    why: str
    suspects: list[int]
    rejected: dict[int, str]
    deaths: int


@dataclass
class Journal:
    """The state of one unit. Rows are named by their position in the part.

    Attributes:
        uri: The journal's file.
        inflight: Rows at the engine now.
        why: The reason for the rejection if the process dies now.
        suspects: Rows that were at the engine when a process died. They are sent one by one.
        rejected: Rows that killed a process when they were alone at the engine, with the reason.
        deaths: How many processes died on the unit.
    """

    uri: str
    inflight: list[int] = field(default_factory=list)
    why: str = "crash"
    suspects: set[int] = field(default_factory=set)
    rejected: dict[int, str] = field(default_factory=dict)
    deaths: int = 0

    @classmethod
    def open(cls, uri: str) -> Journal:
        """Open the unit's journal. If it exists, the last try died, and its rows in flight become suspects.

        A damaged one is set aside and the unit begins anew; the deaths are then those that left a damaged journal, so
        that a unit cannot be tried for ever.

        Raises:
            EngineBroken: Too many processes have died on the unit.
        """
        try:
            old: State | None = state_files.load(uri, State)
        except DamagedFile as damage:
            number = state_files.set_aside(damage, "the unit is computed anew")
            return cls(uri, deaths=number).checked()
        if old is None:
            return cls(uri)
        journal = cls(uri, suspects=set(old["suspects"]), rejected=dict(old["rejected"]), deaths=old["deaths"] + 1)
        inflight = old["inflight"]
        if len(inflight) == 1 and inflight[0] in journal.suspects:
            journal.rejected[inflight[0]] = old["why"]  # the second death with this row, and now it was alone
        journal.suspects |= set(inflight)
        return journal.checked()

    def checked(self) -> Journal:
        """Return the journal. Raises EngineBroken if too many processes have died on its unit."""
        if self.deaths > MAX_DEATHS:
            raise EngineBroken(f"the engine's process died {self.deaths} times on {self.uri.rsplit('/', 1)[-1]}")
        return self

    def begin(self, rows: Sequence[int]) -> None:
        """Record that these rows go to the engine now."""
        self.inflight, self.why = list(rows), "crash"
        self._write()

    def time_out(self) -> None:
        """Record that the rows in flight take too long: the process is about to end itself."""
        self.why = "time_out"
        self._write()

    def close(self) -> None:
        """Remove the journal: the unit is done."""
        files.remove(self.uri)

    def _write(self) -> None:
        state = {
            "inflight": self.inflight,
            "why": self.why,
            "suspects": sorted(self.suspects),
            "rejected": self.rejected,
            "deaths": self.deaths,
        }
        files.write_bytes(self.uri, json.dumps(state).encode(), durable=False)  # it is for a process that dies
