"""Options and argument types that several commands share, and the values for shell completion."""

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
    """Type of an option: a number within bounds. Unlike `click.FloatRange` it refuses `nan`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert the text of an option to a float, and refuse `nan` and numbers out of bounds."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


F = TypeVar("F", bound=Callable[..., Any])


def environment(default: str = "local") -> Callable[[F], F]:
    """Return a decorator that adds the option --env to a command.

    Args:
        default: The environment if the option is not given.
    """
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
    """Print on standard error which warehouse a command uses and which setting names it."""
    click.echo(f"warehouse: {describe_warehouse(env, overrides)}", err=True)


def describe_warehouse(env: str, overrides: Sequence[str] = ()) -> str:
    """Return the warehouse and the source of that setting, without secrets: "/data/w (from SHOPBATCH_WAREHOUSE)"."""
    path, source = config.warehouse(env, overrides)
    where = path if "://" in path else str(Path(path).resolve())
    return redact_text(f"{where} (from {source})")


def complete_tables(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the tables in a local warehouse whose names begin with `incomplete`, for shell completion.

    Object stores are not asked: their tables are never completed ([]).
    """
    try:
        warehouse = config.platform(context.params.get("env") or "local").warehouse
    except UserError:
        return []
    logs = [] if "://" in warehouse else Path(warehouse).glob(f"{incomplete}*/_delta_log")
    return sorted(path.parent.name for path in logs)


def complete_sources(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the source tables whose names begin with `incomplete`, for shell completion."""
    from shopbatch.tables import SOURCES

    return [name for name in SOURCES if name.startswith(incomplete)]
