"""`shopbatch load policies FOLDER`: loads a folder of Markdown files into the table `policies`, one row per section.

The load replaces the table, so policies whose files are gone disappear. If one file is wrong, nothing is loaded. The
same folder is loaded only once.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import pyarrow as pa

from shopbatch.core.errors import UserError
from shopbatch.core.privacy import mask
from shopbatch.load.front_matter import has_front_matter
from shopbatch.load.identity import new_run_id, shows
from shopbatch.load.policy_file import Policy, Section, Value, read_policy
from shopbatch.load.sink import Sink
from shopbatch.tables.policies import POLICIES
from shopbatch.text.quantities import quantities
from shopbatch.warehouse.store import Store

VERSION = 1  # version of the reading code; raise it when the same file would give other rows
MARKDOWN = (".md", ".markdown")
LARGEST = 1_000_000
"""Most bytes of one policy file."""


@dataclass(frozen=True)
class PolicyReport:
    """The result of one load of policies, which the command prints.

    Attributes:
        folder: The folder, as the user wrote it.
        policies: Number of policies (files) in the folder.
        sections: Number of their sections, which are the rows of the table.
        others: Number of files in the folder that are not Markdown.
        readmes: Names of README files, which describe the folder and are not policies.
        new: Ids of policies that the table did not hold before.
        changed: Ids of policies whose text differs from that in the table.
        gone: Ids of policies in the table that are no longer in the folder.
        version: Version of the table; -1 if nothing was committed.
        already: Whether nothing was done, because the table holds just these policies.
        dry_run: Whether nothing was written, because the user asked for a dry run.
        replaced_sample: Whether the load replaces policies of a built-in sample.
        seconds: Duration of the load; 0 if nothing was committed.
    """

    folder: str
    policies: int
    sections: int
    others: int = 0
    readmes: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    version: int = -1
    already: bool = False
    dry_run: bool = False
    replaced_sample: bool = False
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """Return the report as lines of text for the terminal."""
        counted = f"{_count(self.policies, 'file')} with {_count(self.sections, 'section')} of {self.folder}"
        lines = [f"left out: {_count(self.others, 'file')} without .md at the end"] if self.others else []
        lines += [f"left out: {name} has no front matter and is no policy" for name in self.readmes]
        if self.already:
            return [*lines, f"policies: {counted}: there already, nothing done (version {self.version})"]
        for what, ids in (("new", self.new), ("changed", self.changed), ("no longer in the folder", self.gone)):
            if ids:
                shown = ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")
                lines.append(f"{len(ids):,} {what}: {shown}")
        if self.replaced_sample:
            lines.append("the policies of the sample are replaced")
        if self.dry_run:
            return [*lines, f"policies: {counted} would replace the table; this was a dry run, nothing was written"]
        done = f"loaded in {self.seconds:.1f} s; the table holds these alone (version {self.version})"
        return [*lines, f"policies: {counted} {done}"]


def _count(number: int, what: str) -> str:
    """Return a number with its noun ("1 file", "2 files")."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def load_policies(store: Store, folder: str | Path, dry_run: bool = False) -> PolicyReport:
    """Replace all rows of the table `policies` by the sections of a folder's Markdown files, in one commit.

    Args:
        store: The warehouse.
        folder: The folder; its subfolders are read too, names that begin with a dot are not.
        dry_run: Read and check everything, but write nothing.

    Returns:
        The counts, and which policies are new, changed or gone.

    Raises:
        UserError: A file cannot be read as a policy, or two policies contradict each other. The message names the file,
            and nothing is loaded.
    """
    started = time.monotonic()
    place = Path(os.path.expanduser(folder))
    policies, others, readmes = read_folder(place)
    rows = tabulate(policies)
    said = json.dumps([VERSION, POLICIES.name, sorted((p.file, p.version) for p in policies)])
    load = hashlib.blake2b(said.encode(), digest_size=16).hexdigest()
    report = PolicyReport(str(folder), len(policies), rows.num_rows, others, readmes, dry_run=dry_run)
    before = store.find(POLICIES.name)
    if before is not None and shows(before, load, "replace"):
        return replace(report, version=before.version, already=True)
    there: dict[str, str] = {}
    if before is not None and before.files:
        there = {row["policy_id"]: row["version"] for row in before.read(["policy_id", "version"]).to_pylist()}
    now = {policy.id: policy.version for policy in policies}
    report = replace(
        report,
        new=tuple(sorted(now.keys() - there.keys())),
        changed=tuple(sorted(name for name in now.keys() & there.keys() if now[name] != there[name])),
        gone=tuple(sorted(there.keys() - now.keys())),
        replaced_sample=bool(there) and before is not None and "sample" in before.metadata,
    )
    if dry_run:
        return report
    store.check_targets((POLICIES,), "replace")
    sink = Sink(store, POLICIES, new_run_id(load))
    try:
        sink.add(rows)
        sink.flush()
        metadata = {"loads": [load], "source": mask(str(folder)), "rows_loaded": rows.num_rows}
        version = store.commit(POLICIES, sink.written, mode="replace", run_key=f"load/{load}", metadata=metadata)
        sink.written.clear()
    finally:
        sink.discard()
    return replace(report, version=version, seconds=time.monotonic() - started)


