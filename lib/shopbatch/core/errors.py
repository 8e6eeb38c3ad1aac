"""The three errors that end a run early without being a defect. `runs.job` maps them to the exit codes 2, 3 and 4."""

import re

LONGEST_MESSAGE = 2_000  # characters; a message may quote what the user wrote
_LAST_WORD = re.compile(r"[\d\s()+./-]{0,100}\S{0,100}\Z")


class _Bounded(Exception):
    """Base of errors whose message is cut to LONGEST_MESSAGE characters, since it may quote a value of any length."""

    def __str__(self) -> str:
        return bounded(super().__str__())


class UserError(_Bounded, ValueError):
    """The user made a mistake (exit code 2). The message is one line: what is wrong, and what to do."""


class GateRefused(_Bounded):
    """A gate refused the result (exit code 3). Nothing was published; the message names the gates."""


class Stopped(_Bounded):
    """The run stopped cleanly (exit code 4). The same command resumes it."""


def bounded(text: str) -> str:
    """Cut a text to at most LONGEST_MESSAGE characters; a text that is cut ends with " ...".

    The word or number at the cut is removed as a whole, because `core.privacy` would not recognise, and so not mask,
    the first half of an e-mail address or telephone number.
    """
    if len(text) <= LONGEST_MESSAGE:
        return text
    end = LONGEST_MESSAGE - 4
    return text[: end - 200] + _LAST_WORD.sub("", text[end - 200 : end]) + " ..."


def bounded_lines(text: str) -> str:
    """Cut each line of a text, such as a traceback, to at most LONGEST_MESSAGE characters, as `bounded` does."""
    return "\n".join(map(bounded, text.split("\n")))


def one_line(error: object, limit: int | None = None) -> str:
    """Return the text of an error as one line with single spaces, cut to `limit` characters (None: not cut)."""
    return " ".join(str(error).split())[:limit]
