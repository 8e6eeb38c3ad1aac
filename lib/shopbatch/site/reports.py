"""Reads the newest run reports of each job from the warehouse.

Runs without a readable report are left out, and sentences for the site say which.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow.fs as pafs

from shopbatch.core.privacy import mask_tree
from shopbatch.runs.history import with_state
from shopbatch.runs.report import run_folder
from shopbatch.site.records import Run
from shopbatch.warehouse import files

NEWEST = 200  # most runs of a job that the site shows
_NAME = re.compile(r"[\w-]+")


def jobs_with_reports(root: str) -> list[str]:
    """Return the names of the jobs that have a folder of reports in the warehouse.

    Args:
        root: The warehouse's folder or URI.
    """
    return [name for name in _folders(f"{root}/_runs") if _NAME.fullmatch(name) and not name.startswith("_")]


def read_runs(root: str, job: str) -> tuple[list[Run], list[str]]:
    """Read the newest 200 reports of a job.

    Args:
        root: The warehouse's folder or URI.
        job: Name of the job.

    Returns:
        The runs, newest first, and sentences about the runs that are missing among them.
    """
    names = [name for name in _folders(f"{root}/_runs/{job}") if _NAME.fullmatch(name)]
    newest = sorted(names, reverse=True)[:NEWEST]
    with ThreadPoolExecutor(16) as pool:  # an object store answers each request slowly
        texts = list(pool.map(lambda name: _text(f"{root}/_runs/{job}/{name}/report.json"), newest))
    runs, unfinished, damaged = [], 0, []
    for name, text in zip(newest, texts, strict=True):
        if text is None:
            unfinished += 1
        elif (report := _parsed(text)) is None:
            damaged.append(name)
        else:
            runs.append(_run(job, name, with_state(report, run_folder(root, job, name))))
    return runs, _skipped(len(names), unfinished, damaged)


def _skipped(runs: int, unfinished: int, damaged: Sequence[str]) -> list[str]:
    sentences = []
    if runs > NEWEST:
        sentences.append(f"Only the newest {NEWEST} of {runs:,} runs are shown.")
    if unfinished:
        sentences.append(f"{unfinished} of the runs left no report: they are still running, or were killed.")
    if damaged:
        sentences.append(f"The report of {', '.join(damaged)} cannot be read, so that the run is not shown.")
    return sentences


def _folders(uri: str) -> list[str]:
    fs, path = files.filesystem(uri)
    entries = files.entries(fs, path)
    return sorted(entry.base_name for entry in entries if entry.type == pafs.FileType.Directory)


def _text(uri: str) -> bytes | None:
    fs, path = files.filesystem(uri)
    try:
        with fs.open_input_stream(path) as stream:
            return bytes(stream.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:  # it is a folder, or reading is forbidden
        if files.is_lost_connection(error):
            raise
        return b""


def _parsed(text: bytes) -> Mapping[str, Any] | None:
    try:
        report = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) else None


def _run(job: str, run_id: str, report: Mapping[str, Any]) -> Run:
    """Return the run that a report describes; fields of an unexpected type are ignored."""
    uses = {table: use for table, use in _tree(report.get("tables")).items() if isinstance(use, dict)}
    return Run(
        job=job,
        run_id=run_id,
        outcome=str(report.get("outcome") or "unknown"),
        started=_string(report.get("started_at")),
        ended=_string(report.get("ended_at")),
        message=mask_tree(_string(report.get("message")) or ""),
        rows=_integers(_tree(report.get("rows"))),
        read=_integers({table: use.get("read") for table, use in uses.items()}),
        written=_integers({table: use.get("written") for table, use in uses.items()}),
        models={str(k): v for k, v in _tree(report.get("models")).items() if isinstance(v, str)},
        page=f"_runs/{job}/{run_id}/report.html",
    )


def _tree(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _integers(tree: Mapping[str, Any]) -> dict[str, int]:
    return {k: v for k, v in tree.items() if isinstance(v, int) and not isinstance(v, bool)}
