"""What a worker was doing when its process died, so that the next try of its unit finds the row that kills.

Called by `compute.py`. One small file a unit, written before each engine call and removed when the unit is done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow.fs as pafs

from shopbatch.warehouse import files

MAX_DEATHS = 20


class EngineBroken(RuntimeError):
    """The engine fails on everything: a defect of the set-up, not of rows."""


@dataclass
class Journal:
    """The state of one unit. Positions are those of the part.

    inflight: rows at the engine now; why: the reason if the process dies with them.
    suspects: rows that were at the engine when a process died: they go one by one.
    rejected: rows that killed a process all alone, with the reason.
    """

    uri: str
    inflight: list[int] = field(default_factory=list)
    why: str = "crash"
    suspects: set[int] = field(default_factory=set)
    rejected: dict[int, str] = field(default_factory=dict)
    deaths: int = 0

    @classmethod
    def open(cls, uri: str) -> Journal:
        """The unit's journal. One that exists means that the last try died: its rows in flight are judged."""
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
        flying = old["inflight"]
        if len(flying) == 1 and flying[0] in journal.suspects:
            journal.rejected[flying[0]] = old["why"]  # twice, and the second time alone: it is this row
        journal.suspects |= set(flying)
        if journal.deaths > MAX_DEATHS:
            raise EngineBroken(f"the engine's process died {journal.deaths} times on {uri.rsplit('/', 1)[-1]}")
        return journal

    def begin(self, rows: Sequence[int]) -> None:
        """These rows go to the engine now."""
        self.inflight, self.why = list(rows), "crash"
        self._write()

    def time_out(self) -> None:
        """The rows in flight take too long; the process is about to end itself."""
        self.why = "time_out"
        self._write()

    def close(self) -> None:
        """The unit is done."""
        files.remove(self.uri)

    def _write(self) -> None:
        state = {
            "inflight": self.inflight,
            "why": self.why,
            "suspects": sorted(self.suspects),
            "rejected": self.rejected,
            "deaths": self.deaths,
        }
        files.write_bytes(self.uri, json.dumps(state).encode())
