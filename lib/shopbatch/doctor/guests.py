"""Finds guests that share one user id in `transactions`: their purchases would be the profile of one customer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, cached_property

import pyarrow.compute as pc

from shopbatch.core.errors import UserError
from shopbatch.doctor.findings import Finding, warning
from shopbatch.text.word_files import WordFile, read_words
from shopbatch.warehouse.store import Store

TABLE, COLUMN = "transactions", "user_id"
ROWS = 2_000_000  # a larger table is not read to its end
_TIMES, _LINES = 20, 200  # an id with this many times the lines of any other, and so many at least, is no customer


class _Guests(WordFile):
    """The ids of guests: words, in which case, blanks and signs make no difference, and numbers."""

    words: tuple[str, ...]
    numbers: frozenset[int]

    @cached_property
    def plain_words(self) -> frozenset[str]:
        """The words in the form that `_word` gives."""
        return frozenset(_word(w) for w in self.words)


@cache
def _guests() -> _Guests:
    return read_words(_Guests, "shopbatch.doctor", "guests.yaml")


def judge_guests(root: str) -> list[Finding]:
    """Find user ids that stand for many buyers, in the first ROWS of the warehouse's transactions.

    Args:
        root: The warehouse. Without the table, or without its column, there is nothing to find.
    """
    try:
        snapshot = Store(root).find(TABLE)
    except UserError:  # a run refuses the table, too, and says why
        return []
    if snapshot is None or COLUMN not in snapshot.schema.names:
        return []
    counted = pc.value_counts(snapshot.read([COLUMN], limit=ROWS)[COLUMN].drop_null())
    return judge_counts({str(pair["values"]): pair["counts"] for pair in counted.to_pylist()})


def judge_counts(lines: Mapping[str, int]) -> list[Finding]:
    """Make one finding of the user ids that are probably no customers.

    Args:
        lines: Number of transactions by user id.
    """
    guests = {user for user in lines if _is_guest(user, lines)}
    others = sorted((user for user in lines if user not in guests), key=lambda user: -lines[user])
    if len(others) > 1 and lines[others[0]] >= max(_LINES, _TIMES * lines[others[1]]):
        guests.add(others[0])
    if not guests:
        return []
    total = sum(lines.values())
    first = sorted(guests, key=lambda user: (-lines[user], user))[:3]
    shown = ", ".join(f"{user!r} ({lines[user]:,} of {total:,} lines)" for user in first)
    what = f"{TABLE}.{COLUMN} {shown} looks like guests under one id"
    why = "build_user_profiles takes all lines of an id for one customer, who then leads every segment"
    do = f"leave {COLUMN} empty (null) for guests and load the file again, or go on if this is a customer"
    return [warning("guests", what, why, do)]


def _is_guest(user: str, lines: Mapping[str, int]) -> bool:
    if _word(user) in _guests().plain_words:
        return True
    number = _number(user)
    if number is None or number not in _guests().numbers:
        return False
    beside = [other for other in lines if _number(other) in (number - 1, number + 1)]
    return not any(lines[user] <= _TIMES * lines[other] for other in beside)


def _number(user: str) -> float | None:
    try:
        return float(user)
    except ValueError:
        return None


def _word(user: str) -> str:
    """A user id as a word: small letters, without signs and with single spaces."""
    return " ".join(re.sub(r"[<>()\[\]{}_\-./\s]+", " ", str(user).casefold()).split())
