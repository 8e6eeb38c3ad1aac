"""Journals: small files that tell which rows the engine was processing when a worker process died.

`unit.py` writes one per unit before each engine call and removes it when the unit is done. The next worker that gets
the unit reads it to find the row that killed the process.
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
    """Raised if the engine fails on every row, or if its process dies again and again.

    The set-up is at fault then, not the rows.
    """


class State(TypedDict):
    """The JSON content of a journal file; the fields are explained in `Journal`."""

    inflight: list[int]
    why: str
    suspects: list[int]
    rejected: dict[int, str]
    deaths: int


@dataclass
class Journal:
    """The state of one unit of rows, kept in a file. Rows are named by their position in the part.

    Attributes:
        uri: The journal's file.
        inflight: Rows that the engine is processing now.
        why: The reason of the rejection if the process dies now: `crash` or `time_out`.
        suspects: Rows that the engine was processing when a process died. They are sent to the engine one by one.
        rejected: Rows that killed a process when they were alone in an engine call, {row: reason}.
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
        """Open the journal of a unit, and take over the state that an earlier try of the unit may have left.

        If the file exists, the process of the earlier try died, and the rows that the engine was processing become
        suspects. A damaged file is renamed to `NAME.damaged-N` and the unit begins anew. N, the number of damaged files
        so far, then counts as the number of deaths, so that a unit cannot be tried for ever.

        Raises:
            EngineBroken: More than MAX_DEATHS processes have died on the unit.
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
            journal.rejected[inflight[0]] = old["why"]  # it was a suspect, and now it was alone
        journal.suspects |= set(inflight)
        return journal.checked()

    def checked(self) -> Journal:
        """Return the journal itself. Raises EngineBroken if too many processes have died on its unit."""
        if self.deaths > MAX_DEATHS:
            raise EngineBroken(f"the engine's process died {self.deaths} times on {self.uri.rsplit('/', 1)[-1]}")
        return self

    def begin(self, rows: Sequence[int]) -> None:
        """Record in the file that these rows go to the engine now."""
        self.inflight, self.why = list(rows), "crash"
        self._write()

    def time_out(self) -> None:
        """Record that the engine call takes too long, because the watchdog is about to end this process."""
        self.why = "time_out"
        self._write()

    def close(self) -> None:
        """Delete the journal's file, because the unit is done."""
        files.remove(self.uri)

    def _write(self) -> None:
        state = {
            "inflight": self.inflight,
            "why": self.why,
            "suspects": sorted(self.suspects),
            "rejected": self.rejected,
            "deaths": self.deaths,
        }
        files.write_bytes(self.uri, json.dumps(state).encode(), durable=False)  # a crash of the machine may lose it
