"""Tests for a separate environment (`make test-vllm`): vLLM needs other versions than the rest of the project.

They run the shared contract of the generators, with vLLM in the place of the other fast backend.
"""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

pytest.register_assert_rewrite("tests.engines.test_generation")

from shopbatch.engines.configs import VllmGenerateConfig  # noqa: E402
from shopbatch.engines.factory import open_generator  # noqa: E402
from tests.engines import test_generation as contract  # noqa: E402
from tests.engines import tiny_causal  # noqa: E402

collect_ignore_glob = [] if find_spec("vllm") else ["test_*"]

VLLM = VllmGenerateConfig(dtype="float32", gpus=0, cache_mb=16)
HEAD = 32  # vLLM's kernels for a CPU have none for heads of 16 numbers
_build = tiny_causal.build

prompts, chats = contract.prompts, contract.chats


@pytest.fixture(autouse=True)
def instead_of_openvino(monkeypatch):
    """What the contract compares: the reference and vLLM, on models that vLLM computes on a CPU."""
    monkeypatch.setattr(contract, "REAL", [contract.CONFIGS["torch"], VLLM])
    monkeypatch.setattr(tiny_causal, "build", build)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("causal") / "model")


@pytest.fixture(scope="module")
def generator(folder):
    return open_generator(VLLM, str(folder))


def build(folder: Path, *args: object, **config: object) -> Path:
    return _build(folder, *args, **{"head_dim": HEAD, **config})
