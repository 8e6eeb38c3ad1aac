"""Reads the runs of a warehouse: those that ended, those under way, and those that were lost (killed without a report).

The source is `<warehouse>/_runs/<job>/<run_id>/report.json`, and the heartbeat of each run whose report says `running`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict

from shopbatch.runs import formats
from shopbatch.runs.record import end_record, log_tail
from shopbatch.runs.report import Report, json_line, run_folder, save_tree
from shopbatch.runs.saved import load_report, read_report

STALE = 60.0  # seconds without a heartbeat after which a run counts as lost


class _Heartbeat(TypedDict):
    """The content of heartbeat.json, as `Record` writes it."""

    at: NotRequired[str]
    stage: NotRequired[str | None]
    done: NotRequired[int]
    total: NotRequired[int | None]


def newest(warehouse: str, job: str | None = None, count: int = 20) -> list[dict[str, Any]]:
    """Return the reports of the newest runs, newest first. Used by `shopbatch runs`.

    Args:
        warehouse: Its folder or URI.
        job: Only the runs of this job; None for all jobs.
        count: Return at most this many.

    Returns:
        Reports as `Report.to_dict` makes them, with two more outcomes. `lost`: the run was killed; the message gives
        its last sign of life. `damaged`: the report is damaged, or is missing while the run's log exists.
    """
    import pyarrow.fs as pafs

    from shopbatch.warehouse import files

    fs, base = files.filesystem(f"{warehouse.rstrip('/')}/_runs")

    def folders(path: str) -> list[str]:
        infos = files.entries(fs, path)
        names = (info.base_name for info in infos if info.type == pafs.FileType.Directory)
        return sorted((n for n in names if not n.startswith(("_", "."))), reverse=True)

    jobs = folders(base) if job is None else [job]
    runs = sorted(((run, each) for each in jobs for run in folders(f"{base}/{each}")[:count]), reverse=True)
    reports: list[dict[str, Any]] = []
    for run_id, name in runs:
        if len(reports) == count:
            break
        if (report := read_report(warehouse, name, run_id)) is not None:
            reports.append(with_state(report, run_folder(warehouse, name, run_id)))
    return reports


def row(report: Mapping[str, Any]) -> dict[str, str]:
    """Return a report as a row of the table that `shopbatch runs` prints.

    Returns:
        Texts by column: started, job, outcome, took, rows, run, message.
    """
    rows, seconds = report.get("rows") or {}, formats.took(report)
    others = ", ".join(f"{rows[name]:,} {name}" for name in ("rejected", "pending") if rows.get(name))
    counts = (f"{rows['published']:,}" if rows.get("published") else "") + (f" ({others})" if others else "")
    return {
        "started": str(report.get("started_at", ""))[:16].replace("T", " "),
        "job": str(report["job"]),
        "outcome": str(report["outcome"]),
        "took": formats.seconds(seconds) if seconds is not None else "",
        "rows": counts,
        "run": str(report["run_id"]),
        "message": str(report.get("message") or ""),
    }


def with_state(report: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Return a report with the true state of a run whose saved outcome is `running`.

    If the run is alive, the message becomes its stage and progress. If its heartbeat is older than STALE seconds, or
    its process on this machine has gone, the outcome becomes `lost`. Reports with any other outcome are returned
    unchanged.

    Args:
        report: The content of report.json.
        folder: The run's folder.
    """
    report = dict(report)
    if report.get("outcome") != "running":
        return report
    beat = _heartbeat(folder)
    at = _moment(beat.get("at") or report.get("started_at"))
    age = (datetime.now(UTC) - at).total_seconds()
    here = report.get("host") == socket.gethostname() and isinstance(report.get("pid"), int)
    if age > STALE or (here and not _is_alive(int(report["pid"]))):
        why = f"its last sign of life was at {at:%Y-%m-%d %H:%M:%S} UTC"
        where = f" in stage {beat['stage']}" if beat.get("stage") else ""
        return report | {"outcome": "lost", "message": f"{why}{where}; the same command goes on from here"}
    stage, total = beat.get("stage") or "starting", beat.get("total")
    far = f", {beat.get('done', 0):,} of {total:,}" if total else ""
    return report | {"message": f"{stage}{far}"}


def _moment(text: Any) -> datetime:
    """Parse an ISO time of a report or heartbeat, and convert it to UTC; return the start of 1970 if it is no time."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, TypeError):
        return datetime.fromtimestamp(0, UTC)


def _heartbeat(folder: str) -> dict[str, Any]:
    """Read the heartbeat of a run; {} if it is missing or damaged."""
    from shopbatch.warehouse import state_files

    uri = f"{folder}/heartbeat.json"
    return state_files.read(uri, _Heartbeat, "the run counts as lost unless its process lives", keep=True) or {}


def _is_alive(pid: int) -> bool:
    """Return True if a process of this machine runs; False if it has gone, or has ended and is only a zombie entry."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the process belongs to another user
        return True
    with suppress(OSError):  # no /proc on this system
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    return True


def close_lost(run: dict[str, Any], message: str) -> str:
    """Write the final report of a run whose process died without one, and return that report as one line of JSON.

    The outcome is `stopped`. The end of the log is added; everything else comes from the report that the run wrote at
    its start. The supervisor process calls this.

    Args:
        run: `warehouse`, `job`, `run_id`, `log`, `remote_log`, as the run passed them to `supervise.say`.
        message: What happened to the process.

    Raises:
        OSError: The warehouse cannot be written.
    """
    from shopbatch.runs.outcomes import STOPPED
    from shopbatch.warehouse.checksums import DamagedFile

    folder = run_folder(run["warehouse"], run["job"], run["run_id"])
    try:
        tree = load_report(folder)
    except DamagedFile:
        tree = None
    if tree is None:
        tree = Report(run["job"], run["run_id"]).to_dict()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    log = Path(run["log"])
    tree |= {"outcome": "stopped", "exit_code": STOPPED, "message": message, "ended_at": now}
    tree["log_tail"] = log_tail(log)
    line = json_line(tree)
    if tree.get("run_key"):
        from shopbatch.runs.run_key import write_record

        write_record(run["warehouse"], tree["run_key"], tree["attempt"], line)
    save_tree(tree, run["warehouse"])
    end_record(folder, log, run["remote_log"])
    return line
