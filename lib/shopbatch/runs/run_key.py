"""Run keys, which name one piece of scheduled work, and the records of the attempts at a run key.

A run key does not depend on who submits the work or how often. This module imports nothing heavy.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from shopbatch.core import config
from shopbatch.core.config import JobConfig
from shopbatch.core.errors import Stopped, UserError
from shopbatch.runs.saved import SavedReport

_KEY = re.compile(r"([a-z][a-z0-9_]*)-(\d{8}(?:T\d{6})?(?:-[A-Za-z0-9]{1,20})?)-([0-9a-f]{12})")
_DIGITS = 12


@dataclass(frozen=True)
class RunKey:
    """A run key: job, logical date and digest of the configuration. Equal keys mean the same piece of work.

    Its `str`, such as score_reviews-20261122-0123456789ab, is a valid folder name.

    Attributes:
        job: The job's name.
        when: The logical date, 20261122 or 20261122T063000; a rerun appends -NAME.
        digest: 12 hexadecimal digits, over the warehouse and all settings that can affect a result.
    """

    job: str
    when: str
    digest: str

    def __str__(self) -> str:
        return f"{self.job}-{self.when}-{self.digest}"

    @classmethod
    def parse(cls, text: str) -> RunKey:
        """Parse a run key as `shopbatch submit` prints it.

        Raises:
            UserError: The text is not a run key.
        """
        match = _KEY.fullmatch(text)
        if match is None:
            raise UserError(
                f"{text!r} is no run key; `shopbatch submit` prints it, like score_reviews-20261122-0123456789ab"
            )
        return cls(*match.groups())

    @classmethod
    def of(
        cls, job: str, settings: JobConfig, warehouse: str, date: str | None = None, rerun: str | None = None
    ) -> RunKey:
        """Return the run key of a job with a validated configuration.

        Args:
            job: The job's name.
            settings: The job's configuration.
            warehouse: Folder or URI of the warehouse, as the cluster's nodes name it.
            date: The logical date or time in ISO format; None for today (UTC).
            rerun: A name that makes this a new piece of work, to repeat work that is done already; None for no rerun.

        Raises:
            UserError: The date or the name of the rerun is malformed.
        """
        if rerun is not None and not re.fullmatch(r"[A-Za-z0-9]{1,20}", rerun):
            raise UserError(f"--rerun {rerun!r}: expected 1 to 20 letters and digits")
        when = logical_date(date) + (f"-{rerun}" if rerun else "")
        return cls.parse(f"{job}-{when}-{digest(settings, warehouse)}")


def logical_date(text: str | None) -> str:
    """Format a logical date for a run key: 20261122 for a date, 20261122T063000 for a time.

    A time with a time zone is converted to UTC; a time without one is taken as UTC.

    Args:
        text: A date or time in ISO format; None for today (UTC).

    Raises:
        UserError: The text is not an ISO date or time.
    """
    if text is None:
        return f"{datetime.now(UTC):%Y%m%d}"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(
            f"--date {text!r}: expected a date or time such as 2026-11-22 or 2026-11-22T06:30+00:00"
        ) from None
    if len(text) <= len("2026-11-22"):
        return f"{moment:%Y%m%d}"
    return f"{(moment.astimezone(UTC) if moment.tzinfo else moment):%Y%m%dT%H%M%S}"


def digest(settings: JobConfig, warehouse: str) -> str:
    """Return 12 hexadecimal digits that identify a configuration and a warehouse.

    The settings `platform` and `wait` are left out. Of files that the configuration names, the content is hashed.
    """
    values = settings.model_dump(mode="json", exclude={"platform", "wait"})
    contents = sorted(sha256(path.read_bytes()).hexdigest() for path in named_files(values))
    text = json.dumps([values, warehouse, contents], sort_keys=True, ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:_DIGITS]


def named_files(tree: Any) -> set[Path]:
    """Return the project files that a configuration names in any of its values, such as prompts.

    Their contents belong to the run key, and `shopbatch submit` checks that they are sent. A placeholder in a file
    name, such as `{language}`, stands for any text, so that all matching files are returned. A name may begin with @,
    as in `system: "@conf/prompts/describe.en.md"`.

    Args:
        tree: The configuration or a part of it: mappings, lists and plain values.
    """
    if isinstance(tree, Mapping):
        return set().union(*map(named_files, tree.values()))
    if isinstance(tree, list | tuple):
        return set().union(*map(named_files, tree))
    if not isinstance(tree, str) or not tree or "\0" in tree:
        return set()
    with suppress(OSError, ValueError):  # a text that is too long for a file name
        name = Path(tree.removeprefix("@"))
        if "{" not in name.name:
            return {file for file in [config.project_file(name)] if file.is_file()}
        pattern = re.sub(r"\{\w+\}", "*", name.name)
        folders = {(home / os.path.expanduser(name.parent)).resolve() for home in (config.packaged(), config.root())}
        names = {file.name for folder in folders for file in folder.glob(pattern)}
        return {file for each in names if (file := config.project_file(name.with_name(each))).is_file()}
    return set()


def record_uri(warehouse: str, key: str, attempt: int) -> str:
    """Return the path or URI of an attempt's record: a copy of the run's report, written when the run has ended."""
    return f"{warehouse.rstrip('/')}/_runs/_keys/{key}/{attempt:04d}.json"


def write_record(warehouse: str, key: str, attempt: int, line: str) -> None:
    """Write the record of an attempt.

    Args:
        warehouse: Folder or URI of the warehouse.
        key: The run key.
        attempt: Number of the attempt.
        line: The run's report as one line of JSON.
    """
    from shopbatch.warehouse import files

    files.write_bytes(record_uri(warehouse, key, attempt), line.encode() + b"\n")


def read_records(warehouse: str, key: str) -> dict[int, dict[str, Any]]:
    """Return the reports of the ended attempts at a run key, by the attempt's number.

    A damaged record is set aside. Its attempt then counts as ended without a report, and the next attempt finds out
    what is done already.

    Raises:
        Stopped: The warehouse does not answer.
        UserError: The warehouse cannot be read.
    """
    from shopbatch.warehouse import files

    try:
        return _read_records(record_uri(warehouse, key, 0).rpartition("/")[0])
    except OSError as error:
        if files.is_lost_connection(error):
            raise Stopped(f"warehouse {warehouse} does not answer") from None
        raise UserError(f"warehouse {warehouse} cannot be read ({error.strerror or error})") from None


def _read_records(folder: str) -> dict[int, dict[str, Any]]:
    """Read the records in a folder `_runs/_keys/<key>`, by the attempt's number."""
    from shopbatch.warehouse import files, state_files

    fs, path = files.filesystem(folder)
    records = {}
    for info in files.entries(fs, path):
        if re.fullmatch(r"\d{4}\.json", info.base_name):
            instead = "the attempt counts as ended without a report"
            record = state_files.read(f"{folder}/{info.base_name}", SavedReport, instead)
            if record is not None:
                records[int(info.base_name[:4])] = record
    return records
