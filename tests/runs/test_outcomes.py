"""Which exit code an error means that a run has ended with."""

from __future__ import annotations

import errno
import os

import pytest
from ray import exceptions as lost
from ray.exceptions import RayTaskError

from shopbatch.runs.outcomes import FAILED, STOPPED, classify

ENVIRONMENT = [
    lost.LocalRayletDiedError(),
    lost.NodeDiedError("the node has gone"),
    lost.ActorUnavailableError("the connection is lost", None),
    lost.WorkerCrashedError(),
    lost.ObjectLostError("aa", None, ""),
    lost.OutOfDiskError("the disk is full"),
    lost.OutOfMemoryError("memory ran out"),
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
]
DEFECTS = [ValueError("a mistake in the code"), RayTaskError("task", "trace", ValueError("a mistake in the code"))]


@pytest.mark.parametrize("error", ENVIRONMENT, ids=lambda error: type(error).__name__)
def test_what_the_environment_did_is_stopped_and_can_be_resumed(error: Exception) -> None:
    code, outcome, message = classify(error, [])
    assert (code, outcome) == (STOPPED, "stopped") and "the same command goes on" in message
    around = RuntimeError("the stage failed")
    around.__cause__ = error
    assert classify(around, [])[0] == STOPPED


@pytest.mark.parametrize("error", DEFECTS, ids=lambda error: type(error).__name__)
def test_a_defect_is_a_failure(error: Exception) -> None:
    assert classify(error, [])[:2] == (FAILED, "failed")


def test_after_a_signal_every_error_is_its_doing() -> None:
    assert classify(ValueError("whatever"), ["SIGTERM"])[:2] == (STOPPED, "stopped")
