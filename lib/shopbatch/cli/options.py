"""Options that several commands have, and the values that a shell completes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shopbatch.core import config
from shopbatch.core.errors import UserError
from shopbatch.core.privacy import redact_text

if TYPE_CHECKING:
    from shopbatch.warehouse.store import Store

COUNT = click.IntRange(min=0, max=10**9)


class Number(click.FloatRange):
    """A number within bounds; `nan` is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


F = TypeVar("F", bound=Callable[..., Any])


def environment(default: str = "local") -> Callable[[F], F]:
    """The option --env, for a command that needs to know where the warehouse or the cluster is."""
    text = (
        f"Which conf/<env>/platform.yaml says where the warehouse and the cluster are (default: {default}). "
        "SHOPBATCH_WAREHOUSE wins over its warehouse."
    )
    return click.option("--env", default=default, help=text)


def open_store(env: str) -> Store:
    """Open the warehouse of an environment."""
    from shopbatch.warehouse.store import Store

    return Store(config.platform(env).warehouse)


def tell_warehouse(env: str, overrides: Sequence[str] = ()) -> None:
    """Say on standard error which warehouse a command uses, and what names it."""
    click.echo(f"warehouse: {describe_warehouse(env, overrides)}", err=True)


def describe_warehouse(env: str, overrides: Sequence[str] = ()) -> str:
    """Return the warehouse and what names it, without secrets."""
    path, source = config.warehouse(env, overrides)
    where = path if "://" in path else str(Path(path).resolve())
    return redact_text(f"{where} (from {source})")


def complete_tables(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """List the tables in a local warehouse whose names begin with `incomplete`. Object stores are not asked."""
    try:
        warehouse = config.platform(context.params.get("env") or "local").warehouse
    except UserError:
        return []
    logs = [] if "://" in warehouse else Path(warehouse).glob(f"{incomplete}*/_delta_log")
    return sorted(path.parent.name for path in logs)


def complete_sources(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """List the source tables whose names begin with `incomplete`."""
    from shopbatch.tables import SOURCES

    return [name for name in SOURCES if name.startswith(incomplete)]
