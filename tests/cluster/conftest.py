"""One Ray head node for all tests of this folder: starting it takes longer than most of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.head import SECRETS, Head, ray_head


@pytest.fixture(scope="package")
def head() -> Iterator[Head]:
    """A head node whose environment, and therefore that of every worker, holds SECRETS."""
    with tempfile.TemporaryDirectory(prefix="sb", dir="/tmp") as folder, ray_head(Path(folder), **SECRETS) as started:
        yield started
