"""Finds user ids in `transactions` that stand for many guests ("guest", "0").

The purchases of all guests would otherwise become the profile of one customer.
"""

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
ROWS = 2_000_000  # most rows that are read
_TIMES, _LINES = 20, 200  # an id with 20 times the lines of any other, and at least 200, is no customer


class _Guests(WordFile):
    """The file `guests.yaml`: user ids that shops write for buyers without an account.

    Attributes:
        words: Textual ids; case, blanks and signs make no difference.
        numbers: Numeric ids.
    """

    words: tuple[str, ...]
    numbers: frozenset[int]

    @cached_property
    def plain_words(self) -> frozenset[str]:
        """The words normalised by `_word`, for comparison."""
        return frozenset(_word(w) for w in self.words)


@cache
def _guests() -> _Guests:
    return read_words(_Guests, "shopbatch.doctor", "guests.yaml")


def judge_guests(root: str) -> list[Finding]:
    """Return a warning finding if user ids in the table `transactions` probably stand for many guests.

    Only the first `ROWS` rows are read. [] if nothing is suspicious, or the table or its column `user_id` is missing.

    Args:
        root: The warehouse's folder or URI.
    """
    try:
        snapshot = Store(root).find(TABLE)
    except UserError:  # a run refuses this table as well and reports why
        return []
    if snapshot is None or COLUMN not in snapshot.schema.names:
        return []
    counted = pc.value_counts(snapshot.read([COLUMN], limit=ROWS)[COLUMN].drop_null())
    return judge_counts({str(pair["values"]): pair["counts"] for pair in counted.to_pylist()})


def judge_counts(lines: Mapping[str, int]) -> list[Finding]:
    """Return one warning finding that names the user ids which probably stand for guests; [] if there are none.

    An id is suspicious if it is one of the words or numbers of `guests.yaml` (a number only if no neighbouring number
    has a similar count), or if it has 200 lines or more and 20 times those of any other id.

    Args:
        lines: {user id: number of transaction lines}.
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
    """Normalise a user id for comparison: lower case, signs as blanks, single spaces ("Guest_User" -> "guest user")."""
    return " ".join(re.sub(r"[<>()\[\]{}_\-./\s]+", " ", str(user).casefold()).split())
