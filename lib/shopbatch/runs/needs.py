"""What a job needs before it starts, and the command that makes what is missing."""

from __future__ import annotations

from shopbatch.core.config import JobConfig
from shopbatch.core.errors import UserError
from shopbatch.models.presence import name_of, why_missing
from shopbatch.runs import declaration
from shopbatch.tables import declared
from shopbatch.warehouse.store import Store

_SHIPPED = ("sentiment",)  # what `shopbatch init` registers


def check_models(settings: JobConfig, store: Store) -> None:
    """Look for the models that a run will load, so that it is refused before a session is started.

    Raises:
        UserError: The registry lacks one.
    """
    for key, reference in settings.required_models().items():
        if missing := why_missing(f"{store.root}/_models", reference):
            raise UserError(f"{key}={reference}: {missing}; {makes_model(reference)}")


def makes_model(reference: str) -> str:
    """Say which commands make the model that a reference means."""
    name = name_of(reference)
    shipped = "`shopbatch init` registers the one that ships, " if name in _SHIPPED else ""
    if maker := next((job for job in declaration.names() if name and name in _made_by(job)), ""):
        return f"{shipped}`shopbatch run {maker}` trains {'yours' if shipped else 'one'}"
    return "train it or name another; `shopbatch models` lists them"


def fills_table(name: str) -> str:
    """Say which commands fill a table."""
    known = declared(name)
    return known.filled_by if known is not None else f"`shopbatch load {name} FILE`, or the job that writes it"


def _made_by(job: str) -> tuple[str, ...]:
    """The models that a job makes; none if its file does not load, which is not the question here."""
    try:
        return declaration.find(job).makes
    except (ImportError, SyntaxError, TypeError, AttributeError):
        return ()
