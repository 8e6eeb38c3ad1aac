"""Examines the files of a Delta log: finds damaged or missing ones, and sets aside those that are not needed.

`delta.py` calls it whenever a table is opened. delta-rs takes an empty entry for one that changes nothing, and ignores
a folder in the place of an entry. Rows would then be missing without an error, or an older version would pass for the
newest one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from shopbatch.tables import declared, job_of_memo
from shopbatch.warehouse import files, log_sums, state_files
from shopbatch.warehouse.checksums import DamagedFile
from shopbatch.warehouse.log_sums import CHECKPOINT, ENTRY, HINT

APP = "shopbatch"  # the application id of our commits, and the key of their metadata
_FROM_ENTRIES = "the table is read without it"
_ACTIONS = {"add", "remove", "cdc", "metaData", "protocol", "txn", "commitInfo", "domainMetadata", "sidecar"}


class DamagedLog(DamagedFile):
    """The error for a file of a table's Delta log that is missing, unreadable, or not what was written.

    Attributes:
        uri: Path or URI of the file.
        why: How the damage was noticed, such as "it is not JSON"; the message shows it in brackets.
        do: Advice to the user, which ends the message, such as "restore it from a backup".
    """

    def __init__(self, uri: str, why: str, do: str) -> None:
        super().__init__(uri, why)
        self.do, self.args = do, (uri, why, do)

    def __str__(self) -> str:
        table = self.uri.rsplit("/", 3)[-3]
        return f"table {table!r}: {self.uri} is damaged ({self.why}), so its rows are not known; {self.do}"

    @classmethod
    def of(cls, table: str, file: str, why: str, is_newest: bool) -> DamagedLog:
        """Make the error for a damaged file of a table's log, with advice what to do.

        Args:
            table: Path or URI of the table.
            file: Name of the file in the log.
            why: How the damage was noticed, such as "it is not JSON".
            is_newest: True if the file is the newest log entry. The advice then includes to move it away, which takes
                the table back to the version before.
        """
        version, fill = int(file[:20]), how_to_fill(table.rsplit("/", 1)[-1])
        if is_newest:
            left = f"the table is then of version {version - 1}" if version else "there is then no such table"
            do = f"restore it from a backup, or move it and .{file}.crc away ({left}) and {fill} again"
        else:
            do = f"restore it from a backup, or move the folder {table} away and {fill} again"
        return cls(f"{table}/_delta_log/{file}", why, do)


def check_log(uri: str, version: int | None) -> None:
    """Raise DamagedLog if a log file from which a version is read is not what was written, by its checksums.

    Args:
        uri: Path or URI of the table.
        version: The version; None: the newest.
    """
    if "://" not in uri:
        _check_hint(uri)
    try:
        log_sums.check_log(uri, version)
    except DamagedFile as error:
        if damage := find_damage(uri, version, whole=True):
            raise damage from None
        name = error.uri.rpartition("/")[2]
        newest = max(_Log.of(uri).entries, default=-1)
        raise DamagedLog.of(uri, name, error.why, bool(ENTRY.fullmatch(name)) and int(name[:20]) >= newest) from None


def entry_name(version: int) -> str:
    """Return the file name of a version's log entry: 7 -> "00000000000000000007.json"."""
    return f"{version:020}.json"


def how_to_fill(name: str) -> str:
    """Return how a table is filled, as an instruction for error messages: "run `shopbatch run score_reviews`"."""
    if (table := declared(name)) is not None:
        return f"run {table.filled_by}"
    return f"run `shopbatch run {job_of_memo(name)}`" if name.endswith("_memo") else "run what writes it"


@dataclass(frozen=True)
class _Log:
    """The files of a Delta log, as the file system lists them.

    Attributes:
        entries: The entry of each version.
        checkpoints: The files of the checkpoint of each version that has one.
    """

    entries: dict[int, pafs.FileInfo]
    checkpoints: dict[int, list[pafs.FileInfo]]

    @classmethod
    def of(cls, uri: str) -> _Log:
        fs, path = files.filesystem(f"{uri}/_delta_log")
        log = cls({}, {})
        for info in files.entries(fs, path):
            if match := ENTRY.fullmatch(info.base_name):
                log.entries[int(match[1])] = info
            elif match := CHECKPOINT.fullmatch(info.base_name):
                log.checkpoints.setdefault(int(match[1]), []).append(info)
        return log

    def reaches(self, version: int) -> bool:
        """Return True if a version can be read from the newest checkpoint up to it and the entries that follow.

        Without a checkpoint, all entries from version 0 are needed.
        """
        start = max((n for n in self.checkpoints if n <= version), default=-1)
        return all(n in self.entries for n in range(start + 1, version + 1))


def find_damage(uri: str, version: int | None = None, whole: bool = False) -> DamagedLog | None:
    """Return the first damaged or missing file among the log files from which a version is read; None if all are good.

    Args:
        uri: Path or URI of the table.
        version: The version; None: the newest.
        whole: Whether every line of every entry, and the checkpoint, are parsed. If not, only the first and last line
            of each entry are parsed; in an object store, where each request is slow, only those of the last entry.
    """
    log, local = _Log.of(uri), "://" not in uri
    newest = max([*log.entries, *log.checkpoints], default=-1)
    upto = newest if version is None else min(version, newest)
    start = max((n for n in log.checkpoints if n <= upto), default=-1)
    if version is not None and start < 0 and 0 not in log.entries:
        return None  # a version that was cleaned up is not damaged
    for info in log.checkpoints.get(start, []) if whole else []:
        if why := _checkpoint_trouble(uri, info, None):
            return DamagedLog.of(uri, info.base_name, why, is_newest=False)
    for number in range(start + 1, upto + 1):
        why = _trouble(uri, log.entries.get(number), whole, look=whole or local or number == upto)
        if why:
            return DamagedLog.of(uri, entry_name(number), why, number == newest)
    return None


