"""Runs a job as a user does: through the command line, in this process."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest

from shopbatch.cli import main as cli
from shopbatch.warehouse.store import Store


def messages(err: str) -> list[str]:
    """The lines on standard error that are for a person; the others are events as JSON."""
    return [line for line in err.strip().splitlines() if not line.startswith("{")]


def run_job(store: Store, name: str, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run a job on this warehouse: exit code, the last line of standard output, standard error."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("SHOPBATCH_WAREHOUSE", store.root)
        code = cli.main(["run", name, *arguments])
    lines = out.getvalue().splitlines()
    return code, json.loads(lines[-1]) if lines else {}, err.getvalue()
