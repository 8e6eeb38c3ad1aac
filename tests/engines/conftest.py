from pathlib import Path

import pytest

from tests.engines import tiny


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose vectors come from two layers and two poolings, with a prefix."""
    spec = {"prefix": "query: ", "layers": [1, 2], "pooling": ["mean", "max"]}
    return tiny.build(tmp_path_factory.mktemp("tiny") / "model", **spec)
