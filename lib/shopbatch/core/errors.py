"""The three ways in which a run can end early without a defect. `runs.job.main` maps them to exit codes 2, 3 and 4."""

import re

LONGEST_MESSAGE = 2_000  # characters; a message may quote what the user wrote
_LAST_WORD = re.compile(r"[\d\s()+./-]{0,100}\S{0,100}\Z")


class _Bounded(Exception):
    """An error whose message may quote a value of any length: what is longer than LONGEST_MESSAGE is cut."""

    def __str__(self) -> str:
        return bounded(super().__str__())


class UserError(_Bounded, ValueError):
    """The user made a mistake (exit 2). The message is one line: what is wrong, and what to do."""


class GateRefused(_Bounded):
    """A gate refused the result (exit 3). Nothing was published; the message names the gates."""


class Stopped(_Bounded):
    """The run stopped cleanly, and the same command resumes it (exit 4)."""


def bounded(text: str) -> str:
    """Return a text of at most LONGEST_MESSAGE characters.

    A longer one is cut before a word and before a number: half of an address or of a telephone number would not be
    known for one, and so not be masked.
    """
    if len(text) <= LONGEST_MESSAGE:
        return text
    end = LONGEST_MESSAGE - 4
    return text[: end - 200] + _LAST_WORD.sub("", text[end - 200 : end]) + " ..."


def bounded_lines(text: str) -> str:
    """Return a text of several lines, such as a traceback, with each line cut as `bounded` does."""
    return "\n".join(map(bounded, text.split("\n")))


def one_line(error: object, limit: int | None = None) -> str:
    """Return the text of an error as one line, white space collapsed, cut to `limit` characters."""
    return " ".join(str(error).split())[:limit]
