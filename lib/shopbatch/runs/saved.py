"""Reads saved reports. Instead of a damaged or lost report, a report with the outcome `damaged` is returned.

So one damaged file does not keep `shopbatch runs` from listing the other runs. This module imports nothing heavy.
"""

from __future__ import annotations

from typing import Any, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from shopbatch.runs.report import run_folder


@with_config(ConfigDict(extra="allow"))
class SavedReport(TypedDict):
    """The fields of report.json whose types are checked when it is read; a report has more (see `Report.to_dict`).

    Only `outcome` and `exit_code` must be there.
    """

    outcome: str
    exit_code: int | None
    job: NotRequired[str]
    run_id: NotRequired[str]
    message: NotRequired[str | None]
    started_at: NotRequired[str]
    ended_at: NotRequired[str | None]
    rows: NotRequired[dict[str, int]]
    run_key: NotRequired[str]
    attempt: NotRequired[int]
    host: NotRequired[str]
    pid: NotRequired[int | None]
    command: NotRequired[str]


def load_report(folder: str) -> dict[str, Any] | None:
    """Load the report of a run from its folder; None if the folder has no report.

    Raises:
        DamagedFile: The file cannot be read as a report.
    """
    from shopbatch.warehouse import state_files

    report: dict[str, Any] | None = state_files.load(f"{folder}/report.json", SavedReport)
    return report


def read_report(warehouse: str, job: str, run_id: str) -> dict[str, Any] | None:
    """Read the report of a run; if it is damaged or lost, return a report with the outcome `damaged` instead.

    A report counts as lost if it is missing while the run's log exists.

    Returns:
        The report; None if the folder has neither report nor log, such as a folder of an older version.
    """
    from shopbatch.warehouse import files
    from shopbatch.warehouse.checksums import DamagedFile

    folder, name = run_folder(warehouse, job, run_id), {"job": job, "run_id": run_id}
    try:
        report = load_report(folder)
    except DamagedFile as damage:
        why = damage.said.removeprefix(f"{folder}/")
    else:
        if report is not None:
            return report | name
        fs, log = files.filesystem(f"{folder}/log.txt")
        if not fs.get_file_info(log).is_file:
            return None
        why = "report.json is lost"
    return name | {"outcome": "damaged", "message": f"{why}; what the run published is not affected"}
