"""Carries out `shopbatch erase`: finds a person's data, erases it, scans for remains, and writes a record.

After a kill the user gives the same command again: each step finds out itself what is still to be done. Facts that the
tables no longer contain then (such as the ids and texts of rows that are already erased) are kept in
`_erasures/pending.json` until the erasure is finished.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow.fs as pafs

from shopbatch.core.crash_points import crash_point
from shopbatch.erasure import records
from shopbatch.erasure.change import check, erase_rows, remove_empty_folders
from shopbatch.erasure.leases import ALL, alive, refuse_if_alive
from shopbatch.erasure.loose import affected
from shopbatch.erasure.plan import TablePlan, TextOf, as_it_stands, fill, other_texts, tables_of, widen
from shopbatch.erasure.scanner import Hit, Needles, Scan, scan
from shopbatch.erasure.wanted import Wanted
from shopbatch.models import registry
from shopbatch.models.erasure import keyed, models_of
from shopbatch.runs.history import newest
from shopbatch.tables import SOURCES
from shopbatch.warehouse import files
from shopbatch.warehouse.foreign import put_right
from shopbatch.warehouse.store import Store

_TRAINING = "_training"


class StillThere(Exception):
    """Raised if the scan after an erasure finds an erased person. The message names the files."""


@dataclass
class Erasure:
    """What an erasure would do (`foretell`) or has done (`erase`).

    Attributes:
        tables: {table: number of its rows to erase}, only tables with such rows.
        files: Files outside the tables that are changed or deleted, relative to the warehouse.
        models: {reference of a model trained on erased rows: command that trains it again, "" if unknown}.
        silent: References of models without a record of their training rows; they may have been trained on erased rows.
        unknown: Number of given ids that occur in no row.
        runs: Runs that are under way, as "job/run_id"; while there are any, `erase` is refused.
        scanned: Result of the scan after the erasure; None before it.
        record: Path of the record in the warehouse; "" before it is written.
    """

    tables: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    unknown: int = 0
    runs: list[str] = field(default_factory=list)
    scanned: Scan | None = None
    record: str = ""


def foretell(store: Store, users: set[str], reviews: set[str], texts: Mapping[str, TextOf]) -> Erasure:
    """Find out what `erase` would do, without writing anything (`shopbatch erase --dry-run`).

    Args:
        store: The warehouse.
        users: Ids of users.
        reviews: Ids of single reviews.
        texts: {table: function that returns the training text of each of its rows}. Models record such rows by the hash
            of this text, so the function is needed to find the models trained on them.
    """
    return _look(store, users, reviews, texts).erasure


def erase(
    store: Store, users: set[str], reviews: set[str], texts: Mapping[str, TextOf], models: bool = False
) -> Erasure:
    """Erase users and reviews from the warehouse, and scan every file to prove it.

    Args:
        store: The warehouse.
        users: Ids of users.
        reviews: Ids of single reviews.
        texts: As for `foretell`.
        models: Whether to delete the models that were trained on erased rows.

    Raises:
        Stopped: A run is under way, or another process wrote meanwhile.
        UserError: A table cannot be written.
        StillThere: The scan has found an erased person; the message names the files.
    """
    refuse_if_alive(store)
    store.check_writable()
    for plan in tables_of(store):
        if plan.snapshot.metadata and plan.name not in SOURCES:
            # now, because after our own commits another client's commits would no longer be noticed
            put_right(store, as_it_stands(plan.snapshot))
    look = _look(store, users, reviews, texts)
    for plan in look.plans:
        check(plan)
    records.write_pending(store, look.state())
    crash_point("erase_pending")
    token = secrets.token_hex(4)
    for plan in look.plans:
        if plan.is_touched:
            erase_rows(store, plan, look.wanted, token)
    for path, content in affected(store, look.wanted):
        if content is None:
            files.remove(f"{store.root}/{path}")
        else:
            files.write_bytes(f"{store.root}/{path}", content)
        crash_point("erase_file")
    if look.wanted.wrote:
        _remove_folder(store, _TRAINING)
        registry.withdraw_candidates(f"{store.root}/_models")
    remove_empty_folders(store.root)
    crash_point("erase_cleaned")
    refuse_if_alive(store)  # a run that began meanwhile may have pinned the rows and write them again
    erasure = look.erasure
    erasure.scanned = scan(store.root, look.needles)
    if hits := erasure.scanned.hits:
        raise StillThere(_explain(hits))
    crash_point("erase_scanned")
    erasure.record = _remember(store, look)
    crash_point("erase_recorded")
    if models:
        delete_models(store, erasure.models)
        crash_point("erase_models")
    records.remove_pending(store)  # last, because only the pending file still names the models
    return erasure


@dataclass
class _Look:
    """Everything that is found out before the first change.

    Attributes:
        wanted: Whom to erase.
        plans: What to erase from each table.
        needles: The strings that the scan searches for after the erasure.
        erasure: The summary for the user.
        asked: Given ids that occur in some row, now or in an earlier attempt.
    """

    wanted: Wanted
    plans: list[TablePlan]
    needles: Needles
    erasure: Erasure
    asked: set[str]

    def state(self) -> dict[str, Any]:
        """Return what a later attempt needs to know, as JSON types; `records.write_pending` stores it."""
        wanted, needles, erasure = self.wanted, self.needles, self.erasure
        return {
            "users": sorted(wanted.users),
            "asked": sorted(wanted.asked),
            "reviews": sorted(wanted.reviews),
            "hashes": sorted(wanted.hashes),
            "quotes": sorted(wanted.quotes),
            "wrote": wanted.wrote,
            "pieces": list(needles.pieces),
            "known": sorted(self.asked),
            "tables": erasure.tables,
            "files": erasure.files,
            "models": erasure.models,
            "silent": erasure.silent,
        }


def _look(store: Store, users: set[str], reviews: set[str], texts: Mapping[str, TextOf]) -> _Look:
    """Find out what to erase, from the warehouse and from the state of an interrupted attempt; writes nothing."""
    before = records.read_pending(store)

    def earlier(name: str) -> set[str]:
        return set(before.get(name, ()))

    wanted = Wanted(users | earlier("users"), reviews | earlier("asked"), reviews | earlier("reviews"))
    wanted.hashes, wanted.quotes, wanted.wrote = earlier("hashes"), earlier("quotes"), bool(before.get("wrote"))
    plans = tables_of(store)
    names = widen(store, plans, wanted, texts)
    plans = [fill(store, plan, wanted) for plan in plans]
    others = (text for batch in other_texts(plans, wanted) for text in batch)
    needles = Needles.of(wanted.users, wanted.reviews, wanted.texts, others)
    needles = Needles(needles.users, needles.reviews, tuple(sorted({*needles.pieces, *earlier("pieces")})))
    models, silent = models_of(store, names) if names else ([], [])
    counted = {plan.name: plan.total for plan in plans if plan.total}
    done = before.get("tables", {})
    known = wanted.known | earlier("known")
    erasure = Erasure(
        tables={name: max(counted.get(name, 0), done.get(name, 0)) for name in sorted({*counted, *done})},
        files=sorted({path for path, _ in affected(store, wanted)} | earlier("files")),
        models=_commands(store, sorted({*models, *before.get("models", {})})),
        silent=sorted({*silent, *earlier("silent")}),
        unknown=len((wanted.users | wanted.asked) - known),
        runs=alive(store),
    )
    return _Look(wanted, plans, needles, erasure, known)


def _commands(store: Store, references: list[str]) -> dict[str, str]:
    """Return {reference of a model: command of the run that trained it}; "" where no run is known.

    It is the oldest run whose report names the model.
    """
    commands = dict.fromkeys(references, "")
    for report in newest(store.root, count=ALL) if references else ():
        for name, digest in (report.get("models") or {}).items():
            for reference in references:
                if f"{name}@{digest}".startswith(reference):
                    commands[reference] = str(report.get("command") or "")
    return commands


def delete_models(store: Store, references: Iterable[str]) -> None:
    """Delete published models. A job that needs one of them is refused until it is trained again.

    Args:
        store: The warehouse.
        references: References (name@digest) of the models.
    """
    root = f"{store.root}/_models"
    for manifest, live in list(registry.listed(root)):
        reference = registry.reference(manifest)
        if reference in references:
            if live:
                files.remove(f"{root}/{manifest['name']}/{registry.LIVE}")
            _remove_folder(store, f"_models/{reference.replace('@', '/')}")


def _remember(store: Store, look: _Look) -> str:
    """Write the record of the erasure, and return its path in the warehouse.

    The record holds the ids hashed under the warehouse's key, the time, the numbers of rows and files changed, the
    models trained on erased rows, and how many files and bytes the scan has read.
    """
    now = datetime.now(UTC)
    scanned = look.erasure.scanned or Scan()
    record = {
        "at": now.isoformat(timespec="seconds"),
        "users": keyed(store, sorted(look.wanted.users)),
        "reviews": keyed(store, sorted(look.wanted.asked)),
        "unknown": look.erasure.unknown,
        "tables": look.erasure.tables,
        "files": len(look.erasure.files),
        "models": sorted(look.erasure.models),
        "scan": {"files": scanned.files, "bytes": scanned.bytes, "hits": len(scanned.hits)},
    }
    return records.write_record(store, f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}", record)


def _explain(hits: list[Hit]) -> str:
    """Return the message for the user that names up to five files in which the scan found a person."""
    shown = "; ".join(f"{hit.path} ({hit.what})" for hit in hits[:5])
    more = f"; and {len(hits) - 5} more" if hits[5:] else ""
    return f"an erased person is still in {shown}{more}; remove that, and give the same command again"


def _remove_folder(store: Store, name: str) -> None:
    """Delete a folder of the warehouse if it exists."""
    fs, path = files.filesystem(f"{store.root}/{name}")
    if fs.get_file_info(path).type == pafs.FileType.Directory:
        fs.delete_dir(path)
