from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.engines import tiny


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """The models here are so small that threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Graphs of models that are not registered are kept in the cache: one of these tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOPBATCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose vectors come from two layers and two poolings, with a prefix."""
    spec = {"prefix": "query: ", "layers": [1, 2], "pooling": ["mean", "max"]}
    return tiny.build(tmp_path_factory.mktemp("tiny") / "model", **spec)
