"""The configuration that every inference job has. Light to import: job configurations are built on it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict


class Budget(Strict):
    """What a run may spend, over all its attempts and languages together.

    A run that reaches a cap stops in good order (exit code 4), and the same command resumes it.
    """

    max_rows: int | None = Field(default=None, ge=0)
    """Greatest number of new computations. A run that would need more does not start them. null: no cap."""
    max_tokens: int | None = Field(default=None, ge=0)
    """Tokens of prompts and answers. Checked when a worker has written, so it is exceeded a little. null: no cap."""
    max_seconds: float | None = Field(default=None, ge=0)
    """Seconds of computing. Checked when a worker has written, so it is exceeded a little. null: no cap."""


class Gates(Strict):
    """Limits that a candidate must keep to before it becomes visible."""

    reject_share: float = 0.01
    """Maximum share of the rows read that may be rejected. Rows with nothing to score, rows that a newer row of the
    same key replaces, rows that a person refused, and products left to another language (foreign_facts) do not
    count."""
    min_rejects: int = Field(default=20, ge=0)
    """Fewest rejected rows from which their share is judged: of a small table a few rows are a large share. If no row
    is left to publish, the share is judged in any case."""
    rows: float | Literal["any"] = 0.5
    """Least rows that a run may publish, as a share of the live version's if that has 20 or more. A source without rows
    is refused, too. `any` lets every number pass."""
    drift: float = 0.1
    """Maximum total variation distance, 0 to 1, between the label shares of the candidate and of the live version."""
    accept_recipe: str | None = None
    """A recipe digest that may replace a live table of another recipe; `any` accepts every one. null: none may."""


class InferenceConfig(JobConfig):
    """What every inference job's configuration has. None of these fields can change a result."""

    limit: int | None = Field(default=None, ge=0)
    """Maximum number of new computations in this run; the rest stays pending. null: no limit."""
    retry_rejects: bool = False
    """Try all rejected rows once more."""
    attempts: int = Field(default=1, ge=1, le=100)
    """How often, within the run, a row is tried whose result the stage's checks refuse."""
    workers: int | None = Field(default=None, ge=1)
    """Number of workers. null: one per CPU."""
    flush_rows: int = Field(default=16_384, ge=1)
    """A worker writes its results at least every this many rows."""
    flush_seconds: float = Field(default=15.0, ge=0)
    """A worker writes its results at least every this many seconds."""
    commit_seconds: float = Field(default=30.0, ge=0)
    """The driver makes written results visible in the memo at least every this many seconds."""
    timeout_seconds: float = Field(default=600.0, gt=0)
    """An engine call that takes longer ends its worker; its rows are then tried one by one."""
    budget: Budget = Budget()
    """What the run may spend."""
    gates: Gates = Gates()
    """What the candidate must pass before it is published."""
