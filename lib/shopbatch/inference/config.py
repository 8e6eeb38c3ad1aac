"""The settings that every inference job has; the configuration classes of the jobs inherit from `InferenceConfig`.

It imports little, so that configurations are read quickly.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shopbatch.core.config import JobConfig, Strict


class Budget(Strict):
    """Caps on what a run may spend, summed over all attempts and languages of the run.

    A run that reaches a cap keeps what it has computed and ends with exit code 4; the same command resumes it.
    """

    max_rows: int | None = Field(default=None, ge=0)
    """Greatest number of rows that the run may compute; rows with equal content are computed and counted once. If more
    are pending, the run stops before it computes any. null: no cap."""
    max_tokens: int | None = Field(default=None, ge=0)
    """Greatest number of tokens, of prompts and answers together. It is checked whenever a worker has written a file,
    so the run may exceed it a little. null: no cap."""
    max_seconds: float | None = Field(default=None, ge=0)
    """Greatest number of seconds spent on computing. It is checked whenever a worker has written a file, so the run may
    exceed it a little. null: no cap."""


class Gates(Strict):
    """Limits of the gates, which a candidate (the new version of the table) must pass before readers see it."""

    reject_share: float = 0.01
    """Greatest share (0 to 1) of the rows read that may be rejected. Not counted are rows without anything to score,
    rows replaced by a newer row with the same key, rows that a person refused, and products left to another language
    (foreign_facts)."""
    min_rejects: int = Field(default=20, ge=0)
    """Least number of rejected rows from which `reject_share` is applied: in a small table a few rows are already a
    large share. If all rows are rejected, the share is always applied."""
    rows: float | Literal["any"] = 0.5
    """Least number of rows to publish, as a share of the rows of the live table, if that has 20 or more: guards against
    a source that was emptied or cut by mistake. A source without rows is refused, too. `any` lets every number pass."""
    drift: float = 0.1
    """Greatest change of the label shares between the live table and the candidate, as total variation distance: 0
    means equal shares, 1 that all rows changed their label."""
    accept_recipe: str | None = None
    """Digest of the recipe (model, engine, version) that may replace a live table that was computed with another
    recipe. `any` accepts every recipe. null: a change of recipe is refused."""


class InferenceConfig(JobConfig):
    """The settings that every inference job has. None of the fields declared here can change a result."""

    limit: int | None = Field(default=None, ge=0)
    """Greatest number of rows to compute in this run; the other rows stay pending for a later run. Useful for a trial.
    null: no limit."""
    retry_rejects: bool = False
    """Compute all rejected rows once more, whatever the reason of their rejection."""
    attempts: int = Field(default=1, ge=1, le=100)
    """Greatest number of times that a run computes a row: it tries again while the stage's checks refuse the result. 1:
    no second attempt."""
    workers: int | None = Field(default=None, ge=1)
    """Number of worker processes. null: one per CPU."""
    flush_rows: int = Field(default=16_384, ge=1)
    """A worker writes its results to a file after at most this many rows. A killed run loses at most the rows since
    then."""
    flush_seconds: float = Field(default=15.0, ge=0)
    """A worker writes its results to a file after about this many seconds, even if `flush_rows` is not reached."""
    commit_seconds: float = Field(default=30.0, ge=0)
    """The driver commits the files of the workers to the memo about every this many seconds."""
    timeout_seconds: float = Field(default=600.0, gt=0)
    """Greatest duration of one engine call. After it the worker process is ended, and a new worker computes the rows of
    that call one by one to find the row that is too slow."""
    budget: Budget = Budget()
    """Caps on the rows, tokens and seconds that the run may use."""
    gates: Gates = Gates()
    """Conditions that the candidate (the new version of the table) must meet before it is published."""
