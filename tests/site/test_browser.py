"""The site of a warehouse in a real browser: every page fits the width of a desk and of a telephone."""

from __future__ import annotations

from pathlib import Path

import pytest

from shopbatch.warehouse.store import Store
from tests import browser
from tests.site.test_docs import docs, filled

pytestmark = browser.marks
__all__ = ["filled"]  # a fixture


def test_every_page_fits_its_window_and_raises_no_error(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name.removesuffix(".html") for name in docs(filled, monkeypatch)]
    assert {"index", "runs", "models"} <= set(names)
    assert browser.look_at(Path(filled.root) / "_site", names) == (set(), [])
