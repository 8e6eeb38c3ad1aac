"""A shop with drawn pictures whose vectors are published: made once for the tests of the jobs about pictures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from shopbatch.sample import fill_boutique
from shopbatch.warehouse.store import Store
from tests.jobs.command_line import run_job

SIZE = "engine.size=64"


@pytest.fixture(scope="session")
def embedded_pictures(ray_local: None, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The boutique, after embed_images with the encoder that comes along."""
    store = Store(str(tmp_path_factory.mktemp("pictures") / "warehouse"))
    fill_boutique(store)
    code, report, err = run_job(store, "embed_images", SIZE, "workers=1")
    assert code == 0, err
    assert (report["rows"]["published"], report["rows"]["computed"]) == (310, 297), "13 are copies"
    return store


@pytest.fixture
def picture_shop(embedded_pictures: Store, tmp_path: Path) -> Store:
    """A copy of it."""
    shutil.copytree(embedded_pictures.root, tmp_path / "pictures")
    return Store(str(tmp_path / "pictures"))
