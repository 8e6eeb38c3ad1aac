"""The exception that all code that reads model folders raises."""

from shopbatch.core.errors import UserError


class ModelError(UserError):
    """A model is missing, damaged, incomplete, or refused because of its content. The message is one line."""
