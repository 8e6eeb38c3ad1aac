"""The three ways a run ends that are not a defect. `runs.job.main` turns them into exit codes 2, 3 and 4."""


class UserError(ValueError):
    """The user's mistake (exit 2). The message is one line: what is wrong, and what to do."""


class GateRefused(Exception):
    """A gate refused the result (exit 3). Nothing was published; the message names the gates."""


class Stopped(Exception):
    """The run stopped in good order and the same command resumes it (exit 4)."""


def one_line(error: object, limit: int | None = None) -> str:
    """The text of an error as one line, white space collapsed, cut to `limit` characters."""
    return " ".join(str(error).split())[:limit]
