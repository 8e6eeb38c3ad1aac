"""Options that several commands have, and the values that a shell completes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shopbatch.core import config
from shopbatch.core.errors import UserError

if TYPE_CHECKING:
    from shopbatch.warehouse.store import Store

COUNT = click.IntRange(min=0)
F = TypeVar("F", bound=Callable[..., Any])


def environment(default: str = "local") -> Callable[[F], F]:
    """The option --env, for a command that needs to know where the warehouse or the cluster is."""
    text = f"Which conf/<env>/platform.yaml says where (default: {default})."
    return click.option("--env", default=default, help=text)


def open_store(env: str) -> Store:
    """Open the warehouse of an environment."""
    from shopbatch.warehouse.store import Store

    return Store(config.platform(env).warehouse)


def complete_tables(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """List the tables in a local warehouse whose names begin with `incomplete`. Object stores are not asked."""
    try:
        warehouse = config.platform(context.params.get("env") or "local").warehouse
    except UserError:
        return []
    logs = [] if "://" in warehouse else Path(warehouse).expanduser().glob(f"{incomplete}*/_delta_log")
    return sorted(path.parent.name for path in logs)


def complete_sources(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """List the source tables whose names begin with `incomplete`."""
    from shopbatch.tables import SOURCES

    return [name for name in SOURCES if name.startswith(incomplete)]