def _trouble(uri: str, info: pafs.FileInfo | None, whole: bool, look: bool) -> str:
    """Return what is wrong with a log entry; "" if nothing is.

    Args:
        uri: Path or URI of the table.
        info: The entry as the file system lists it; None: it is missing.
        whole: Whether every line is parsed, not only the first and the last.
        look: Whether the file is read at all.
    """
    if info is None:
        return "it is missing, and no checkpoint stands for it"
    if info.type == pafs.FileType.Directory:
        return "it is a folder"
    if not info.size:
        return "it is empty"
    if not look:
        return ""
    fs, _ = files.filesystem(uri)
    try:
        with fs.open_input_file(info.path) as stream:
            text = bytes(stream.read())
    except OSError as error:
        if files.is_lost_connection(error):
            raise
        return f"it cannot be read: {error.strerror or error}"
    return _wrong_text(text, whole)


def _wrong_text(text: bytes, whole: bool) -> str:
    if not text.strip(b"\0 \r\n"):
        return "it holds only NUL bytes"
    lines = [line for line in text.splitlines() if line.strip()]
    for line in lines if whole else {lines[0], lines[-1]}:
        try:
            action = json.loads(line)
        except (ValueError, RecursionError):
            return "it is not JSON"
        known = {k: v for k, v in action.items() if k in _ACTIONS and v is not None} if isinstance(action, dict) else {}
        if not known or not all(isinstance(value, dict) for value in known.values()):
            return "it holds no action of Delta"
        if any(not isinstance(known[kind].get("path"), str) for kind in ("add", "remove") if kind in known):
            return "a file in it has no name"
    info = json.loads(lines[0]).get("commitInfo") or {}
    # delta-rs writes the action `txn` of our commits last
    if APP in info and not any(line.startswith(b'{"txn"') for line in lines):
        return "its end is missing"
    return ""


def recover(uri: str, named: str | None = None) -> bool:
    """Set damaged checkpoints aside, if the log's entries hold the same information: a checkpoint only saves time.

    Args:
        uri: Path or URI of the table.
        named: A file that an error has named as damaged.

    Returns:
        Whether something was set aside, so that opening the table again may succeed.
    """
    log, root = _Log.of(uri), f"{uri}/_delta_log"
    bad = [
        DamagedFile(f"{root}/{info.base_name}", why)
        for infos in log.checkpoints.values()
        for info in infos
        if (why := _checkpoint_trouble(uri, info, named))
    ]
    versions = {int(damage.uri.rpartition("/")[2][:20]) for damage in bad}
    good = _Log(log.entries, {n: infos for n, infos in log.checkpoints.items() if n not in versions})
    if not good.reaches(max(log.entries, default=-1)):
        return False
    for damage in bad:
        state_files.set_aside(damage, _FROM_ENTRIES)
    return _check_hint(uri) or bool(bad)


def _checkpoint_trouble(uri: str, info: pafs.FileInfo, named: str | None) -> str:
    if info.type == pafs.FileType.Directory:
        return "it is a folder"
    if named is not None and named.rpartition("/")[2] == info.base_name:
        return "it is not what was written"
    if not info.base_name.endswith(".parquet"):
        return ""
    fs, _ = files.filesystem(uri)
    try:
        pq.read_table(info.path, filesystem=fs)
    except pa.ArrowInvalid:
        return "it is not Parquet, or cut"
    except OSError as error:
        if files.is_lost_connection(error):
            raise
        return "it cannot be read"
    return ""


def _check_hint(uri: str) -> bool:
    """Set aside the file `_last_checkpoint` of a log if it is damaged or names a checkpoint that does not exist.

    Returns:
        Whether it was set aside.
    """
    hint = f"{uri}/_delta_log/{HINT}"
    try:
        named = state_files.load(hint, dict[str, object])
    except DamagedFile as damage:
        state_files.set_aside(damage, _FROM_ENTRIES)
        return True
    version = (named or {}).get("version")
    if named is None or (isinstance(version, int) and version in _Log.of(uri).checkpoints):
        return False
    state_files.set_aside(DamagedFile(hint, "it names no checkpoint that is there"), _FROM_ENTRIES)
    return True


def set_aside_newest(uri: str, damaged: str, why: str) -> int | None:
    """Set the newest entry of a log aside if it is the damaged one, so that the table is at the version before.

    The rows of that commit are then not in the table. That is safe for a table whose rows the run makes again: if the
    commit was shopbatch's, its rows follow from the memo or the sources; if it was another client's, it would have been
    undone anyway.

    Args:
        uri: Path or URI of the table.
        damaged: The file that was named as damaged.
        why: How the damage was noticed, such as "it is not JSON".

    Returns:
        The newest version that is left (-1: none); None if the damaged file is not the newest entry.
    """
    log, name = _Log.of(uri), damaged.rpartition("/")[2]
    match = ENTRY.fullmatch(name)
    if match is None or int(match[1]) < max([*log.entries, *log.checkpoints], default=-1):
        return None
    here = f"{uri}/_delta_log/{name}"
    if int(match[1]) in log.entries:
        state_files.set_aside(DamagedFile(here, why), "what it said is made again")
    log_sums.forget(uri, int(match[1]))
    return int(match[1]) - 1
