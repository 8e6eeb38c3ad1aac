"""The three ways in which a run can end early without a defect. `runs.job.main` maps them to exit codes 2, 3 and 4."""

LONGEST_MESSAGE = 2_000  # characters; a message may quote what the user wrote


class UserError(ValueError):
    """The user made a mistake (exit 2). The message is one line: what is wrong, and what to do.

    A longer message than LONGEST_MESSAGE is cut: it quotes a value of any length.
    """

    def __str__(self) -> str:
        return super().__str__()[:LONGEST_MESSAGE]


class GateRefused(Exception):
    """A gate refused the result (exit 3). Nothing was published; the message names the gates."""


class Stopped(Exception):
    """The run stopped cleanly, and the same command resumes it (exit 4)."""


def one_line(error: object, limit: int | None = None) -> str:
    """Return the text of an error as one line, white space collapsed, cut to `limit` characters."""
    return " ".join(str(error).split())[:limit]