def read_folder(folder: Path) -> tuple[list[Policy], int, tuple[str, ...]]:
    """Read and check all policies of a folder; `load_policies` and the sample of policies use it.

    Args:
        folder: The folder.

    Returns:
        The policies, in the order of their files; the number of files that are not Markdown; and the names of the files
        that only describe the folder (README.md, README.zh.md, ... without front matter).

    Raises:
        UserError: See `load_policies`.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise UserError(f"{folder} {what}: policies are loaded from a folder of Markdown files with front matter")
    files, policies, readmes = sorted(_files(folder)), [], []
    for name in (markdown := [name for name in files if name.lower().endswith(MARKDOWN)]):
        try:
            text = _text(folder / name, folder.resolve())
            if _is_readme(name) and not has_front_matter(text):
                readmes.append(name)
                continue
            policies.append(read_policy(text, name))
        except UserError as error:
            raise UserError(f"{folder / name}: {error}; nothing was loaded") from None
    if not policies:
        raise UserError(f"{folder}: there is no Markdown file (.md) with front matter in it")
    check(policies, folder)
    return policies, len(files) - len(markdown), tuple(readmes)


def _is_readme(name: str) -> bool:
    """Return True if a file is named like a description of its folder: README.md, readme.de.markdown, ..."""
    return name.rpartition("/")[2].partition(".")[0].casefold() == "readme"


def _files(folder: Path) -> Iterator[str]:
    """Yield the paths of all files in a folder and its subfolders, relative to the folder; hidden ones are left out."""
    outside = folder.resolve()
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            _refuse_outside(Path(path, name), outside)
        for name in files:
            if not name.startswith("."):
                yield Path(path, name).relative_to(folder).as_posix()


def _refuse_outside(path: Path, folder: Path) -> None:
    """Raise UserError if a path, with links resolved, leads out of the folder."""
    if not path.resolve().is_relative_to(folder):
        raise UserError(f"{path}: it leads out of the folder; put the file itself there; nothing was loaded")


def _text(path: Path, folder: Path) -> str:
    """Return the text of a file.

    Raises:
        UserError: The file leads out of the folder, is not a regular file, is larger than `LARGEST`, or is not UTF-8.
    """
    if not path.resolve().is_relative_to(folder):
        raise UserError("it leads out of the folder; put the file itself there")
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError("it is no plain file")
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise UserError(f"it cannot be read: {error.strerror}") from None
    if len(data) > LARGEST:
        raise UserError(f"it is larger than {LARGEST:,} bytes, which no policy needs")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"it is no UTF-8 (byte {error.start + 1:,}): save it as UTF-8") from None


def check(policies: Sequence[Policy], folder: Path = Path()) -> None:
    """Raise UserError if two policies have the same id, or state different values for the same thing.

    Values are for the same thing if they have the same role (such as `return_days`), intent and language, and their
    policies are both valid on some day in some market. A policy without a market is valid in every market.

    Args:
        policies: The policies to compare with each other.
        folder: The folder that they come from, for the message.
    """
    by_id: dict[str, Policy] = {}
    stated: dict[tuple[str, str, str], list[tuple[Policy, Value]]] = {}
    for policy in policies:
        other = by_id.setdefault(policy.id, policy)
        if other is not policy:
            raise UserError(
                f"{folder / policy.file}: id {policy.id!r} is that of {other.file}, too; nothing was loaded"
            )
        for section in policy.sections:
            for intent in section.intents:
                for value in section.values:
                    stated.setdefault((intent, policy.language, value.role), []).append((policy, value))
    for (intent, _, role), values in stated.items():
        for (first, one), (second, another) in combinations(values, 2):
            if _hold_together(first, second) and _differ(one.text, another.text, first.language):
                raise UserError(
                    f"{folder / second.file}: {role} is {another.text!r} for {intent}, but {one.text!r} in "
                    f"{first.file}, and both hold at one time; nothing was loaded"
                )


def _hold_together(first: Policy, second: Policy) -> bool:
    """Return True if there is a market and a day on which both policies are valid."""
    if first.market and second.market and first.market != second.market:
        return False
    starts = [policy.valid_from for policy in (first, second) if policy.valid_from]
    ends = [policy.valid_to for policy in (first, second) if policy.valid_to]
    return not starts or not ends or max(starts) <= min(ends)


def _differ(one: str, another: str, language: str) -> bool:
    """Return True if two texts state different values ("30 days" and "14 days").

    Their numbers are compared, with units if all have one. If one text has no number, the words are compared without
    regard to case and white space.
    """
    a, b = quantities(one, language), quantities(another, language)
    if a and b:
        with_unit = all(quantity.sizes for quantity in (*a, *b))
        return [q.sizes if with_unit else q.number for q in a] != [q.sizes if with_unit else q.number for q in b]
    return " ".join(one.split()).casefold() != " ".join(another.split()).casefold()


def tabulate(policies: Sequence[Policy]) -> pa.Table:
    """Turn policies into rows of the table `policies`, one row per section."""
    rows = [_row(policy, number, section) for policy in policies for number, section in enumerate(policy.sections)]
    columns = {field.name: pa.array([row[field.name] for row in rows], field.type) for field in POLICIES.schema()}
    return POLICIES.fill(len(rows), **columns)


def _row(policy: Policy, number: int, section: Section) -> dict[str, object]:
    """Return the row of the table `policies` for one section; `number` is its position in the policy, from 0."""
    return {
        "policy_id": policy.id,
        "section": number,
        "language": policy.language,
        "market": policy.market,
        "intents": list(section.intents),
        "title": section.title,
        "text": section.text,
        "values": [{"role": v.role, "text": v.text, "start": v.start, "end": v.end} for v in section.values],
        "valid_from": policy.valid_from,
        "valid_to": policy.valid_to,
        "version": policy.version,
        "source_file": policy.file,
        "start": section.start,
        "end": section.end,
    }
