"""The error of everything that reads model folders."""

from shopbatch.core.errors import UserError


class ModelError(UserError):
    """A model that is missing, damaged, incomplete, or of a kind that is refused. The message is one line."""
