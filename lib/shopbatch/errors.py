"""The three ways a run ends that are not a defect. `job.main` turns them into exit codes 2, 3 and 4."""


class UserError(ValueError):
    """The user's mistake (exit 2). The message is one line: what is wrong, and what would be right."""


class GateRefused(Exception):
    """A gate refused the result (exit 3). Nothing was published; the message names the gates."""


class Stopped(Exception):
    """The run stopped in good order and the same command resumes it (exit 4)."""
