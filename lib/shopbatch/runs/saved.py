"""Reports as they are read back. One that is damaged or lost is named, and hides no other run. Light to import."""

from __future__ import annotations

from typing import Any, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from shopbatch.runs.report import run_folder


@with_config(ConfigDict(extra="allow"))
class SavedReport(TypedDict):
    """What every reader may rely on; a report has more (see `Report.to_dict`)."""

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
    """Load the report of a run's folder; None if there is none.

    Raises:
        DamagedFile: It cannot be read as a report.
    """
    from shopbatch.warehouse import state_files

    report: dict[str, Any] | None = state_files.load(f"{folder}/report.json", SavedReport)
    return report


def read_report(warehouse: str, job: str, run_id: str) -> dict[str, Any] | None:
    """Read the report of a run.

    A report that is damaged, or is lost while the run's log is there, has the outcome `damaged`.

    Returns:
        The report; None for a folder that other code keeps here, such as a run of an older version.
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
