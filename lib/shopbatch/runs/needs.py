"""Checks what a job needs before it starts (models), and names the commands that make missing models and tables."""

from __future__ import annotations

from shopbatch.core.config import JobConfig
from shopbatch.core.errors import UserError
from shopbatch.models.presence import name_of, why_missing
from shopbatch.runs import declaration
from shopbatch.tables import declared
from shopbatch.warehouse.store import Store

_SHIPPED = ("sentiment",)  # what `shopbatch init` registers


def check_models(settings: JobConfig, store: Store) -> None:
    """Check that the registry has every model that a run will load, before a session is started.

    Raises:
        UserError: A model is missing; the message names the commands that make it.
    """
    for key, reference in settings.required_models().items():
        if missing := why_missing(f"{store.root}/_models", reference):
            raise UserError(f"{key}={reference}: {missing}; {makes_model(reference)}")


def makes_model(reference: str) -> str:
    """Return the commands that make a model, as text for an error message.

    Args:
        reference: The model, such as `sentiment@live`.
    """
    name = name_of(reference)
    shipped = "`shopbatch init` registers the one that ships, " if name in _SHIPPED else ""
    if maker := next((job for job in declaration.names() if name and name in _made_by(job)), ""):
        return f"{shipped}`shopbatch run {maker}` trains {'yours' if shipped else 'one'}"
    return "train it or name another; `shopbatch models` lists them"


def fills_table(name: str) -> str:
    """Return the commands that fill a table, as text for an error message."""
    known = declared(name)
    return known.filled_by if known is not None else f"`shopbatch load {name} FILE`, or the job that writes it"


def _made_by(job: str) -> tuple[str, ...]:
    """Return the names of the models that a job publishes; () if the job's file cannot be loaded."""
    try:
        return declaration.find(job).makes
    except (ImportError, SyntaxError, TypeError, AttributeError):
        return ()
