"""What a worker was doing when its process died, so that the next try of its unit finds the row that killed it.

Called by `unit.py`. One small file per unit, written before each engine call and removed when the unit is done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow.fs as pafs

from shopbatch.warehouse import files

MAX_DEATHS = 20


class EngineBroken(RuntimeError):
    """The engine fails on every row: a defect of the set-up, not of the rows."""


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
        """Open the unit's journal. If it exists, the last try died, and its rows in flight become suspects."""
        fs, path = files.filesystem(uri)
        if fs.get_file_info(path).type != pafs.FileType.File:
            return cls(uri)
        with fs.open_input_stream(path) as stream:
            old = json.loads(stream.read())
        journal = cls(
            uri,
            suspects=set(old["suspects"]),
            rejected={int(k): v for k, v in old["rejected"].items()},
            deaths=old["deaths"] + 1,
        )
        inflight = old["inflight"]
        if len(inflight) == 1 and inflight[0] in journal.suspects:
            journal.rejected[inflight[0]] = old["why"]  # the second death with this row, and now it was alone
        journal.suspects |= set(inflight)
        if journal.deaths > MAX_DEATHS:
            raise EngineBroken(f"the engine's process died {journal.deaths} times on {uri.rsplit('/', 1)[-1]}")
        return journal

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
