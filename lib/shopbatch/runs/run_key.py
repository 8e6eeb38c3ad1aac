"""The run key: what names one piece of nightly work, whoever asks for it and how often; the records of its attempts.

Called by `submit.py` and, on the cluster, by `job.py`. Light to import.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shopbatch.core import config
from shopbatch.core.config import JobConfig
from shopbatch.core.errors import Stopped, UserError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_KEY = re.compile(r"([a-z][a-z0-9_]*)-(\d{8}(?:T\d{6})?(?:-[A-Za-z0-9]{1,20})?)-([0-9a-f]{12})")
_DIGITS = 12


@dataclass(frozen=True)
class RunKey:
    """job, logical date and configuration: equal keys are the same piece of work. str() of it may name a folder.

    when: the logical date, 20261122 or 20261122T063000, and -NAME where somebody asked for it to be done once more.
    digest: 12 hexadecimal digits of everything in the configuration that a result depends on, and of the warehouse.
    """

    job: str
    when: str
    digest: str

    def __str__(self) -> str:
        return f"{self.job}-{self.when}-{self.digest}"

    @classmethod
    def parse(cls, text: str) -> RunKey:
        """The key as it was printed. UserError if it is none."""
        found = _KEY.fullmatch(text)
        if found is None:
            raise UserError(
                f"{text!r} is no run key; `shopbatch submit` prints it, like score_reviews-20261122-0123456789ab"
            )
        return cls(*found.groups())

    @classmethod
    def of(
        cls, job: str, settings: JobConfig, warehouse: str, date: str | None = None, rerun: str | None = None
    ) -> RunKey:
        """The key of a job with a checked configuration.

        date: ISO date or time of the logical date (None: today, UTC). rerun: a name for doing it once more.
        UserError for a date or name of another form.
        """
        if rerun is not None and not re.fullmatch(r"[A-Za-z0-9]{1,20}", rerun):
            raise UserError(f"--rerun {rerun!r}: expected 1 to 20 letters and digits")
        when = logical_date(date) + (f"-{rerun}" if rerun else "")
        return cls.parse(f"{job}-{when}-{digest(settings, warehouse)}")


def logical_date(text: str | None) -> str:
    """20261122, or 20261122T063000 where a time (UTC) is given. None: today. UserError if it is no ISO date or time."""
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
    """Digest of a configuration: where it runs is left out, the warehouse is not; files it names count by content."""
    told = settings.model_dump(mode="json", exclude={"platform"})
    texts = {str(path): sha256(path.read_bytes()).hexdigest() for path in named_files(told)}
    text = json.dumps([told, warehouse, sorted(texts.values())], sort_keys=True, ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:_DIGITS]


def named_files(tree: Any) -> set[Path]:
    """The files of the project that a configuration names, such as prompts; `{language}` in a name stands for any.

    A name may begin with @, as in `system: "@conf/prompts/describe.en.md"`.
    """
    if isinstance(tree, Mapping):
        return set().union(*map(named_files, tree.values()))
    if isinstance(tree, list | tuple):
        return set().union(*map(named_files, tree))
    if not isinstance(tree, str) or not tree or "\0" in tree:
        return set()
    with suppress(OSError, ValueError):  # a long text is no name
        path = config.root() / Path(tree.removeprefix("@")).expanduser()
        found = path.parent.glob(re.sub(r"\{\w+\}", "*", path.name)) if "{" in path.name else [path]
        return {file for file in found if file.is_file()}
    return set()


def record_uri(warehouse: str, key: str, attempt: int) -> str:
    """Where the outcome of an attempt is kept: the run's report, once it has ended; nothing before."""
    return f"{warehouse.rstrip('/')}/_runs/_keys/{key}/{attempt:04d}.json"


def write_record(warehouse: str, key: str, attempt: int, line: str) -> None:
    """Keep the report (a line of JSON) as the outcome of an attempt. Raises OSError."""
    from shopbatch.warehouse import files

    files.write_bytes(record_uri(warehouse, key, attempt), line.encode() + b"\n")


def read_records(warehouse: str, key: str) -> dict[int, dict[str, Any]]:
    """The reports of the attempts that have ended, by number. Stopped: the warehouse does not answer; UserError."""
    from shopbatch.warehouse import files

    try:
        return _read_records(*files.filesystem(record_uri(warehouse, key, 0).rpartition("/")[0]))
    except OSError as error:
        if files.is_lost_connection(error):
            raise Stopped(f"warehouse {warehouse} does not answer") from None
        raise UserError(f"warehouse {warehouse}: it cannot be read ({error.strerror or error})") from None


def _read_records(fs: FileSystem, path: str) -> dict[int, dict[str, Any]]:
    import pyarrow.fs as pafs

    found = fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))
    records = {}
    for info in found:
        if re.fullmatch(r"\d{4}\.json", info.base_name):
            with fs.open_input_stream(info.path) as stream:
                records[int(info.base_name[:4])] = json.loads(stream.read())
    return records
